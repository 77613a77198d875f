import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseEngine, type FilenamesCipher } from '../../../src/crypto/index.js';
import {
  decryptName,
  decryptTarget,
  encryptName,
  encryptTarget,
  MAX_CIPHER_TARGET,
  matchesNoKeyName,
  noKeyName,
  noKeyTarget,
  parseNoKeyName,
} from '../../../src/fscrypt/index.js';

const real = chooseEngine().filenamesCipher(4, new Uint8Array(32).fill(7));
/** Stores names as they are, so that a test can choose what a tampered name decrypts to. */
const transparent: FilenamesCipher = {
  encrypt: (bytes) => bytes.slice(),
  decrypt: (bytes) => bytes.slice(),
  wipe() {},
};
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

const nameByte = fc.integer({ min: 1, max: 255 }).filter((byte) => byte !== 0x2f);
const name = fc
  .array(nameByte, { minLength: 1, maxLength: 255 })
  .map((bytes) => Uint8Array.from(bytes))
  .filter((bytes) => !(bytes.length <= 2 && bytes.every((byte) => byte === 0x2e)));

test('names come back, padded to the policy and never beyond 255 bytes', () => {
  fc.assert(
    fc.property(name, fc.constantFrom(4, 8, 16, 32), (plain, padding) => {
      const stored = encryptName(real, padding, plain);
      assert.equal(stored.length, Math.min(255, Math.ceil(Math.max(16, plain.length) / padding) * padding));
      assert.deepEqual(decryptName(real, stored), plain);
    }),
  );
});

test('a name of 255 bytes fits, 256 do not', () => {
  assert.equal(encryptName(real, 32, new Uint8Array(255).fill(0x61)).length, 255);
  assert.throws(() => encryptName(real, 4, new Uint8Array(256).fill(0x61)), { code: 'ENAMETOOLONG' });
});

test('a stored name of impossible length is EUCLEAN', () => {
  for (const length of [0, 1, 15, 256])
    assert.throws(() => decryptName(real, new Uint8Array(length)), { code: 'EUCLEAN' });
});

test('what cannot be a name is left to its no-key form', () => {
  for (const text of ['', '.', '..', 'a/b', 'a\0b']) {
    assert.equal(decryptName(transparent, bytesOf(text.padEnd(16, '\0'))), undefined, JSON.stringify(text));
  }
  assert.deepEqual(decryptName(transparent, bytesOf('...'.padEnd(16, '\0'))), bytesOf('...'));
});

const hash = fc.integer({ min: 0, max: 0xffff_ffff });
const storedName = fc.uint8Array({ minLength: 16, maxLength: 255 });

test('no-key names are at most 252 bytes long and lead back to their entry alone', () => {
  fc.assert(
    fc.property(hash, storedName, storedName, (nameHash, stored, other) => {
      const shown = noKeyName(nameHash, stored);
      assert.ok(shown.length <= 252);
      assert.match(Buffer.from(shown).toString('latin1'), /^[A-Za-z0-9_-]+$/);
      const parsed = parseNoKeyName(shown);
      assert.ok(parsed !== undefined);
      assert.equal(parsed.hash, nameHash);
      assert.ok(matchesNoKeyName(parsed, stored));
      assert.equal(matchesNoKeyName(parsed, other), Buffer.compare(stored, other) === 0);
    }),
  );
});

test('names that differ only beyond 149 bytes are told apart', () => {
  const stored = new Uint8Array(200).fill(1);
  const other = stored.slice();
  other[199] = 2;
  const parsed = parseNoKeyName(noKeyName(5, stored));
  assert.ok(parsed?.digest !== undefined);
  assert.ok(matchesNoKeyName(parsed, stored));
  assert.ok(!matchesNoKeyName(parsed, other));
  assert.ok(!matchesNoKeyName(parsed, stored.subarray(0, 149)));
});

test('only canonical base64url is a no-key name', () => {
  const shown = Buffer.from(noKeyName(1, new Uint8Array(17).fill(0xff))).toString('latin1');
  assert.ok(parseNoKeyName(bytesOf(shown)) !== undefined);
  const last = shown.at(-1) ?? '';
  const rejected = [
    '',
    'abc',
    'AAAAAAAAAAA',
    `${shown}=`,
    `${shown}\n`,
    ` ${shown}`,
    shown.replaceAll('_', '/'),
    shown.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1),
    `${shown.slice(0, 8)}B${shown.slice(9)}`,
    'ä'.repeat(30),
    'A'.repeat(216),
    'A'.repeat(255),
  ];
  for (const text of rejected) assert.equal(parseNoKeyName(bytesOf(text)), undefined, JSON.stringify(text));
});

test('arbitrary bytes are no no-key name, or encode back to themselves', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 255 }), (shown) => {
      const parsed = parseNoKeyName(shown);
      if (parsed?.digest === undefined && parsed !== undefined)
        assert.deepEqual(noKeyName(parsed.hash, parsed.prefix), shown);
    }),
  );
});

test('targets come back, up to the longest', () => {
  const target = fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 600 });
  fc.assert(
    fc.property(target, fc.constantFrom(4, 8, 16, 32), (bytes, padding) => {
      const stored = encryptTarget(real, padding, Uint8Array.from(bytes));
      assert.equal((stored[0] ?? 0) + (stored[1] ?? 0) * 256, stored.length - 2);
      assert.deepEqual(decryptTarget(real, stored), Uint8Array.from(bytes));
    }),
  );
  const longest = new Uint8Array(MAX_CIPHER_TARGET).fill(0x61);
  assert.equal(encryptTarget(real, 32, longest).length, 4096);
  assert.throws(() => encryptTarget(real, 32, new Uint8Array(4095).fill(1)), { code: 'ENAMETOOLONG' });
  assert.equal(encryptTarget(real, 32, longest.subarray(0, 3947), 3947).length, 3949);
  assert.throws(() => encryptTarget(real, 32, longest.subarray(0, 3948), 3947), { code: 'ENAMETOOLONG' });
  assert.throws(() => encryptTarget(real, 32, new Uint8Array(0)), { code: 'ENOENT' });
});

test('a damaged target is EUCLEAN, with the key and without', () => {
  const stored = encryptTarget(real, 4, bytesOf('target'));
  const tooLong = stored.slice();
  tooLong[0] = 255;
  for (const bytes of [new Uint8Array(0), new Uint8Array(1), new Uint8Array(18), stored.subarray(0, 17), tooLong]) {
    assert.throws(() => decryptTarget(real, bytes), { code: 'EUCLEAN' });
    assert.throws(() => noKeyTarget(bytes), { code: 'EUCLEAN' });
  }
  const inner = new Uint8Array(18);
  inner.set([16, 0, 0x61, 0, 0x62]);
  assert.throws(() => decryptTarget(transparent, inner), { code: 'EUCLEAN' });
});
