/** CRC-32C (Castagnoli), over the processor's own instruction where the library finds it. */
import { crc32c as finishedCrc32c } from '@node-rs/crc32';

const ALL_ONES = 0xffff_ffff;

/** The finished, standard checksum of `bytes`. Unsigned 32 bits. */
export function crc32c(bytes: Uint8Array): number {
  return finishedCrc32c(bytes);
}

/**
 * The raw register after `bytes`, begun with `seed` and without the final inversion: the form
 * btrfs uses in name hashes. Unsigned 32 bits.
 */
export function crc32cRaw(seed: number, bytes: Uint8Array): number {
  return (finishedCrc32c(bytes, (seed ^ ALL_ONES) >>> 0) ^ ALL_ONES) >>> 0;
}
