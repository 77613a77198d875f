/** What Linux wrote: names, symlinks and extents of every accepted pair of modes, both layouts. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { isZero, toHex } from '../../../src/bytes/index.js';
import { type CipherEngine, opensslEngine, portableEngine } from '../../../src/crypto/index.js';
import {
  checkPolicy,
  decryptName,
  decryptTarget,
  type ExtentContextForm,
  encodeInodeContext,
  encryptName,
  encryptTarget,
  Keyring,
  matchesNoKeyName,
  namePadding,
  noKeyName,
  noKeyTarget,
  parseExtentContext,
  parseInodeContext,
  parseNoKeyName,
} from '../../../src/fscrypt/index.js';

interface Vectors {
  keys: { raw: string; identifier: string }[];
  directories: {
    image: string;
    path: string;
    context: string;
    names: { plain: string; stored: string; hash: number; shown: string }[];
  }[];
  symlinks: { image: string; path: string; context: string; target: string; stored: string; shown: string }[];
  extents: {
    image: string;
    path: string;
    form: ExtentContextForm;
    context: string;
    size: number;
    sha256: string;
    stored: string;
  }[];
}

const vectors: Vectors = JSON.parse(readFileSync('tests/vectors/fscrypt.json', 'utf8'));
const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const ascii = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

for (const engine of [portableEngine, opensslEngine()])
  describe(`with the ${engine.name} engine`, () => testVectors(engine));

function testVectors(engine: CipherEngine): void {
  const keyring = new Keyring({ engine });
  after(() => keyring.close());

  test('key identifiers', () => {
    for (const { raw, identifier } of vectors.keys) assert.equal(toHex(keyring.add(fromHex(raw))), identifier);
  });

  test('names decrypt, and encrypt to the same bytes', () => {
    for (const { image, path, context: stored, names } of vectors.directories) {
      const context = parseInodeContext(fromHex(stored));
      assert.equal(toHex(encodeInodeContext(context)), stored);
      checkPolicy(context.policy);
      for (const name of names) {
        const cipher = keyring.filenamesCipher(context);
        const where = `${image}: ${path}/${name.plain}`;
        assert.equal(toHex(decryptName(cipher, fromHex(name.stored)) ?? new Uint8Array(0)), name.plain, where);
        assert.equal(toHex(encryptName(cipher, namePadding(context.policy), fromHex(name.plain))), name.stored, where);
      }
    }
  });

  test('symlink targets decrypt, encrypt to the same bytes, and are shown without the key', () => {
    for (const { image, path, context: storedContext, target, stored, shown } of vectors.symlinks) {
      const context = parseInodeContext(fromHex(storedContext));
      const cipher = keyring.filenamesCipher(context);
      assert.equal(toHex(decryptTarget(cipher, fromHex(stored))), target, `${image}: ${path}`);
      assert.equal(
        toHex(encryptTarget(cipher, namePadding(context.policy), fromHex(target))),
        stored,
        `${image}: ${path}`,
      );
      assert.equal(ascii(noKeyTarget(fromHex(stored))), shown);
    }
  });

  test('extents decrypt, and encrypt to the same bytes', () => {
    for (const extent of vectors.extents) {
      const where = `${extent.image}: ${extent.path}`;
      const context = parseExtentContext(fromHex(extent.context), extent.form);
      const stored = new Uint8Array(Buffer.from(extent.stored, 'base64'));
      const plain = new Uint8Array(stored.length);
      const cipher = keyring.contentsCipher(context);
      cipher.decrypt(0, stored, plain);
      assert.equal(createHash('sha256').update(plain.subarray(0, extent.size)).digest('hex'), extent.sha256, where);
      assert.ok(isZero(plain.subarray(extent.size)), `${where}: tail`);
      const again = new Uint8Array(stored.length);
      cipher.encrypt(0, plain, again);
      assert.equal(Buffer.compare(again, stored), 0, where);
      const lastUnit = stored.length / 4096 - 1;
      cipher.decrypt(lastUnit, stored.subarray(lastUnit * 4096), again.subarray(0, 4096));
      assert.equal(Buffer.compare(again.subarray(0, 4096), plain.subarray(lastUnit * 4096)), 0, `${where}: last unit`);
    }
  });
}

test('names without the key are shown as Linux shows them, and found again', () => {
  for (const { names } of vectors.directories) {
    for (const name of names) {
      assert.equal(ascii(noKeyName(name.hash, fromHex(name.stored))), name.shown);
      const parsed = parseNoKeyName(Buffer.from(name.shown, 'ascii'));
      assert.ok(parsed !== undefined && parsed.hash === name.hash, name.shown);
      for (const other of names) assert.equal(matchesNoKeyName(parsed, fromHex(other.stored)), other === name);
    }
  }
});
