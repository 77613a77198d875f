/**
 * AES-256-HCTR2: POLYVAL around AES in XCTR mode (Crowley, Huckleberry, Biggers, "Length-preserving
 * encryption with HCTR2", IACR ePrint 2021/1441; linux crypto/hctr2.c). Names below are the paper's.
 */
import { polyval } from '@noble/ciphers/_polyval.js';
import { roundUp } from '../bytes/index.js';
import { keyMemory } from './key-memory.js';
import { type CipherLibrary, NO_IV, type RawCipher } from './library.js';
import { MESSAGE_MAX, TWEAK_SIZE, type WideBlockCipher } from './wide-block.js';

const BLOCK = 16;
/** The hashed length block says twice the tweak's length in bits, plus 2, or 3 after a partial block. */
const TWEAK_BITS_TWICE = TWEAK_SIZE * 8 * 2;
const HASH_HEADER = BLOCK + TWEAK_SIZE;

const hashInput = new Uint8Array(HASH_HEADER + MESSAGE_MAX);
const keystream = new Uint8Array(MESSAGE_MAX);
const keystreamView = new DataView(keystream.buffer);

function addInto(sum: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) ^ (other[i] ?? 0);
}

export class Hctr2 implements WideBlockCipher {
  readonly #aes: RawCipher;
  readonly #hashKey: Uint8Array;
  readonly #L: Uint8Array;

  /** @param key - 32 bytes */
  constructor(library: CipherLibrary, key: Uint8Array) {
    this.#aes = library.open('aes-256-ecb', key);
    this.#hashKey = this.#enciphered(new Uint8Array(BLOCK));
    this.#L = this.#enciphered(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  }

  encrypt(tweak: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    const MM = new Uint8Array(from.subarray(0, BLOCK));
    addInto(MM, this.#hash(tweak, from.subarray(BLOCK)));
    const UU = this.#enciphered(MM);
    this.#xctr(MM, UU, from.subarray(BLOCK), into.subarray(BLOCK));
    addInto(UU, this.#hash(tweak, into.subarray(BLOCK)));
    into.set(UU);
  }

  decrypt(tweak: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    const UU = new Uint8Array(from.subarray(0, BLOCK));
    addInto(UU, this.#hash(tweak, from.subarray(BLOCK)));
    const MM = new Uint8Array(BLOCK);
    this.#aes.decrypt(NO_IV, UU, MM);
    this.#xctr(MM, UU, from.subarray(BLOCK), into.subarray(BLOCK));
    addInto(MM, this.#hash(tweak, into.subarray(BLOCK)));
    into.set(MM);
  }

  wipe(): void {
    this.#aes.wipe();
    this.#hashKey.fill(0);
    this.#L.fill(0);
  }

  #enciphered(block: Uint8Array): Uint8Array {
    const result = keyMemory(BLOCK);
    this.#aes.encrypt(NO_IV, block, result);
    return result;
  }

  #hash(tweak: Uint8Array, message: Uint8Array): Uint8Array {
    const padded = roundUp(message.length, BLOCK);
    const input = hashInput.subarray(0, HASH_HEADER + padded).fill(0);
    const partial = padded > message.length;
    const lengthBlock = TWEAK_BITS_TWICE + (partial ? 3 : 2);
    input[0] = lengthBlock & 0xff;
    input[1] = lengthBlock >>> 8;
    input.set(tweak, BLOCK);
    input.set(message, HASH_HEADER);
    if (partial) input[HASH_HEADER + message.length] = 1;
    const digest = polyval(input, this.#hashKey);
    input.fill(0);
    return digest;
  }

  /** Adds the stream of AES(S ⊕ 1), AES(S ⊕ 2)… with S = MM ⊕ UU ⊕ L. */
  #xctr(MM: Uint8Array, UU: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    const S = new Uint8Array(MM);
    addInto(S, UU);
    addInto(S, this.#L);
    const blocks = Math.ceil(from.length / BLOCK);
    for (let i = 0; i < blocks; i++) {
      keystream.set(S, i * BLOCK);
      keystreamView.setUint32(i * BLOCK, keystreamView.getUint32(i * BLOCK, true) ^ (i + 1), true);
    }
    const stream = keystream.subarray(0, blocks * BLOCK);
    this.#aes.encrypt(NO_IV, stream, stream);
    for (let i = 0; i < from.length; i++) into[i] = (from[i] ?? 0) ^ (stream[i] ?? 0);
    stream.fill(0);
  }
}
