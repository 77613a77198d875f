/**
 * XChaCha with 12 rounds: the stream cipher of Adiantum (draft-irtf-cfrg-xchacha with 12 rounds for
 * 20; linux lib/crypto/chacha.c). Works on little-endian words of the host.
 */
import { keyWords } from './key-memory.js';

const SIGMA_0 = 0x61707865;
const SIGMA_1 = 0x3320646e;
const SIGMA_2 = 0x79622d32;
const SIGMA_3 = 0x6b206574;
const DOUBLE_ROUNDS = 6;

const state = keyWords(16);
const block = keyWords(16);
const derived = keyWords(8);

function quarterRound(a: number, b: number, c: number, d: number): void {
  let xa = block[a] ?? 0;
  let xb = block[b] ?? 0;
  let xc = block[c] ?? 0;
  let xd = block[d] ?? 0;
  xa = (xa + xb) | 0;
  xd ^= xa;
  xd = (xd << 16) | (xd >>> 16);
  xc = (xc + xd) | 0;
  xb ^= xc;
  xb = (xb << 12) | (xb >>> 20);
  xa = (xa + xb) | 0;
  xd ^= xa;
  xd = (xd << 8) | (xd >>> 24);
  xc = (xc + xd) | 0;
  xb ^= xc;
  xb = (xb << 7) | (xb >>> 25);
  block[a] = xa;
  block[b] = xb;
  block[c] = xc;
  block[d] = xd;
}

/** Twelve rounds over `state` into `block`, without the final addition. */
function permute(): void {
  block.set(state);
  for (let doubleRound = 0; doubleRound < DOUBLE_ROUNDS; doubleRound++) {
    quarterRound(0, 4, 8, 12);
    quarterRound(1, 5, 9, 13);
    quarterRound(2, 6, 10, 14);
    quarterRound(3, 7, 11, 15);
    quarterRound(0, 5, 10, 15);
    quarterRound(1, 6, 11, 12);
    quarterRound(2, 7, 8, 13);
    quarterRound(3, 4, 9, 14);
  }
}

function startState(key: Uint32Array): void {
  state[0] = SIGMA_0;
  state[1] = SIGMA_1;
  state[2] = SIGMA_2;
  state[3] = SIGMA_3;
  state.set(key, 4);
}

/** HChaCha12: writes to `derived` the key for the stream of all nonces that start with `nonce` (4 words). */
function deriveSubkey(key: Uint32Array, nonce: Uint32Array): void {
  startState(key);
  state.set(nonce, 12);
  permute();
  derived.set(block.subarray(0, 4));
  derived.set(block.subarray(12), 4);
}

/**
 * Adds the key stream to `words`, from the stream's beginning.
 *
 * @param key - 8 words
 * @param nonce - 6 words
 */
export function xchacha12(key: Uint32Array, nonce: Uint32Array, words: Uint32Array): void {
  deriveSubkey(key, nonce.subarray(0, 4));
  startState(derived);
  derived.fill(0);
  state[13] = 0;
  state[14] = nonce[4] ?? 0;
  state[15] = nonce[5] ?? 0;
  for (let at = 0, counter = 0; at < words.length; at += 16, counter++) {
    state[12] = counter;
    permute();
    const end = Math.min(16, words.length - at);
    for (let i = 0; i < end; i++) words[at + i] = (words[at + i] ?? 0) ^ ((block[i] ?? 0) + (state[i] ?? 0));
  }
  state.fill(0);
  block.fill(0);
}
