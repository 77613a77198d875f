/**
 * Ciphers that take a whole message as one block: every bit of the result depends on every bit of
 * the input. Adiantum and HCTR2 are two of them; both take a 32-byte tweak from fscrypt.
 */
import { type ContentsCipher, checkCipherName, checkPlainName, type FilenamesCipher } from './ciphers.js';
import { checkDataUnits } from './data-units.js';
import { DATA_UNIT_SIZE } from './modes.js';

export const TWEAK_SIZE = 32;
/** The longest message: a data unit, or the longest symbolic link. */
export const MESSAGE_MAX = DATA_UNIT_SIZE;

/** Messages are 16 to {@link MESSAGE_MAX} bytes; `from` and `into` may be the same bytes. */
export interface WideBlockCipher {
  encrypt(tweak: Uint8Array, from: Uint8Array, into: Uint8Array): void;
  decrypt(tweak: Uint8Array, from: Uint8Array, into: Uint8Array): void;
  wipe(): void;
}

/** Contents of files: each data unit is a message, its number (64 bits) the tweak. */
export class WideBlockContents implements ContentsCipher {
  readonly #cipher: WideBlockCipher;
  readonly #tweak = new Uint8Array(TWEAK_SIZE);
  readonly #tweakView = new DataView(this.#tweak.buffer);

  constructor(cipher: WideBlockCipher) {
    this.#cipher = cipher;
  }

  encrypt(firstUnit: number, from: Uint8Array, into: Uint8Array): void {
    checkDataUnits(firstUnit, from, into);
    for (let at = 0; at < from.length; at += DATA_UNIT_SIZE) {
      const end = at + DATA_UNIT_SIZE;
      this.#tweakView.setBigUint64(0, BigInt(firstUnit + at / DATA_UNIT_SIZE), true);
      this.#cipher.encrypt(this.#tweak, from.subarray(at, end), into.subarray(at, end));
    }
  }

  decrypt(firstUnit: number, from: Uint8Array, into: Uint8Array): void {
    checkDataUnits(firstUnit, from, into);
    for (let at = 0; at < from.length; at += DATA_UNIT_SIZE) {
      const end = at + DATA_UNIT_SIZE;
      this.#tweakView.setBigUint64(0, BigInt(firstUnit + at / DATA_UNIT_SIZE), true);
      this.#cipher.decrypt(this.#tweak, from.subarray(at, end), into.subarray(at, end));
    }
  }

  wipe(): void {
    this.#cipher.wipe();
  }
}

const ZERO_TWEAK = new Uint8Array(TWEAK_SIZE);

/** Names: each is a message under the zero tweak. */
export class WideBlockFilenames implements FilenamesCipher {
  readonly #cipher: WideBlockCipher;

  constructor(cipher: WideBlockCipher) {
    this.#cipher = cipher;
  }

  encrypt(name: Uint8Array): Uint8Array {
    checkPlainName(name);
    const encrypted = new Uint8Array(name.length);
    this.#cipher.encrypt(ZERO_TWEAK, name, encrypted);
    return encrypted;
  }

  decrypt(name: Uint8Array): Uint8Array {
    checkCipherName(name);
    const plain = new Uint8Array(name.length);
    this.#cipher.decrypt(ZERO_TWEAK, name, plain);
    return plain;
  }

  wipe(): void {
    this.#cipher.wipe();
  }
}
