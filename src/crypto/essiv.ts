/**
 * CBC with encrypted salt-sector IVs: each IV is encrypted with AES-256 under SHA-256 of the key
 * before CBC sees it (linux crypto/essiv.c, "essiv(cbc(aes),sha256)").
 */

import { UNIT_RUN } from './data-units.js';
import { sha256 } from './digest.js';
import { type CipherLibrary, NO_IV, type RawCipher } from './library.js';

const saltedIvs = new Uint8Array(UNIT_RUN * 16);

export class EssivCipher implements RawCipher {
  readonly #cbc: RawCipher;
  readonly #salt: RawCipher;

  /** @param key - 16 bytes */
  constructor(library: CipherLibrary, key: Uint8Array) {
    const saltKey = sha256(key);
    this.#cbc = library.open('aes-128-cbc', key);
    this.#salt = library.open('aes-256-ecb', saltKey);
    saltKey.fill(0);
  }

  encrypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    this.#cbc.encrypt(this.#salted(ivs), from, into);
  }

  decrypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    this.#cbc.decrypt(this.#salted(ivs), from, into);
  }

  wipe(): void {
    this.#cbc.wipe();
    this.#salt.wipe();
  }

  #salted(ivs: Uint8Array): Uint8Array {
    const salted = saltedIvs.subarray(0, ivs.length);
    this.#salt.encrypt(NO_IV, ivs, salted);
    return salted;
  }
}
