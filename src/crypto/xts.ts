/**
 * XTS (IEEE 1619) over any block cipher of 16-byte blocks, for ciphers whose library has no XTS.
 *
 * Block j of a data unit is enciphered between two additions of T·α^j, T being the encrypted IV.
 * Whole blocks only: a data unit never needs stolen ciphertext.
 */
import { invariant } from '../bytes/index.js';
import { UNIT_RUN } from './data-units.js';
import { type CipherLibrary, NO_IV, type RawCipher } from './library.js';
import { DATA_UNIT_SIZE } from './modes.js';

const tweaks = new Uint32Array(UNIT_RUN * 4);
const tweakBytes = new Uint8Array(tweaks.buffer);
const masks = new Uint32Array(DATA_UNIT_SIZE / 4);
const unit = new Uint32Array(DATA_UNIT_SIZE / 4);
const unitBytes = new Uint8Array(unit.buffer);

/** Writes T, T·α, T·α²… to the first `words` words of `masks`; α doubles in GF(2^128). */
function makeMasks(tweak: number, words: number): void {
  let t0 = tweaks[tweak * 4] ?? 0;
  let t1 = tweaks[tweak * 4 + 1] ?? 0;
  let t2 = tweaks[tweak * 4 + 2] ?? 0;
  let t3 = tweaks[tweak * 4 + 3] ?? 0;
  for (let word = 0; word < words; word += 4) {
    masks[word] = t0;
    masks[word + 1] = t1;
    masks[word + 2] = t2;
    masks[word + 3] = t3;
    const carry = (t3 >> 31) & 0x87;
    t3 = (t3 << 1) | (t2 >>> 31);
    t2 = (t2 << 1) | (t1 >>> 31);
    t1 = (t1 << 1) | (t0 >>> 31);
    t0 = (t0 << 1) ^ carry;
  }
}

function addMasks(words: number): void {
  for (let word = 0; word < words; word++) unit[word] = (unit[word] ?? 0) ^ (masks[word] ?? 0);
}

export class XtsCipher implements RawCipher {
  readonly #data: RawCipher;
  readonly #tweak: RawCipher;

  /** @param key - 32 bytes: the key of the data, then the key of the tweaks */
  constructor(library: CipherLibrary, blockCipher: 'sm4-ecb', key: Uint8Array) {
    this.#data = library.open(blockCipher, key.subarray(0, 16));
    this.#tweak = library.open(blockCipher, key.subarray(16));
  }

  encrypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    this.#crypt(ivs, from, into, (bytes) => this.#data.encrypt(NO_IV, bytes, bytes));
  }

  decrypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    this.#crypt(ivs, from, into, (bytes) => this.#data.decrypt(NO_IV, bytes, bytes));
  }

  wipe(): void {
    this.#data.wipe();
    this.#tweak.wipe();
  }

  #crypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array, blocks: (bytes: Uint8Array) => void): void {
    const parts = ivs.length / 16;
    const size = from.length / parts;
    invariant(parts <= UNIT_RUN && size <= DATA_UNIT_SIZE && size % 16 === 0, 'XTS takes whole data units');
    this.#tweak.encrypt(NO_IV, ivs, tweakBytes.subarray(0, ivs.length));
    const bytes = unitBytes.subarray(0, size);
    for (let part = 0; part < parts; part++) {
      makeMasks(part, size / 4);
      bytes.set(from.subarray(part * size, (part + 1) * size));
      addMasks(size / 4);
      blocks(bytes);
      addMasks(size / 4);
      into.set(bytes, part * size);
    }
    unit.fill(0);
  }
}
