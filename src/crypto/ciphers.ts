/** The two kinds of cipher a policy names, and what makes them. */
import { corrupt, invariant } from '../bytes/index.js';
import type { Hmac } from './digest.js';

/**
 * Encrypts whole data units of 4096 bytes; unit i of a call has the number `firstUnit + i`.
 * `from` and `into` have the same length and are the same bytes or do not overlap.
 */
export interface ContentsCipher {
  encrypt(firstUnit: number, from: Uint8Array, into: Uint8Array): void;
  decrypt(firstUnit: number, from: Uint8Array, into: Uint8Array): void;
  /** Overwrites the key; the cipher must not be used again. */
  wipe(): void;
}

/** Encrypts names and symbolic links of 16 to 4096 bytes into new memory of the same length. */
export interface FilenamesCipher {
  encrypt(name: Uint8Array): Uint8Array;
  /** @throws FsError EUCLEAN if `name` has a length that encryption never gives */
  decrypt(name: Uint8Array): Uint8Array;
  /** Overwrites the key; the cipher must not be used again. */
  wipe(): void;
}

/** Makes the ciphers of all modes out of one library of block ciphers. */
export interface CipherEngine {
  readonly name: string;
  /**
   * @param mode - a number of `ENCRYPTION_MODES`
   * @param key - as long as the mode's `keySize`; copied
   * @throws FsError EOPNOTSUPP if the mode is unknown, not for contents, or not in this library
   */
  contentsCipher(mode: number, key: Uint8Array): ContentsCipher;
  /** The same for names and symbolic links. */
  filenamesCipher(mode: number, key: Uint8Array): FilenamesCipher;
  /** For key derivation. @param key - at most 128 bytes; copied */
  hmacSha512(key: Uint8Array): Hmac;
}

const NAME_MIN = 16;
const NAME_MAX = 4096;

/** Names to encrypt were padded by us. @throws InvariantError */
export function checkPlainName(name: Uint8Array): void {
  if (name.length < NAME_MIN || name.length > NAME_MAX)
    invariant(false, `a name of ${name.length} bytes is not padded`);
}

/** Names to decrypt come from a disk. @throws FsError EUCLEAN */
export function checkCipherName(name: Uint8Array): void {
  if (name.length < NAME_MIN || name.length > NAME_MAX) {
    throw corrupt('encrypted name', `is ${name.length} bytes long, not ${NAME_MIN} to ${NAME_MAX}`);
  }
}
