/**
 * CBC with ciphertext stealing, variant CS3: the last two blocks are always swapped when there is
 * more than one (NIST SP 800-38A addendum; RFC 3962; linux crypto/cts.c). The IV is zero.
 */
import { checkCipherName, checkPlainName, type FilenamesCipher } from './ciphers.js';
import type { CipherLibrary, RawCipher } from './library.js';

const BLOCK = 16;
const ZERO_IV = new Uint8Array(BLOCK);

export class CtsCipher implements FilenamesCipher {
  readonly #cbc: RawCipher;

  constructor(library: CipherLibrary, cipher: 'aes-128-cbc' | 'aes-256-cbc' | 'sm4-cbc', key: Uint8Array) {
    this.#cbc = library.open(cipher, key);
  }

  encrypt(name: Uint8Array): Uint8Array {
    checkPlainName(name);
    const last = lastBlockAt(name.length);
    const blocks = new Uint8Array(last + BLOCK);
    blocks.set(name);
    this.#cbc.encrypt(ZERO_IV, blocks, blocks);
    if (last > 0) swapBlocks(blocks, last);
    return blocks.subarray(0, name.length);
  }

  decrypt(name: Uint8Array): Uint8Array {
    checkCipherName(name);
    const last = lastBlockAt(name.length);
    const blocks = new Uint8Array(last + BLOCK);
    blocks.set(name);
    if (last > 0) this.#unswap(blocks, last, name.length);
    this.#cbc.decrypt(ZERO_IV, blocks, blocks);
    return blocks.subarray(0, name.length);
  }

  wipe(): void {
    this.#cbc.wipe();
  }

  /**
   * Puts the last two blocks back into CBC order. What was cut off the shorter one, if anything, was
   * zero padding before CBC, so the longer one, deciphered alone, shows it.
   */
  #unswap(blocks: Uint8Array, last: number, length: number): void {
    if (length < last + BLOCK) {
      const padding = new Uint8Array(BLOCK);
      this.#cbc.decrypt(ZERO_IV, blocks.subarray(last - BLOCK, last), padding);
      blocks.set(padding.subarray(length - last), length);
    }
    swapBlocks(blocks, last);
  }
}

/** The last two; byte by byte, which for so few costs less than copying them. */
function swapBlocks(blocks: Uint8Array, last: number): void {
  for (let at = last; at < last + BLOCK; at++) {
    const byte = blocks[at] ?? 0;
    blocks[at] = blocks[at - BLOCK] ?? 0;
    blocks[at - BLOCK] = byte;
  }
}

function lastBlockAt(length: number): number {
  return Math.floor((length - 1) / BLOCK) * BLOCK;
}
