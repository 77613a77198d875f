/** SHA-256, and HKDF with SHA-512 (RFC 5869) as fscrypt uses it: without salt. */
import { createHash, createHmac } from 'node:crypto';
import { keyMemory } from './key-memory.js';

const HASH_SIZE = 64;
const NO_SALT = new Uint8Array(HASH_SIZE);

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

/**
 * The pseudorandom key (64 bytes) of a master key. Whoever derives many keys from one master key
 * keeps this in its place, which halves the work of each.
 */
export function hkdfExtract(master: Uint8Array): Uint8Array {
  return createHmac('sha512', NO_SALT).update(master).digest();
}

/** HMAC-SHA512 under one key. */
export interface Hmac {
  /** @param into - takes 64 bytes */
  digest(message: Uint8Array, into: Uint8Array): void;
  /** Overwrites the key; it must not be used again. */
  wipe(): void;
}

/** Output of {@link hkdfExpand}, and the message of its next round: they hold key bytes during a call only. */
const output = keyMemory(HASH_SIZE);

/**
 * Fills `into`, at most 16320 bytes, with what HKDF makes of `info`.
 *
 * @param hmac - under the result of {@link hkdfExtract}
 */
export function hkdfExpand(hmac: Hmac, info: Uint8Array, into: Uint8Array): void {
  const message = keyMemory(HASH_SIZE + info.length + 1);
  message.set(info, HASH_SIZE);
  for (let at = 0; at < into.length; at += HASH_SIZE) {
    message[message.length - 1] = at / HASH_SIZE + 1;
    hmac.digest(at === 0 ? message.subarray(HASH_SIZE) : message, output);
    into.set(output.subarray(0, into.length - at), at);
    message.set(output);
  }
  message.fill(0);
  output.fill(0);
}
