import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFsError, type RandomSource, toHex } from '../../../src/bytes/index.js';
import {
  encodeInodeContext,
  extentMatchesPolicy,
  newExtentContext,
  newInodeContext,
  type Policy,
  parseExtentContext,
  parseInodeContext,
} from '../../../src/fscrypt/index.js';

const policy: Policy = {
  contentsMode: 1,
  filenamesMode: 10,
  flags: 2,
  log2DataUnitSize: 0,
  masterKeyIdentifier: new Uint8Array(16).fill(0xaa),
};
const random: RandomSource = { fill: (into) => into.fill(0x5c) };

test('new contexts have the stored bytes of their form', () => {
  const inode = encodeInodeContext(newInodeContext(policy, random));
  assert.equal(toHex(inode), `02010a0200000000${'aa'.repeat(16)}${'5c'.repeat(16)}`);
  assert.equal(toHex(newExtentContext(policy, 'trailing', random).bytes), toHex(inode));
  assert.equal(toHex(newExtentContext(policy, 'item', random).bytes), `0101${'aa'.repeat(16)}${'5c'.repeat(16)}`);
});

test('contexts parse to what was made', () => {
  const inode = newInodeContext(policy, random);
  assert.deepEqual(parseInodeContext(encodeInodeContext(inode)), inode);
  for (const form of ['item', 'trailing'] as const) {
    const extent = newExtentContext(policy, form, random);
    assert.deepEqual(parseExtentContext(extent.bytes, form), extent);
    assert.ok(extentMatchesPolicy(extent, policy));
    assert.ok(!extentMatchesPolicy(extent, { ...policy, contentsMode: 9 }));
    assert.ok(!extentMatchesPolicy(extent, { ...policy, masterKeyIdentifier: new Uint8Array(16) }));
  }
  const { bytes } = newExtentContext(policy, 'item', random);
  assert.equal(parseExtentContext(bytes, 'interim').form, 'interim');
});

test('a parsed context does not change with the block it came from', () => {
  const block = encodeInodeContext(newInodeContext(policy, random));
  const inode = parseInodeContext(block);
  const extent = parseExtentContext(block, 'trailing');
  block.fill(0);
  assert.equal(toHex(inode.nonce), '5c'.repeat(16));
  assert.equal(toHex(extent.bytes.subarray(0, 4)), '02010a02');
});

test('version 1 is EINVAL with its reason, all else that is no context EUCLEAN', () => {
  const v1 = new Uint8Array(28).fill(1);
  assert.throws(() => parseInodeContext(v1), { code: 'EINVAL', message: /version 1/ });
  assert.throws(() => parseExtentContext(v1, 'trailing'), { code: 'EINVAL', message: /version 1/ });
  const reserved = encodeInodeContext(newInodeContext(policy, random));
  reserved[7] = 1;
  assert.throws(() => parseInodeContext(reserved), { code: 'EUCLEAN' });
  assert.throws(() => parseInodeContext(new Uint8Array(40)), { code: 'EUCLEAN' });
  assert.throws(() => parseExtentContext(new Uint8Array(34).fill(2), 'item'), { code: 'EUCLEAN' });
});

test('a trailing context with DIRECT_KEY is EINVAL, an inode context is left to checkPolicy', () => {
  const direct = encodeInodeContext(
    newInodeContext({ ...policy, contentsMode: 9, filenamesMode: 9, flags: 4 }, random),
  );
  assert.throws(() => parseExtentContext(direct, 'trailing'), { code: 'EINVAL', message: /DIRECT_KEY/ });
  assert.equal(parseInodeContext(direct).policy.flags, 4);
});

test('arbitrary bytes either come back as they were or are one FsError', () => {
  const lengths = fc.oneof(fc.constantFrom(28, 34, 40), fc.nat(64));
  const bytes = lengths.chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
  const versioned = fc.tuple(bytes, fc.nat(3)).map(([all, version]) => {
    if (all.length > 0) all[0] = version;
    return all;
  });
  fc.assert(
    fc.property(
      versioned,
      fc.constantFrom('item' as const, 'trailing' as const, 'interim' as const),
      (stored, form) => {
        try {
          assert.deepEqual(parseExtentContext(stored, form).bytes, stored);
        } catch (error) {
          assert.ok(isFsError(error, 'EUCLEAN', 'EINVAL'));
        }
        try {
          assert.deepEqual(encodeInodeContext(parseInodeContext(stored)), stored);
        } catch (error) {
          assert.ok(isFsError(error, 'EUCLEAN', 'EINVAL'));
        }
      },
    ),
  );
});
