import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFsError } from '../../../src/bytes/index.js';
import {
  checkPolicy,
  encodePolicy,
  modeByName,
  modeName,
  namePadding,
  type Policy,
  paddingFlags,
  parsePolicy,
  policiesEqual,
} from '../../../src/fscrypt/index.js';

const policy: Policy = {
  contentsMode: 1,
  filenamesMode: 4,
  flags: 3,
  log2DataUnitSize: 0,
  masterKeyIdentifier: Uint8Array.from({ length: 16 }, (_value, index) => index),
};

test('a policy has the bytes of fscrypt_policy_v2', () => {
  const bytes = encodePolicy(policy);
  assert.equal(Buffer.from(bytes).toString('hex'), '0201040300000000000102030405060708090a0b0c0d0e0f');
  assert.deepEqual(parsePolicy(bytes), policy);
});

test('what is no policy of version 2 is EINVAL', () => {
  const reserved = encodePolicy(policy);
  reserved[6] = 1;
  for (const bytes of [
    new Uint8Array(0),
    new Uint8Array(12),
    new Uint8Array(24),
    reserved,
    encodePolicy(policy).subarray(1),
  ]) {
    assert.throws(() => parsePolicy(bytes), { code: 'EINVAL' });
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        assert.deepEqual(encodePolicy(parsePolicy(bytes)), bytes);
      } catch (error) {
        assert.ok(isFsError(error, 'EINVAL'));
      }
    }),
  );
});

test('exactly the five pairs of modes are accepted', () => {
  const accepted: string[] = [];
  for (let contentsMode = 0; contentsMode < 256; contentsMode++) {
    for (let filenamesMode = 0; filenamesMode < 16; filenamesMode++) {
      try {
        checkPolicy({ ...policy, contentsMode, filenamesMode });
        accepted.push(`${contentsMode}/${filenamesMode}`);
      } catch (error) {
        assert.ok(isFsError(error, 'EINVAL'));
      }
    }
  }
  assert.deepEqual(accepted, ['1/4', '1/10', '5/6', '7/8', '9/9']);
});

test('other flags and data unit sizes are EINVAL, by name where they have one', () => {
  assert.throws(() => checkPolicy({ ...policy, contentsMode: 9, filenamesMode: 9, flags: 4 }), {
    code: 'EINVAL',
    message: /DIRECT_KEY/,
  });
  assert.throws(() => checkPolicy({ ...policy, flags: 8 }), { code: 'EINVAL', message: /IV_INO_LBLK_64/ });
  assert.throws(() => checkPolicy({ ...policy, flags: 0x13 }), { code: 'EINVAL', message: /IV_INO_LBLK_32/ });
  assert.throws(() => checkPolicy({ ...policy, flags: 0x80 }), { code: 'EINVAL', message: /0x80/ });
  assert.throws(() => checkPolicy({ ...policy, log2DataUnitSize: 12 }), { code: 'EINVAL' });
  assert.throws(() => checkPolicy({ ...policy, masterKeyIdentifier: new Uint8Array(8) }), { code: 'EINVAL' });
});

test('policies compare by every field', () => {
  assert.ok(policiesEqual(policy, { ...policy, masterKeyIdentifier: policy.masterKeyIdentifier.slice() }));
  assert.ok(!policiesEqual(policy, { ...policy, flags: 2 }));
  assert.ok(!policiesEqual(policy, { ...policy, masterKeyIdentifier: new Uint8Array(16) }));
});

test('paddings and mode names', () => {
  for (const padding of [4, 8, 16, 32]) assert.equal(namePadding({ ...policy, flags: paddingFlags(padding) }), padding);
  assert.throws(() => paddingFlags(64), { code: 'EINVAL' });
  for (const mode of [1, 4, 5, 6, 7, 8, 9, 10]) assert.equal(modeByName(modeName(mode).toLowerCase()), mode);
  assert.equal(modeName(1), 'AES-256-XTS');
  assert.equal(modeByName('AES_256_CTS'), 4);
  assert.equal(modeByName('aes-256-cbc-cts'), 4);
  assert.equal(modeByName('AES_128_CBC'), 5);
  assert.equal(modeName(77), 'mode 77');
  assert.throws(() => modeByName('rot13'), { code: 'EINVAL', message: /AES-256-XTS/ });
});
