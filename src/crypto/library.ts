/**
 * The port behind which a library of plain block ciphers stands.
 *
 * Everything fscrypt adds to those ciphers (stolen ciphertext, ESSIV, Adiantum, HCTR2, SM4-XTS) is
 * written once over this port, so that a back end is no more than the few ciphers below.
 */

import type { Hmac } from './digest.js';

/** Key and IV sizes in bytes of the ciphers asked of a library, under OpenSSL's names. */
export const RAW_CIPHERS = {
  'aes-256-xts': { keySize: 64, ivSize: 16 },
  'aes-256-cbc': { keySize: 32, ivSize: 16 },
  'aes-128-cbc': { keySize: 16, ivSize: 16 },
  'aes-256-ecb': { keySize: 32, ivSize: 0 },
  'sm4-cbc': { keySize: 16, ivSize: 16 },
  'sm4-ecb': { keySize: 16, ivSize: 0 },
} as const;

export type RawCipherName = keyof typeof RAW_CIPHERS;

/** The IV to pass to a cipher that takes none (ECB): the whole input is one part. */
export const NO_IV = new Uint8Array(16);

/**
 * A cipher under one key, over whole blocks of 16 bytes, without padding.
 *
 * `ivs` holds one IV of 16 bytes after another; the input is cut into as many equal parts, each
 * under its own IV. `from` and `into` have the same length and are the same bytes or disjoint.
 */
export interface RawCipher {
  encrypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void;
  decrypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void;
  /** Overwrites the key; the cipher must not be used again. */
  wipe(): void;
}

export interface CipherLibrary {
  readonly name: string;
  /** Copies `key`, at most 128 bytes. */
  hmacSha512(key: Uint8Array): Hmac;
  /** Copies `key`. @throws FsError EOPNOTSUPP if the library was built without the cipher */
  open(cipher: RawCipherName, key: Uint8Array): RawCipher;
}
