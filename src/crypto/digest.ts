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

/** HMAC with SHA-512. Takes the key and the message, and a place for 64 bytes. */
export type HmacSha512 = (key: Uint8Array, message: Uint8Array, into: Uint8Array) => void;

export const nodeHmacSha512: HmacSha512 = (key, message, into) => {
  const mac = createHmac('sha512', key).update(message).digest();
  into.set(mac);
  mac.fill(0);
};

/** `length` ≤ 16320 bytes of output for `info`, from the result of {@link hkdfExtract}. */
export function hkdfExpand(
  pseudorandomKey: Uint8Array,
  info: Uint8Array,
  length: number,
  hmac: HmacSha512 = nodeHmacSha512,
): Uint8Array {
  const output = keyMemory(Math.ceil(length / HASH_SIZE) * HASH_SIZE);
  const message = keyMemory(HASH_SIZE + info.length + 1);
  message.set(info, HASH_SIZE);
  for (let at = 0; at < length; at += HASH_SIZE) {
    message[message.length - 1] = at / HASH_SIZE + 1;
    hmac(pseudorandomKey, at === 0 ? message.subarray(HASH_SIZE) : message, output.subarray(at, at + HASH_SIZE));
    message.set(output.subarray(at, at + HASH_SIZE));
  }
  message.fill(0);
  output.fill(0, length);
  return output.subarray(0, length);
}
