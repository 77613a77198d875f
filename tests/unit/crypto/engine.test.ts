import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { InvariantError, isFsError } from '../../../src/bytes/index.js';
import { firstProven } from '../../../src/crypto/engine.js';
import type { CipherEngine } from '../../../src/crypto/index.js';
import {
  ALLOWED_MODE_PAIRS,
  chooseEngine,
  DATA_UNIT_SIZE,
  ENCRYPTION_MODES,
  encryptionMode,
  opensslEngine,
  portableEngine,
} from '../../../src/crypto/index.js';
import { findWrongAnswer } from '../../../src/crypto/known-answers.js';

const openssl = opensslEngine();
const contentsModes = ENCRYPTION_MODES.filter((mode) => mode.contents);
const filenamesModes = ENCRYPTION_MODES.filter((mode) => mode.filenames);

describe('modes', () => {
  test('pairs join a mode for contents with one for names', () => {
    for (const { contents, filenames } of ALLOWED_MODE_PAIRS) {
      assert.ok(encryptionMode(contents).contents);
      assert.ok(encryptionMode(filenames).filenames);
    }
  });

  test('an unknown mode is not supported', () => {
    assert.throws(
      () => encryptionMode(2),
      (error) => isFsError(error, 'EOPNOTSUPP'),
    );
    assert.throws(
      () => openssl.contentsCipher(4, randomBytes(32)),
      (error) => isFsError(error, 'EOPNOTSUPP'),
    );
    assert.throws(
      () => openssl.filenamesCipher(1, randomBytes(64)),
      (error) => isFsError(error, 'EOPNOTSUPP'),
    );
  });
});

describe('choice of the engine', () => {
  test('OpenSSL is chosen where it can be called', () => {
    assert.equal(chooseEngine().name, 'openssl');
    assert.equal(chooseEngine(), chooseEngine());
  });

  test('every engine proves itself', () => {
    assert.equal(findWrongAnswer(openssl), undefined);
    assert.equal(findWrongAnswer(portableEngine), undefined);
  });

  test('an engine that lies or fails is passed over', () => {
    const liar: CipherEngine = {
      name: 'liar',
      contentsCipher: (mode, key) =>
        portableEngine.contentsCipher(
          mode,
          key.map((byte) => byte ^ 1),
        ),
      filenamesCipher: (mode, key) => portableEngine.filenamesCipher(mode, key),
      hmacSha512: (key) => portableEngine.hmacSha512(key),
    };
    const wrongHash: CipherEngine = {
      ...liar,
      name: 'wrong hash',
      hmacSha512: () => ({ digest: (_message, into) => into.fill(1), wipe: () => undefined }),
    };
    const broken = () => {
      throw new Error('cannot load');
    };
    assert.equal(firstProven([() => liar, broken, () => portableEngine]), portableEngine);
    assert.throws(() => firstProven([() => liar, broken]), /EOPNOTSUPP.*liar is wrong in AES-256-XTS; cannot load/);
    assert.throws(() => firstProven([() => wrongHash]), /wrong hash is wrong in HKDF-SHA512/);
  });
});

describe('contents', () => {
  for (const { name, number, keySize } of contentsModes) {
    test(`${name}: engines agree, in place, unaligned, in any order of calls`, () => {
      const units = number === 1 ? 300 : 3;
      const plain = randomBytes(units * DATA_UNIT_SIZE);
      const key = randomBytes(keySize);
      const expected = Buffer.alloc(plain.length);
      portableEngine.contentsCipher(number, key).encrypt(7, plain, expected);

      const cipher = openssl.contentsCipher(number, key);
      const other = openssl.contentsCipher(number, randomBytes(keySize));
      const memory = Buffer.alloc(plain.length + 3);
      const inPlace = memory.subarray(3);
      inPlace.set(plain);
      other.encrypt(7, plain, Buffer.alloc(plain.length));
      cipher.encrypt(7, inPlace, inPlace);
      assert.ok(inPlace.equals(expected));
      other.decrypt(7, plain, Buffer.alloc(plain.length));

      const second = Buffer.alloc(DATA_UNIT_SIZE);
      cipher.decrypt(8, expected.subarray(DATA_UNIT_SIZE, 2 * DATA_UNIT_SIZE), second);
      assert.ok(second.equals(plain.subarray(DATA_UNIT_SIZE, 2 * DATA_UNIT_SIZE)));
      cipher.decrypt(7, inPlace, inPlace);
      assert.ok(inPlace.equals(plain));
    });
  }

  test('no unit repeats another', () => {
    for (const { number, keySize } of contentsModes) {
      const result = new Uint8Array(3 * DATA_UNIT_SIZE);
      openssl.contentsCipher(number, randomBytes(keySize)).encrypt(0, new Uint8Array(result.length), result);
      const units = [0, 1, 2].map((unit) =>
        Buffer.from(result.subarray(unit * DATA_UNIT_SIZE, (unit + 1) * DATA_UNIT_SIZE)).toString('hex'),
      );
      assert.equal(new Set(units).size, 3);
    }
  });
});

describe('names', () => {
  for (const { name, number, keySize } of filenamesModes) {
    test(`${name}: engines agree at every length`, () => {
      const key = randomBytes(keySize);
      const cipher = openssl.filenamesCipher(number, key);
      const portable = portableEngine.filenamesCipher(number, key);
      for (const length of [16, 17, 20, 31, 32, 33, 48, 254, 255, 4080, 4094, 4096]) {
        const plain = randomBytes(length);
        const before = Buffer.from(plain);
        const encrypted = cipher.encrypt(plain);
        assert.ok(plain.equals(before), 'the input is left alone');
        assert.equal(encrypted.length, length);
        assert.deepEqual(portable.encrypt(plain), encrypted);
        assert.ok(plain.equals(cipher.decrypt(encrypted)));
        assert.ok(plain.equals(portable.decrypt(Buffer.from(encrypted))));
      }
    });
  }

  test('a stored name of impossible length is corruption', () => {
    for (const { number, keySize } of filenamesModes) {
      const cipher = openssl.filenamesCipher(number, randomBytes(keySize));
      for (const length of [0, 15, 4097]) {
        assert.throws(
          () => cipher.decrypt(randomBytes(length)),
          (error) => isFsError(error, 'EUCLEAN'),
        );
      }
    }
  });
});

test('a wiped cipher is of no more use', () => {
  for (const engine of [openssl, portableEngine]) {
    for (const { number, keySize } of contentsModes) {
      const cipher = engine.contentsCipher(number, randomBytes(keySize));
      const unit = Buffer.alloc(DATA_UNIT_SIZE);
      cipher.encrypt(0, unit, unit);
      cipher.wipe();
      cipher.wipe();
      assert.throws(() => cipher.encrypt(0, unit, unit), InvariantError);
      assert.throws(() => cipher.decrypt(0, unit, unit), InvariantError);
    }
    for (const { number, keySize } of filenamesModes) {
      const cipher = engine.filenamesCipher(number, randomBytes(keySize));
      cipher.wipe();
      assert.throws(() => cipher.encrypt(Buffer.alloc(32)), InvariantError);
    }
  }
});
