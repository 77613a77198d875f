/** Reading ahead in another thread: what it hands out is what the device holds, and it is needed for nothing. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { checksumAlgorithm } from '../../../src/checksum/index.js';
import { type BlockDevice, FileDevice, GatheringDevice, MemoryDevice } from '../../../src/device/index.js';
import { ReadAhead } from '../../../src/volume/read-ahead.js';
import { temporaryPath } from '../../support/temporary.js';

const MIB = 2 ** 20;
const SECTOR = 4096;
const SIZE = 32 * MIB;

interface Bench {
  readonly path: string;
  readonly contents: Buffer;
  readonly device: BlockDevice;
  readonly readAhead: ReadAhead;
  /** Reads with it where that succeeds, and compares. @returns whether it did */
  read(offset: number, length: number): boolean;
}

function withBench(type: number, use: (bench: Bench) => void): void {
  const path = temporaryPath('.img');
  const contents = randomBytes(SIZE);
  writeFileSync(path, contents);
  const device = new GatheringDevice(FileDevice.open(path, { readOnly: false }));
  const checksum = checksumAlgorithm(type);
  const readAhead = new ReadAhead(device, checksum, SECTOR);
  const read = (offset: number, length: number): boolean => {
    const [bytes, digests] = [new Uint8Array(length), new Uint8Array((length / SECTOR) * checksum.size)];
    if (!readAhead.take(offset, bytes, digests)) return false;
    const expected = contents.subarray(offset, offset + length);
    const sums = new Uint8Array(digests.length);
    checksum.digestSectors(expected, SECTOR, sums);
    assert.ok(expected.equals(bytes), `bytes at ${offset}`);
    assert.deepEqual(digests, sums);
    return true;
  };
  try {
    use({ path, contents, device, readAhead, read });
  } finally {
    readAhead.close();
    readAhead.close();
    device.close();
  }
}

/** Time for the thread to do what it can. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Reads the beginning again and again until the thread has come to life. @returns where the next read would be */
function readUntilTaken({ read }: Bench, length: number): number {
  for (let round = 0; round < 1000; round++) {
    for (let offset = 0; offset < 6 * MIB; offset += length) if (read(offset, length)) return offset + length;
    pause(10);
  }
  return assert.fail('nothing was read ahead');
}

for (const [type, name] of [
  [0, 'crc32c'],
  [1, 'xxhash64'],
  [2, 'sha256'],
  [3, 'blake2b'],
] as const) {
  test(`a long run is read ahead and summed up: ${name}`, () => {
    withBench(type, (bench) => {
      let taken = 0;
      for (let offset = readUntilTaken(bench, MIB); offset < SIZE; offset += MIB) {
        pause(20);
        if (bench.read(offset, MIB)) taken += 1;
      }
      assert.ok(taken > 0);
    });
  });
}

test('pieces of any length of whole sectors', () => {
  withBench(0, (bench) => {
    const start = readUntilTaken(bench, 128 * 1024);
    let taken = 0;
    for (let offset = start, length = 33 * SECTOR; offset + length <= SIZE; length += SECTOR) {
      pause(2);
      if (bench.read(offset, length)) taken += 1;
      offset += length;
    }
    assert.ok(taken > 0);
  });
});

test('what is written over is not handed out', () => {
  withBench(0, (bench) => {
    const { contents, device, readAhead, read } = bench;
    let at = readUntilTaken(bench, MIB);
    for (; at + 4 * MIB <= SIZE; at += MIB) {
      pause(5);
      // Small enough to wait in the device before it is written.
      const bytes = randomBytes(SECTOR);
      const target = at + 2 * MIB + SECTOR;
      readAhead.forget(target, SECTOR);
      device.write(target, bytes);
      bytes.copy(contents, target);
      read(at, MIB);
    }
  });
});

test('short reads, and reads here and there, are not read ahead', () => {
  withBench(0, ({ read }) => {
    for (let offset = 0; offset < SIZE; offset += SECTOR) assert.equal(read(offset, SECTOR), false);
    for (let i = 0; i < 100; i++) assert.equal(read(((i * 7) % 31) * MIB, MIB), false);
  });
});

test('a device that loses its end is left to its reader', () => {
  withBench(0, (bench) => {
    const at = readUntilTaken(bench, MIB);
    truncateSync(bench.path, at);
    for (let offset = at + 4 * MIB; offset < SIZE; offset += MIB) {
      pause(5);
      assert.equal(bench.read(offset, MIB), false);
    }
  });
});

test('a device that is no file does without', () => {
  const readAhead = new ReadAhead(new MemoryDevice(SIZE), checksumAlgorithm(0), SECTOR);
  for (let offset = 0; offset < SIZE; offset += MIB) {
    assert.equal(readAhead.take(offset, new Uint8Array(MIB), new Uint8Array(1024)), false);
  }
  readAhead.close();
});
