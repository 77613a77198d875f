import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BlockDevice, FaultyDevice, MemoryDevice, OverlayDevice } from '../../../src/device/index.js';

const GIB = 2 ** 30;

interface Write {
  readonly offset: number;
  readonly length: number;
  readonly value: number;
}

function readBytes(device: BlockDevice, offset: number, length: number): Uint8Array {
  const into = new Uint8Array(length);
  device.read(offset, into);
  return into;
}

test('a memory device of 10 GiB costs only the pages written', () => {
  const device = new MemoryDevice(10 * GIB);
  device.write(9 * GIB - 3, Uint8Array.of(1, 2, 3, 4, 5, 6));
  assert.deepEqual(readBytes(device, 9 * GIB - 4, 8), Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 0));
  assert.deepEqual(readBytes(device, 0, 4), new Uint8Array(4));
  assert.ok(device.allocatedBytes <= 2 ** 17, `${device.allocatedBytes} bytes`);
});

test('what a memory device is given back reads as zeros and costs nothing', () => {
  const device = new MemoryDevice(GIB);
  device.write(0, new Uint8Array(2 ** 20).fill(1));
  device.discard(100_000, 900_000);
  assert.deepEqual(readBytes(device, 99_999, 2), Uint8Array.of(1, 0));
  assert.deepEqual(readBytes(device, 999_999, 2), Uint8Array.of(0, 1));
  assert.ok(readBytes(device, 100_000, 900_000).every((byte) => byte === 0));
  assert.ok(device.allocatedBytes < 300_000, `${device.allocatedBytes} bytes`);
  assert.throws(() => device.discard(GIB, 1), { code: 'EIO' });
});

test('reads and writes outside the device are EIO', () => {
  const device = new MemoryDevice(4096);
  assert.throws(() => device.read(4095, new Uint8Array(2)), { code: 'EIO' });
  assert.throws(() => device.write(-1, new Uint8Array(1)), { code: 'EIO' });
  assert.throws(() => device.read(Number.NaN, new Uint8Array(1)), { code: 'EIO' });
  assert.throws(() => device.write(2 ** 60, new Uint8Array(1)), { code: 'EIO' });
  device.read(4096, new Uint8Array(0));
});

test('memory and overlay behave as one array of bytes', () => {
  const size = 200_000;
  const write: fc.Arbitrary<Write> = fc.record({
    offset: fc.nat(size - 1),
    length: fc.nat(150_000),
    value: fc.integer({ min: 1, max: 255 }),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 6 }), fc.array(write, { maxLength: 6 }), (first, second) => {
      const base = new MemoryDevice(size);
      const expectedBase = new Uint8Array(size);
      const apply = (device: BlockDevice, expected: Uint8Array, { offset, length, value }: Write) => {
        const bytes = new Uint8Array(Math.min(length, size - offset)).fill(value);
        device.write(offset, bytes);
        expected.set(bytes, offset);
      };
      for (const each of first) apply(base, expectedBase, each);
      const overlay = new OverlayDevice(base);
      const expectedOverlay = expectedBase.slice();
      for (const each of second) apply(overlay, expectedOverlay, each);
      assert.equal(Buffer.compare(readBytes(overlay, 0, size), expectedOverlay), 0);
      assert.equal(Buffer.compare(readBytes(base, 0, size), expectedBase), 0);
    }),
    { numRuns: 40 },
  );
});

test('a faulty device fails the chosen call once, or from then on', () => {
  const once = new FaultyDevice(new MemoryDevice(4096), { call: 2, code: 'ENOSPC', of: ['write'] });
  once.write(0, Uint8Array.of(1));
  once.read(0, new Uint8Array(1));
  assert.equal(once.hasFailed, false);
  assert.throws(() => once.write(1, Uint8Array.of(1)), { code: 'ENOSPC' });
  assert.equal(once.hasFailed, true);
  once.write(1, Uint8Array.of(1));

  const dead = new FaultyDevice(new MemoryDevice(4096), { call: 1, code: 'EIO', forever: true });
  assert.throws(() => dead.flush(), { code: 'EIO' });
  assert.throws(() => dead.read(0, new Uint8Array(1)), { code: 'EIO' });
});
