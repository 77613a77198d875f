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

/** `length` ≤ 16320 bytes of output for `info`, from the result of {@link hkdfExtract}. */
export function hkdfExpand(pseudorandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const output = keyMemory(length);
  let previous: Uint8Array = new Uint8Array(0);
  for (let at = 0, counter = 1; at < length; at += HASH_SIZE, counter++) {
    const mac = createHmac('sha512', pseudorandomKey).update(previous).update(info);
    previous.fill(0);
    previous = mac.update(Uint8Array.of(counter)).digest();
    output.set(previous.subarray(0, length - at), at);
  }
  previous.fill(0);
  return output;
}
