/**
 * Names of encrypted directories: as stored (ciphertext), and as shown without the key.
 *
 * Mirrors linux fs/crypto/fname.c. `.` and `..` are never encrypted and never come here.
 */
import { corrupt, FsError, invariant, viewOf } from '../bytes/index.js';
import { type FilenamesCipher, sha256 } from '../crypto/index.js';

/** Shortest ciphertext: one cipher block. */
const MIN_CIPHER_LENGTH = 16;
/** NAME_MAX, for plain and cipher names alike. */
const MAX_NAME_LENGTH = 255;

const NUL = 0;
const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * Encrypts a name with its directory's cipher, padded with NULs.
 *
 * @param padding - of the directory's policy: 4, 8, 16 or 32 bytes
 * @throws FsError ENAMETOOLONG above 255 bytes
 */
export function encryptName(cipher: FilenamesCipher, padding: number, name: Uint8Array): Uint8Array {
  invariant(isShowable(name), 'only a checked name is encrypted');
  return cipher.encrypt(padded(name, padding, MAX_NAME_LENGTH));
}

/**
 * Decrypts a stored name.
 *
 * @returns undefined if the result cannot be a name (the stored bytes were tampered with): show
 * it by {@link noKeyName} and report it
 * @throws FsError EUCLEAN if the stored length is impossible
 */
export function decryptName(cipher: FilenamesCipher, cipherName: Uint8Array): Uint8Array | undefined {
  if (cipherName.length < MIN_CIPHER_LENGTH || cipherName.length > MAX_NAME_LENGTH) {
    throw corrupt('encrypted name', `${cipherName.length} bytes long, not ${MIN_CIPHER_LENGTH} to ${MAX_NAME_LENGTH}`);
  }
  const name = withoutTrailingNuls(cipher.decrypt(cipherName));
  return isShowable(name) ? name : undefined;
}

/**
 * `text` followed by NULs up to the length to encrypt.
 *
 * @param longest - no ciphertext is longer than this (bytes)
 * @throws FsError ENAMETOOLONG if `text` itself is
 */
export function padded(text: Uint8Array, padding: number, longest: number): Uint8Array {
  if (text.length > longest)
    throw new FsError('ENAMETOOLONG', `${text.length} bytes, at most ${longest} can be encrypted`);
  const wanted = Math.ceil(Math.max(text.length, MIN_CIPHER_LENGTH) / padding) * padding;
  const bytes = new Uint8Array(Math.min(wanted, longest));
  bytes.set(text);
  return bytes;
}

export function withoutTrailingNuls(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === NUL) end -= 1;
  return bytes.subarray(0, end);
}

function isShowable(name: Uint8Array): boolean {
  const isDots = name.length <= 2 && name.every((byte) => byte === DOT);
  return !isDots && !name.includes(NUL) && !name.includes(SLASH);
}

/**
 * Layout of `fscrypt_nokey_name`, which is shown in base64url without padding characters.
 * A ciphertext longer than 149 bytes ends in the SHA-256 of what does not fit.
 */
const NO_KEY_NAME = { hash: 0, minorHash: 4, prefix: 8, digest: 157, SIZE: 189 } as const;
/** In characters, four for three bytes: the two hashes and the shortest ciphertext. */
const SHORTEST_NO_KEY_NAME = Math.ceil(((NO_KEY_NAME.prefix + MIN_CIPHER_LENGTH) * 4) / 3);
const LONGEST_PREFIX = NO_KEY_NAME.digest - NO_KEY_NAME.prefix;

/** A name as shown without the key, taken apart. */
export interface NoKeyName {
  /** Name hash of the entry's stored name: where to look for it. */
  readonly hash: number;
  /** The stored name, or its first 149 bytes if there is a digest. */
  readonly prefix: Uint8Array;
  /** SHA-256 of the rest of the stored name. */
  readonly digest?: Uint8Array;
}

/**
 * How a stored name is shown when the directory's key is not there: at most 252 ASCII bytes.
 *
 * @param hash - name hash of the stored name, the offset of its DIR_ITEM's key; 0 for symlink targets
 */
export function noKeyName(hash: number, cipherName: Uint8Array): Uint8Array {
  const isLong = cipherName.length > LONGEST_PREFIX;
  const bytes = new Uint8Array(isLong ? NO_KEY_NAME.SIZE : NO_KEY_NAME.prefix + cipherName.length);
  viewOf(bytes).setUint32(NO_KEY_NAME.hash, hash, true);
  bytes.set(cipherName.subarray(0, LONGEST_PREFIX), NO_KEY_NAME.prefix);
  if (isLong) bytes.set(sha256(cipherName.subarray(LONGEST_PREFIX)), NO_KEY_NAME.digest);
  return toBase64url(bytes);
}

/**
 * Takes a shown name apart again.
 *
 * @returns undefined if {@link noKeyName} cannot have made it: no entry has this name (ENOENT)
 */
export function parseNoKeyName(shown: Uint8Array): NoKeyName | undefined {
  if (shown.length < SHORTEST_NO_KEY_NAME) return undefined;
  const bytes = new Uint8Array(Buffer.from(asAscii(shown), 'base64url'));
  // Node skips what is no base64url, so only what encodes back to the same text was valid.
  if (Buffer.compare(toBase64url(bytes), shown) !== 0) return undefined;
  if (bytes.length <= NO_KEY_NAME.prefix) return undefined;
  const isLong = bytes.length > NO_KEY_NAME.digest;
  if (isLong && bytes.length !== NO_KEY_NAME.SIZE) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(NO_KEY_NAME.minorHash, true) !== 0) return undefined;
  return {
    hash: view.getUint32(NO_KEY_NAME.hash, true),
    prefix: bytes.slice(NO_KEY_NAME.prefix, NO_KEY_NAME.digest),
    ...(isLong ? { digest: bytes.slice(NO_KEY_NAME.digest) } : {}),
  };
}

/** Whether `cipherName` is the stored name that a no-key name stands for. */
export function matchesNoKeyName(shown: NoKeyName, cipherName: Uint8Array): boolean {
  if (shown.digest === undefined) return Buffer.compare(shown.prefix, cipherName) === 0;
  return (
    cipherName.length > LONGEST_PREFIX &&
    Buffer.compare(shown.prefix, cipherName.subarray(0, LONGEST_PREFIX)) === 0 &&
    Buffer.compare(shown.digest, sha256(cipherName.subarray(LONGEST_PREFIX))) === 0
  );
}

function toBase64url(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.from(asBuffer(bytes).toString('base64url'), 'ascii'));
}

function asAscii(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
