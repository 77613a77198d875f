/**
 * Hashes that appear as key offsets.
 *
 * All are the raw crc32c register, without the inversion that ends the standard checksum.
 */
import { viewOf, writeU64 } from '../bytes/index.js';
import { crc32cRaw } from '../checksum/index.js';

const NAME_HASH_SEED = 0xffff_fffe;
const DATA_REF_SEED = 0xffff_ffff;

/** Offset of a DIR_ITEM or XATTR_ITEM key, from the name as stored. 32 bits, unsigned. */
export function nameHash(name: Uint8Array): number {
  return crc32cRaw(NAME_HASH_SEED, name);
}

/** Offset of an INODE_EXTREF key. 32 bits, unsigned. */
export function extrefHash(parent: number, name: Uint8Array): number {
  return crc32cRaw(parent % 0x1_0000_0000, name);
}

/**
 * Offset of a keyed data reference, and the order among inline ones. Up to 63 bits.
 *
 * @see linux fs/btrfs/extent-tree.c hash_extent_data_ref: the shift is 31, not 32
 */
export function dataRefHash(root: bigint | number, owner: bigint | number, offset: bigint): bigint {
  const bytes = new Uint8Array(24);
  const view = viewOf(bytes);
  writeU64(view, 0, BigInt(root));
  writeU64(view, 8, BigInt(owner));
  writeU64(view, 16, offset);
  const high = crc32cRaw(DATA_REF_SEED, bytes.subarray(0, 8));
  const low = crc32cRaw(DATA_REF_SEED, bytes.subarray(8, 24));
  return (BigInt(high) << 31n) ^ BigInt(low);
}
