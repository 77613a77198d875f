/**
 * The answers an engine must give before it is trusted with anybody's data.
 *
 * Each mode encrypts a fixed message under a fixed key; the digests of the results were taken from
 * the portable engine after it had passed the published vectors (tests/vectors/crypto).
 */
import { equalBytes, isFsError, toHex } from '../bytes/index.js';
import type { CipherEngine } from './ciphers.js';
import { hkdfExpand, hkdfExtract, sha256 } from './digest.js';
import { DATA_UNIT_SIZE, ENCRYPTION_MODES } from './modes.js';

/** Far enough to reach into the high half of a unit's number. */
const FIRST_UNIT = 2 ** 32 - 1;
const NAME_SIZES = [16, 31, 48];

/** By mode number: the start of SHA-256 over two data units, and over three names. */
const ANSWERS: Readonly<Record<number, { contents?: string; filenames?: string }>> = {
  1: { contents: '66639061af8332a948ff660b2995c684' },
  4: { filenames: '592631485e7d8298cb409f4b8af370ea' },
  5: { contents: '502a588bbdc6d78758357d53d5cd3afa' },
  6: { filenames: '62cfb34a02202e76340b8872d676e5bb' },
  7: { contents: '0f007969f64addfd65acfa765e10ed35' },
  8: { filenames: 'c93b0b686a1f02ca1c2a0471eba5a87f' },
  9: {
    contents: '25ddb3468b6fad8b6869ea95eeb09858',
    filenames: '507f247ea6a5024b3ed8920611dfc8e8',
  },
  10: { filenames: 'de3afff26c681b5f57b78321496436c6' },
};

function pattern(length: number, step: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * step + (i >>> 8)) & 0xff);
}

function digestOf(parts: readonly Uint8Array[]): string {
  return toHex(sha256(Buffer.concat(parts))).slice(0, 32);
}

/** The digest of the mode's answer, or 'one-way' if decryption does not undo encryption. */
export function contentsAnswer(engine: CipherEngine, mode: number, key: Uint8Array): string {
  const plain = pattern(2 * DATA_UNIT_SIZE, 7);
  const encrypted = new Uint8Array(plain.length);
  const decrypted = new Uint8Array(plain.length);
  const cipher = engine.contentsCipher(mode, key);
  cipher.encrypt(FIRST_UNIT, plain, encrypted);
  cipher.decrypt(FIRST_UNIT, encrypted, decrypted);
  cipher.wipe();
  return equalBytes(plain, decrypted) ? digestOf([encrypted]) : 'one-way';
}

/** The same for names. */
export function filenamesAnswer(engine: CipherEngine, mode: number, key: Uint8Array): string {
  const plain = NAME_SIZES.map((size) => pattern(size, 11));
  const cipher = engine.filenamesCipher(mode, key);
  const encrypted = plain.map((name) => cipher.encrypt(name));
  const undone = encrypted.every((name, i) => equalBytes(cipher.decrypt(name), plain[i] ?? name));
  cipher.wipe();
  return undone ? digestOf(encrypted) : 'one-way';
}

/** The identifier that the kernel gives the master key 00 01 02 … 3f. */
const IDENTIFIER = '8699c2c53707405da5aba5ae4d8583c0';

function identifierAnswer(engine: CipherEngine): string {
  const hmac = engine.hmacSha512(hkdfExtract(Uint8Array.from({ length: 64 }, (_, i) => i)));
  const identifier = new Uint8Array(IDENTIFIER.length / 2);
  hkdfExpand(hmac, Buffer.from('fscrypt\0\x01'), identifier);
  hmac.wipe();
  return toHex(identifier);
}

/** The name of a mode whose answer is wrong. A mode the library does not have is not wrong. */
export function findWrongAnswer(engine: CipherEngine): string | undefined {
  if (identifierAnswer(engine) !== IDENTIFIER) return 'HKDF-SHA512';
  for (const { name, number, keySize } of ENCRYPTION_MODES) {
    const key = pattern(keySize, 13);
    const { contents, filenames } = ANSWERS[number] ?? {};
    try {
      if (contents !== undefined && contentsAnswer(engine, number, key) !== contents) return name;
      if (filenames !== undefined && filenamesAnswer(engine, number, key) !== filenames) return name;
    } catch (error) {
      if (!isFsError(error, 'EOPNOTSUPP')) throw error;
    }
  }
  return undefined;
}
