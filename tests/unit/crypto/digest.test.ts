import assert from 'node:assert/strict';
import { hkdfSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { hkdfExpand, hkdfExtract, opensslEngine, portableEngine, sha256 } from '../../../src/crypto/index.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('HKDF gives the key identifier that the kernel gives', () => {
  const master = Uint8Array.from({ length: 64 }, (_, i) => i);
  const identifier = hkdfExpand(hkdfExtract(master), Buffer.from('fscrypt\0\x01'), 16);
  assert.equal(hex(identifier), '8699c2c53707405da5aba5ae4d8583c0');
});

test('HKDF agrees with node:crypto at every length', () => {
  for (const length of [1, 16, 63, 64, 65, 128, 200]) {
    const master = randomBytes(48);
    const info = randomBytes(25);
    const expected = hex(new Uint8Array(hkdfSync('sha512', master, Buffer.alloc(0), info, length)));
    assert.equal(hex(hkdfExpand(hkdfExtract(master), info, length)), expected);
    for (const engine of [opensslEngine(), portableEngine]) {
      assert.equal(hex(engine.hkdfExpand(hkdfExtract(master), info, length)), expected, engine.name);
    }
  }
});

test('sha256 of nothing', () => {
  assert.equal(hex(sha256(new Uint8Array(0))), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});
