import assert from 'node:assert/strict';
import { hkdfSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  type CipherEngine,
  hkdfExpand,
  hkdfExtract,
  opensslEngine,
  portableEngine,
  sha256,
} from '../../../src/crypto/index.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function derive(engine: CipherEngine, master: Uint8Array, info: Uint8Array, length: number): string {
  const hmac = engine.hmacSha512(hkdfExtract(master));
  const into = new Uint8Array(length);
  hkdfExpand(hmac, info, into);
  hmac.wipe();
  assert.throws(() => hkdfExpand(hmac, info, into), /wiped/);
  return hex(into);
}

for (const engine of [opensslEngine(), portableEngine]) {
  test(`HKDF gives the key identifier that the kernel gives, ${engine.name}`, () => {
    const master = Uint8Array.from({ length: 64 }, (_, i) => i);
    assert.equal(derive(engine, master, Buffer.from('fscrypt\0\x01'), 16), '8699c2c53707405da5aba5ae4d8583c0');
  });

  test(`HKDF agrees with node:crypto at every length, ${engine.name}`, () => {
    for (const length of [1, 16, 63, 64, 65, 128, 200]) {
      const master = randomBytes(48);
      const info = randomBytes(25);
      const expected = hex(new Uint8Array(hkdfSync('sha512', master, Buffer.alloc(0), info, length)));
      assert.equal(derive(engine, master, info, length), expected);
    }
  });

  test(`two HMACs do not mix, ${engine.name}`, () => {
    const [one, other] = [engine.hmacSha512(Buffer.from('one')), engine.hmacSha512(Buffer.from('other'))];
    const [first, between, again] = [new Uint8Array(64), new Uint8Array(64), new Uint8Array(64)];
    one.digest(Buffer.from('message'), first);
    other.digest(Buffer.from('message'), between);
    one.digest(Buffer.from('message'), again);
    assert.deepEqual(first, again);
    assert.notDeepEqual(first, between);
    one.wipe();
    other.wipe();
  });
}

test('sha256 of nothing', () => {
  assert.equal(hex(sha256(new Uint8Array(0))), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});
