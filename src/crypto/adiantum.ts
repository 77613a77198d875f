/**
 * Adiantum with XChaCha12, AES-256 and NHPoly1305 (Crowley, Biggers, "Adiantum: length-preserving
 * encryption for entry-level processors", 2018; linux crypto/adiantum.c).
 *
 * A message is a bulk and a right block of 16 bytes. Encryption: add the hash of tweak and bulk to
 * the right block, encipher that with AES, add the key stream it selects to the bulk, subtract the
 * hash of tweak and new bulk from the right block. Decryption runs backwards.
 */
import { poly1305 } from '@noble/ciphers/_poly1305.js';
import { roundUp } from '../bytes/index.js';
import { keyMemory, keyWords } from './key-memory.js';
import { type CipherLibrary, NO_IV, type RawCipher } from './library.js';
import { NH_KEY_SIZE, NH_MESSAGE_SIZE, nh } from './nh.js';
import { MESSAGE_MAX, TWEAK_SIZE, type WideBlockCipher } from './wide-block.js';
import { xchacha12 } from './xchacha12.js';

const BLOCK = 16;
const NH_DIGEST_WORDS = 8;
const HEADER_SIZE = BLOCK + TWEAK_SIZE;
/** What the key stream of the key gives: a key for AES, two for Poly1305, one for NH. */
const DERIVED_SIZE = 32 + BLOCK + BLOCK + NH_KEY_SIZE;

const bulkWords = new Uint32Array(MESSAGE_MAX / 4);
const bulkBytes = new Uint8Array(bulkWords.buffer);
const right = new Uint32Array(BLOCK / 4);
const rightBytes = new Uint8Array(right.buffer);
const digestWords = new Uint32Array((MESSAGE_MAX / NH_MESSAGE_SIZE) * NH_DIGEST_WORDS);
const digestBytes = new Uint8Array(digestWords.buffer);
const header = new Uint8Array(HEADER_SIZE);
const headerView = new DataView(header.buffer);
/** The right block, then 1: with zeros to 24 bytes, the nonce of the key stream. */
const nonce = Uint32Array.of(0, 0, 0, 0, 1, 0);

/** `sum += other` modulo 2^128, both as four words. */
function add(sum: Uint32Array, other: Uint32Array): void {
  let carry = 0;
  for (let i = 0; i < 4; i++) {
    const word = (sum[i] ?? 0) + (other[i] ?? 0) + carry;
    sum[i] = word;
    carry = word > 0xffff_ffff ? 1 : 0;
  }
}

/** `difference -= other` modulo 2^128, both as four words. */
function subtract(difference: Uint32Array, other: Uint32Array): void {
  let borrow = 0;
  for (let i = 0; i < 4; i++) {
    const word = (difference[i] ?? 0) - (other[i] ?? 0) - borrow;
    difference[i] = word;
    borrow = word < 0 ? 1 : 0;
  }
}

/** A Poly1305 key that adds nothing at the end: 16 bytes from `from`, then zeros. */
function polyKey(from: Uint8Array): Uint8Array {
  const key = keyMemory(32);
  key.set(from.subarray(0, BLOCK));
  return key;
}

/** Poly1305 of `message`, as words. */
function poly(key: Uint8Array, message: Uint8Array): Uint32Array {
  const sum = poly1305(message, key);
  return new Uint32Array(sum.buffer, sum.byteOffset, 4);
}

export class Adiantum implements WideBlockCipher {
  readonly #streamKey = keyWords(8);
  readonly #aes: RawCipher;
  readonly #headerKey: Uint8Array;
  readonly #messageKey: Uint8Array;
  readonly #nhKey = new Uint32Array(NH_KEY_SIZE / 4);

  /** @param key - 32 bytes */
  constructor(library: CipherLibrary, key: Uint8Array) {
    new Uint8Array(this.#streamKey.buffer).set(key);
    const derivedWords = new Uint32Array(DERIVED_SIZE / 4);
    xchacha12(this.#streamKey, Uint32Array.of(1, 0, 0, 0, 0, 0), derivedWords);
    const derived = new Uint8Array(derivedWords.buffer);
    this.#aes = library.open('aes-256-ecb', derived.subarray(0, 32));
    this.#headerKey = polyKey(derived.subarray(32));
    this.#messageKey = polyKey(derived.subarray(32 + BLOCK));
    this.#nhKey.set(derivedWords.subarray((32 + BLOCK + BLOCK) / 4));
    derived.fill(0);
  }

  encrypt(tweak: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    const bulk = this.#load(from);
    const headerHash = this.#hashHeader(tweak, bulk);
    add(right, headerHash);
    add(right, this.#hashBulk(bulk));
    this.#aes.encrypt(NO_IV, rightBytes, rightBytes);
    this.#addStream(bulk);
    subtract(right, headerHash);
    subtract(right, this.#hashBulk(bulk));
    this.#store(bulk, into);
  }

  decrypt(tweak: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    const bulk = this.#load(from);
    const headerHash = this.#hashHeader(tweak, bulk);
    add(right, headerHash);
    add(right, this.#hashBulk(bulk));
    this.#addStream(bulk);
    this.#aes.decrypt(NO_IV, rightBytes, rightBytes);
    subtract(right, headerHash);
    subtract(right, this.#hashBulk(bulk));
    this.#store(bulk, into);
  }

  wipe(): void {
    this.#aes.wipe();
    for (const key of [this.#streamKey, this.#headerKey, this.#messageKey, this.#nhKey]) key.fill(0);
  }

  /** Copies a message to the working memory. @returns the length of its bulk */
  #load(from: Uint8Array): number {
    const bulk = from.length - BLOCK;
    bulkBytes.set(from.subarray(0, bulk));
    rightBytes.set(from.subarray(bulk));
    return bulk;
  }

  #store(bulk: number, into: Uint8Array): void {
    into.set(bulkBytes.subarray(0, bulk));
    into.set(rightBytes, bulk);
    bulkBytes.fill(0, 0, roundUp(bulk, BLOCK));
    right.fill(0);
    digestWords.fill(0);
    nonce.fill(0, 0, 4);
  }

  #hashHeader(tweak: Uint8Array, bulk: number): Uint32Array {
    headerView.setUint32(0, bulk * 8, true);
    header.set(tweak, BLOCK);
    return poly(this.#headerKey, header);
  }

  #hashBulk(bulk: number): Uint32Array {
    const padded = roundUp(bulk, BLOCK);
    bulkBytes.fill(0, bulk, padded);
    let digested = 0;
    for (let at = 0; at < padded; at += NH_MESSAGE_SIZE) {
      const end = Math.min(at + NH_MESSAGE_SIZE, padded);
      nh(this.#nhKey, bulkWords, at / 4, end / 4, digestWords.subarray(digested, digested + NH_DIGEST_WORDS));
      digested += NH_DIGEST_WORDS;
    }
    return poly(this.#messageKey, digestBytes.subarray(0, digested * 4));
  }

  #addStream(bulk: number): void {
    nonce.set(right);
    xchacha12(this.#streamKey, nonce, bulkWords.subarray(0, roundUp(bulk, 4) / 4));
  }
}
