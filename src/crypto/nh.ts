/**
 * NH, the first stage of NHPoly1305 (linux crypto/nhpoly1305.c, lib/crypto/nh.c): four passes, each
 * a sum of 32 by 32 bit products modulo 2^64 over words of the message added to words of the key.
 *
 * Without 64-bit integers: one factor is halved, and the products of its halves (below 2^48) are
 * summed as doubles, exact for the {@link EXACT_UNITS} units after which they are folded.
 */

/** Bytes of a message that are hashed into 32 bytes at a time. */
export const NH_MESSAGE_SIZE = 1024;
export const NH_KEY_SIZE = 1072;

const PASSES = 4;
const TWO_16 = 0x1_0000;
const TWO_32 = 0x1_0000_0000;
/** Units of 16 bytes, two products each: 32 sums below 2^48 stay below 2^53. */
const EXACT_UNITS = 16;

/** Sums of products with the low and the high half of one factor, by pass. */
const low = new Float64Array(PASSES);
const high = new Float64Array(PASSES);

/** Adds the products of up to {@link EXACT_UNITS} units to the sums. */
function addUnits(key: Uint32Array, keyAt: number, message: Uint32Array, from: number, to: number): void {
  for (let pass = 0; pass < PASSES; pass++) {
    let lowSum = 0;
    let highSum = 0;
    let k = keyAt + pass * 4;
    for (let m = from; m < to; m += 4, k += 4) {
      const a = ((message[m] ?? 0) + (key[k] ?? 0)) >>> 0;
      const b = ((message[m + 2] ?? 0) + (key[k + 2] ?? 0)) >>> 0;
      const c = ((message[m + 1] ?? 0) + (key[k + 1] ?? 0)) >>> 0;
      const d = ((message[m + 3] ?? 0) + (key[k + 3] ?? 0)) >>> 0;
      lowSum += (a & 0xffff) * b + (c & 0xffff) * d;
      highSum += (a >>> 16) * b + (c >>> 16) * d;
    }
    low[pass] = lowSum;
    high[pass] = highSum;
  }
}

/**
 * Hashes words `from` to `to` of `message`, at most {@link NH_MESSAGE_SIZE} bytes and a multiple of
 * 16, to 8 words of `into`.
 *
 * @param key - {@link NH_KEY_SIZE} bytes as words
 */
export function nh(key: Uint32Array, message: Uint32Array, from: number, to: number, into: Uint32Array): void {
  into.fill(0);
  for (let at = from; at < to; at += EXACT_UNITS * 4) {
    addUnits(key, at - from, message, at, Math.min(to, at + EXACT_UNITS * 4));
    for (let pass = 0; pass < PASSES; pass++) fold(into, pass * 2, low[pass] ?? 0, high[pass] ?? 0);
  }
}

/** Adds `low + high · 2^16` to the 64-bit sum in two words of `into`. */
function fold(into: Uint32Array, at: number, lowSum: number, highSum: number): void {
  const lowWord = (into[at] ?? 0) + (lowSum % TWO_32) + (highSum % TWO_16) * TWO_16;
  const carry = Math.floor(lowWord / TWO_32) + Math.floor(lowSum / TWO_32) + Math.floor(highSum / TWO_16);
  into[at] = lowWord;
  into[at + 1] = (into[at + 1] ?? 0) + carry;
}
