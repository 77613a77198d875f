import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isFsError } from '../../../src/bytes/index.js';
import { checksumAlgorithm, crc32c, crc32cRaw } from '../../../src/checksum/index.js';

const ascii = (text: string) => Buffer.from(text, 'latin1');

/** What the field holds on disk, so little-endian where the sum is a number. */
const ANSWERS = [
  // RFC 3720 appendix B.4, and the check value of the CRC catalogue.
  { type: 0, name: 'crc32c', input: ascii('123456789'), field: '839206e3' },
  { type: 0, name: 'crc32c', input: Buffer.alloc(32), field: 'aa36918a' },
  { type: 0, name: 'crc32c', input: Buffer.alloc(32, 0xff), field: '43aba862' },
  // The specification of xxHash, seed 0.
  { type: 1, name: 'xxhash64', input: ascii(''), field: '99e9d85137db46ef' },
  { type: 1, name: 'xxhash64', input: ascii('abc'), field: '990977adf52cbc44' },
  // FIPS 180-2.
  {
    type: 2,
    name: 'sha256',
    input: ascii('abc'),
    field: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  },
  // b2sum --length 256.
  {
    type: 3,
    name: 'blake2b',
    input: ascii('abc'),
    field: 'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319',
  },
] as const;

describe('checksum algorithms', () => {
  for (const { type, name, input, field } of ANSWERS) {
    test(`${name} of ${input.length} bytes`, () => {
      const algorithm = checksumAlgorithm(type);
      assert.equal(algorithm.name, name);
      assert.equal(algorithm.size, field.length / 2);
      const into = Buffer.alloc(algorithm.size + 5);
      algorithm.digestInto(input, into, 3);
      assert.equal(into.toString('hex'), `000000${field}0000`);
    });

    test(`${name} of each sector`, () => {
      const algorithm = checksumAlgorithm(type);
      const bytes = Uint8Array.from({ length: 3 * 4096 }, (_, i) => i >>> 5);
      const sums = new Uint8Array(3 * algorithm.size);
      algorithm.digestSectors(bytes, 4096, sums);
      const wanted = new Uint8Array(sums.length);
      for (let i = 0; i < 3; i++) {
        algorithm.digestInto(bytes.slice(i * 4096, (i + 1) * 4096), wanted, i * algorithm.size);
      }
      assert.deepEqual(sums, wanted);
    });
  }

  test('an unknown type is not supported', () => {
    for (const type of [4, 65535, -1]) {
      assert.throws(
        () => checksumAlgorithm(type),
        (error) => isFsError(error, 'EOPNOTSUPP'),
      );
    }
  });
});

describe('crc32c', () => {
  test('the hash of a name is the raw register', () => {
    // The key offset of the entry "default" in the root tree of every volume.
    assert.equal(crc32cRaw(0xfffffffe, ascii('default')), 2378154706);
  });

  test('the raw register continues where it was left', () => {
    const bytes = ascii('a name cut in two');
    const half = crc32cRaw(0xfffffffe, bytes.subarray(0, 7));
    assert.equal(crc32cRaw(half, bytes.subarray(7)), crc32cRaw(0xfffffffe, bytes));
    assert.equal(~crc32cRaw(0xffffffff, bytes) >>> 0, crc32c(bytes));
  });
});
