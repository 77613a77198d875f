import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { isFsError } from '../../../src/bytes/index.js';
import { decompress } from '../../../src/compression/index.js';

const SECTOR = 4096;
const METHODS = { zlib: 1, lzo: 2, zstd: 3 } as const;
type Method = keyof typeof METHODS;
const METHOD_NAMES = Object.keys(METHODS) as Method[];

const WORDS = 'extent chunk stripe sector inode subvolume snapshot leaf node key offset'.split(' ');

/** Text that compresses to about a third; the kernel compressed the same (tests/vectors/compression). */
function wordList(length: number): Buffer {
  let state = 1;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fff_ffff;
    text += WORDS[(state >> 16) % WORDS.length] ?? '';
    text += ((state >> 8) & 7) === 0 ? state : ' ';
  }
  return Buffer.from(text.slice(0, length));
}

const stored = (method: Method, kind: 'regular' | 'inline') =>
  readFileSync(`tests/vectors/compression/${method}-${kind}.bin`);
const isCorrupt = (error: unknown) => isFsError(error, 'EUCLEAN');

for (const method of METHOD_NAMES) {
  const type = METHODS[method];
  describe(method, () => {
    test('an extent of the kernel, zeros after the end of the file', () => {
      const output = decompress(type, stored(method, 'regular'), 40960, SECTOR, false);
      assert.equal(output.length, 40960);
      assert.deepEqual(Buffer.from(output.subarray(0, 40000)), wordList(40000));
      assert.ok(output.subarray(40000).every((byte) => byte === 0));
    });

    test('an inline extent of the kernel', () => {
      const output = decompress(type, stored(method, 'inline'), 1800, SECTOR, true);
      assert.deepEqual(Buffer.from(output), wordList(1800));
    });

    test('a stream longer than the extent is corruption', () => {
      assert.throws(() => decompress(type, stored(method, 'regular'), 36864, SECTOR, false), isCorrupt);
      assert.throws(() => decompress(type, stored(method, 'inline'), 1799, SECTOR, true), isCorrupt);
    });

    test('a stream cut short is corruption', () => {
      const input = stored(method, 'inline');
      for (let length = 0; length < input.length; length += 7) {
        assert.throws(() => decompress(type, input.subarray(0, length), 1800, SECTOR, true), isCorrupt);
      }
    });

    test('damaged streams give bytes of the right length or corruption, soon', () => {
      const input = stored(method, 'regular');
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.nat(input.length - 1), fc.nat(255)), { minLength: 1 }), (changes) => {
          const damaged = Uint8Array.from(input);
          for (const [at, byte] of changes) damaged[at] = byte;
          const output = decompressOrCorrupt(type, damaged, 40960);
          assert.ok(output === undefined || output.length === 40960);
        }),
      );
    });

    test('noise is corruption', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
          decompressOrCorrupt(type, noise, 131072);
        }),
      );
    });
  });
}

/** Any error but corruption fails the test. */
function decompressOrCorrupt(type: number, input: Uint8Array, length: number): Uint8Array | undefined {
  try {
    return decompress(type, input, length, SECTOR, false);
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    return undefined;
  }
}

test('zlib round trips, with padding behind', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 9000 }), fc.nat(4095), (bytes, padding) => {
      const input = Buffer.concat([deflateSync(bytes), Buffer.alloc(padding)]);
      assert.deepEqual(Buffer.from(decompress(1, input, bytes.length, SECTOR, false)), Buffer.from(bytes));
    }),
  );
});

test('an unknown method, or an extent too large, is corruption', () => {
  assert.throws(() => decompress(4, Buffer.alloc(100), 4096, SECTOR, false), isCorrupt);
  assert.throws(() => decompress(1, deflateSync(Buffer.alloc(10)), 2 ** 40, SECTOR, false), isCorrupt);
});

/** A segment of literals only. `length` is 1 to 238. */
function literalSegment(bytes: Uint8Array): Buffer {
  const stream = Buffer.concat([Buffer.of(bytes.length + 17), bytes, Buffer.of(17, 0, 0)]);
  const header = Buffer.alloc(4);
  header.writeUInt32LE(stream.length);
  return Buffer.concat([header, stream]);
}

describe('lzo segments', () => {
  test('lengths skip what is left of a sector when that is less than 4 bytes', () => {
    for (const left of [1, 2, 3, 4, 5]) {
      const parts: Buffer[] = [Buffer.alloc(4)];
      const plain: Buffer[] = [];
      let at = 4;
      const add = (count: number) => {
        const bytes = Buffer.alloc(count, plain.length + 1);
        plain.push(bytes);
        parts.push(literalSegment(bytes));
        at += count + 8;
      };
      while (SECTOR - left - at > 400) add(200);
      const rest = SECTOR - left - at - 16;
      add(rest >> 1);
      add(rest - (rest >> 1));
      assert.equal(at, SECTOR - left);
      if (left < 4) parts.push(Buffer.alloc(left));
      add(100);
      const input = Buffer.concat(parts);
      input.writeUInt32LE(input.length);
      const wanted = Buffer.concat(plain);
      assert.deepEqual(Buffer.from(decompress(2, input, wanted.length, SECTOR, false)), wanted);
    }
  });

  test('a segment of more than a sector is corruption', () => {
    // 200 literals, then a match of 2 + 31 + 255 * 16 bytes at distance 1.
    const stream = Buffer.concat([
      Buffer.of(217),
      Buffer.alloc(200, 7),
      Buffer.of(32),
      Buffer.alloc(15),
      Buffer.of(255, 0, 0, 17, 0, 0),
    ]);
    const input = Buffer.concat([Buffer.alloc(8), stream]);
    input.writeUInt32LE(input.length);
    input.writeUInt32LE(stream.length, 4);
    assert.throws(() => decompress(2, input, 8192, 4096, false), isCorrupt);
    const output = decompress(2, input, 8192, 8192, false);
    assert.equal(output.filter((byte) => byte === 7).length, 200 + 2 + 31 + 255 * 16);
  });
});

test('zstd: a header that promises more than the extent is corruption, at no cost', () => {
  const promise = Buffer.from('28b52ffde0ffffffffff1f000001000000', 'hex');
  assert.throws(() => decompress(3, promise, 4096, SECTOR, false), isCorrupt);
  const hugeWindow = Buffer.from('28b52ffd00f80100 00'.replace(' ', ''), 'hex');
  assert.throws(() => decompress(3, hugeWindow, 4096, SECTOR, false), isCorrupt);
});
