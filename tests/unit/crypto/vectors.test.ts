/** The modes against published answers, over every library. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Adiantum } from '../../../src/crypto/adiantum.js';
import { sha256 } from '../../../src/crypto/digest.js';
import { opensslEngine, portableEngine } from '../../../src/crypto/engine.js';
import { Hctr2 } from '../../../src/crypto/hctr2.js';
import type { CipherLibrary } from '../../../src/crypto/library.js';
import { ENCRYPTION_MODES } from '../../../src/crypto/modes.js';
import { nodeLibrary } from '../../../src/crypto/node-library.js';
import { opensslLibrary } from '../../../src/crypto/openssl-library.js';
import type { WideBlockCipher } from '../../../src/crypto/wide-block.js';
import { XtsCipher } from '../../../src/crypto/xts.js';

interface Vector {
  readonly mode: string;
  readonly source: string;
  readonly key: string;
  readonly iv: string;
  readonly tweak: string;
  readonly plain: string;
  readonly cipher: string;
  readonly firstUnit: number;
  readonly sha256: string;
}

const vectorsOf = (name: string): Vector[] => JSON.parse(readFileSync(`tests/vectors/crypto/${name}.json`, 'utf8'));
const bytesOf = (hex: string) => Buffer.from(hex, 'hex');
const modeNumber = (name: string) => ENCRYPTION_MODES.find((mode) => mode.name === name)?.number ?? 0;

function assertWideBlock(cipher: WideBlockCipher, vector: Vector): void {
  const plain = bytesOf(vector.plain);
  const tweak = bytesOf(vector.tweak);
  const result = Buffer.alloc(plain.length);
  cipher.encrypt(tweak, plain, result);
  assert.equal(result.toString('hex'), vector.cipher);
  assert.equal(plain.toString('hex'), vector.plain, 'the input is left alone');
  cipher.decrypt(tweak, result, result);
  assert.equal(result.toString('hex'), vector.plain);
  cipher.wipe();
}

const libraries: readonly CipherLibrary[] = [nodeLibrary, opensslLibrary()];
for (const library of libraries) {
  describe(`cipher library ${library.name}`, () => {
    test('Adiantum gives the answers of its authors', () => {
      for (const vector of vectorsOf('adiantum')) assertWideBlock(new Adiantum(library, bytesOf(vector.key)), vector);
    });

    test('HCTR2 gives the answers of its authors', () => {
      for (const vector of vectorsOf('hctr2')) assertWideBlock(new Hctr2(library, bytesOf(vector.key)), vector);
    });

    test('XTS gives the answers of its standards', () => {
      for (const vector of vectorsOf('block-modes').filter(({ mode }) => mode.endsWith('XTS'))) {
        const key = bytesOf(vector.key);
        const cipher =
          vector.mode === 'SM4-XTS' ? new XtsCipher(library, 'sm4-ecb', key) : library.open('aes-256-xts', key);
        const result = bytesOf(vector.plain);
        cipher.encrypt(bytesOf(vector.iv), result, result);
        assert.equal(result.toString('hex'), vector.cipher, vector.source);
        cipher.decrypt(bytesOf(vector.iv), result, result);
        assert.equal(result.toString('hex'), vector.plain, vector.source);
      }
    });
  });
}

for (const engine of [portableEngine, opensslEngine()]) {
  describe(`cipher engine ${engine.name}`, () => {
    test('steals ciphertext as RFC 3962 does', () => {
      const vectors = vectorsOf('block-modes').filter(({ mode }) => mode.endsWith('CTS'));
      assert.ok(vectors.length > 10);
      for (const vector of vectors) {
        const cipher = engine.filenamesCipher(modeNumber(vector.mode), bytesOf(vector.key));
        const encrypted = cipher.encrypt(bytesOf(vector.plain));
        assert.equal(Buffer.from(encrypted).toString('hex'), vector.cipher, vector.source);
        assert.equal(Buffer.from(cipher.decrypt(encrypted)).toString('hex'), vector.plain, vector.source);
      }
    });

    test('numbers data units beyond 32 bits', () => {
      const plain = Uint8Array.from({ length: 8192 }, (_, i) => (5 * i + (i >>> 8)) & 0xff);
      for (const vector of vectorsOf('data-units')) {
        const cipher = engine.contentsCipher(modeNumber(vector.mode), bytesOf(vector.key));
        const encrypted = new Uint8Array(plain.length);
        cipher.encrypt(vector.firstUnit, plain, encrypted);
        assert.equal(Buffer.from(sha256(encrypted)).toString('hex'), vector.sha256, vector.mode);
      }
    });
  });
}
