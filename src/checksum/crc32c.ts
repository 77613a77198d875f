/** CRC-32C (Castagnoli), over the processor's own instruction where the library finds it. */
import { crc32c as finishedCrc32c } from '@node-rs/crc32';

const ALL_ONES = 0xffff_ffff;
/** Names are shorter: for them the call into the library costs more than the work. */
const SHORT = 128;

/** The register after each single byte, begun with zero; the polynomial with its bits reversed. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let register = byte;
  for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? 0x82f6_3b78 : 0);
  return register;
});

/** The finished, standard checksum of `bytes`. Unsigned 32 bits. */
export function crc32c(bytes: Uint8Array): number {
  return finishedCrc32c(bytes);
}

/**
 * The raw register after `bytes`, begun with `seed` and without the final inversion: the form
 * btrfs uses in name hashes. Unsigned 32 bits.
 */
export function crc32cRaw(seed: number, bytes: Uint8Array): number {
  const { length } = bytes;
  if (length <= SHORT) {
    let register = seed;
    for (let i = 0; i < length; i++) register = (register >>> 8) ^ (TABLE[(register ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
    return register >>> 0;
  }
  return (finishedCrc32c(bytes, (seed ^ ALL_ONES) >>> 0) ^ ALL_ONES) >>> 0;
}
