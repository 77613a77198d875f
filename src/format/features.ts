/**
 * Feature flags of the superblock: one table per field, with the names that `dump-super` prints.
 *
 * An unknown or refused incompat bit forbids opening, an unknown compat_ro bit forbids writing, a
 * compat bit forbids nothing.
 */

/** `yes`: read and written. `read`: known well enough to read. `no`: not opened at all. */
export type FeatureSupport = 'yes' | 'read' | 'no';

export interface Feature {
  readonly name: string;
  readonly bit: bigint;
  readonly support: FeatureSupport;
}

export const INCOMPAT_MIXED_BACKREF = 1n << 0n;
export const INCOMPAT_DEFAULT_SUBVOL = 1n << 1n;
export const INCOMPAT_MIXED_GROUPS = 1n << 2n;
export const INCOMPAT_COMPRESS_LZO = 1n << 3n;
export const INCOMPAT_COMPRESS_ZSTD = 1n << 4n;
export const INCOMPAT_BIG_METADATA = 1n << 5n;
export const INCOMPAT_EXTENDED_IREF = 1n << 6n;
export const INCOMPAT_RAID56 = 1n << 7n;
export const INCOMPAT_SKINNY_METADATA = 1n << 8n;
export const INCOMPAT_NO_HOLES = 1n << 9n;
export const INCOMPAT_METADATA_UUID = 1n << 10n;
export const INCOMPAT_RAID1C34 = 1n << 11n;
export const INCOMPAT_ZONED = 1n << 12n;
export const INCOMPAT_EXTENT_TREE_V2 = 1n << 13n;
/** Also the encryption bit of the kernel series of August 2023; tree 12 tells them apart. */
export const INCOMPAT_RAID_STRIPE_TREE = 1n << 14n;
export const INCOMPAT_ENCRYPT = 1n << 15n;
export const INCOMPAT_SIMPLE_QUOTA = 1n << 16n;
export const INCOMPAT_REMAP_TREE = 1n << 17n;

/** RAID_STRIPE_TREE is `read` for the encryption it once meant: see {@link INCOMPAT_RAID_STRIPE_TREE}. */
export const INCOMPAT_FEATURES: readonly Feature[] = [
  { name: 'MIXED_BACKREF', bit: INCOMPAT_MIXED_BACKREF, support: 'yes' },
  { name: 'DEFAULT_SUBVOL', bit: INCOMPAT_DEFAULT_SUBVOL, support: 'yes' },
  { name: 'MIXED_GROUPS', bit: INCOMPAT_MIXED_GROUPS, support: 'yes' },
  { name: 'COMPRESS_LZO', bit: INCOMPAT_COMPRESS_LZO, support: 'yes' },
  { name: 'COMPRESS_ZSTD', bit: INCOMPAT_COMPRESS_ZSTD, support: 'yes' },
  { name: 'BIG_METADATA', bit: INCOMPAT_BIG_METADATA, support: 'yes' },
  { name: 'EXTENDED_IREF', bit: INCOMPAT_EXTENDED_IREF, support: 'yes' },
  { name: 'RAID56', bit: INCOMPAT_RAID56, support: 'no' },
  { name: 'SKINNY_METADATA', bit: INCOMPAT_SKINNY_METADATA, support: 'yes' },
  { name: 'NO_HOLES', bit: INCOMPAT_NO_HOLES, support: 'yes' },
  { name: 'METADATA_UUID', bit: INCOMPAT_METADATA_UUID, support: 'yes' },
  { name: 'RAID1C34', bit: INCOMPAT_RAID1C34, support: 'no' },
  { name: 'ZONED', bit: INCOMPAT_ZONED, support: 'no' },
  { name: 'EXTENT_TREE_V2', bit: INCOMPAT_EXTENT_TREE_V2, support: 'no' },
  { name: 'RAID_STRIPE_TREE', bit: INCOMPAT_RAID_STRIPE_TREE, support: 'read' },
  { name: 'ENCRYPT', bit: INCOMPAT_ENCRYPT, support: 'yes' },
  { name: 'SIMPLE_QUOTA', bit: INCOMPAT_SIMPLE_QUOTA, support: 'no' },
  { name: 'REMAP_TREE', bit: INCOMPAT_REMAP_TREE, support: 'no' },
];

export const COMPAT_RO_FREE_SPACE_TREE = 1n << 0n;
export const COMPAT_RO_FREE_SPACE_TREE_VALID = 1n << 1n;
export const COMPAT_RO_VERITY = 1n << 2n;
export const COMPAT_RO_BLOCK_GROUP_TREE = 1n << 3n;

export const COMPAT_RO_FEATURES: readonly Feature[] = [
  { name: 'FREE_SPACE_TREE', bit: COMPAT_RO_FREE_SPACE_TREE, support: 'yes' },
  { name: 'FREE_SPACE_TREE_VALID', bit: COMPAT_RO_FREE_SPACE_TREE_VALID, support: 'yes' },
  { name: 'VERITY', bit: COMPAT_RO_VERITY, support: 'read' },
  { name: 'BLOCK_GROUP_TREE', bit: COMPAT_RO_BLOCK_GROUP_TREE, support: 'yes' },
];

/**
 * Butterlock's own marks: where new extents of encrypted files keep their context. Kernels and
 * `btrfs check` pass compat bits over; these two are the farthest from those they may assign.
 */
export const COMPAT_CONTEXT_IN_ITEM = 1n << 62n;
export const COMPAT_CONTEXT_TRAILING = 1n << 63n;

export const COMPAT_FEATURES: readonly Feature[] = [
  { name: 'CONTEXT_IN_ITEM', bit: COMPAT_CONTEXT_IN_ITEM, support: 'yes' },
  { name: 'CONTEXT_TRAILING', bit: COMPAT_CONTEXT_TRAILING, support: 'yes' },
];

/** Bits of `flags` that the table does not have, or has at a lower support than asked. */
export function unsupportedBits(flags: bigint, features: readonly Feature[], writing: boolean): bigint {
  let rest = flags;
  for (const feature of features) {
    const good = feature.support === 'yes' || (feature.support === 'read' && !writing);
    if (good) rest &= ~feature.bit;
  }
  return rest;
}

/** Names of the bits set, in ascending order; unknown ones as `bit N`. */
export function featureNames(flags: bigint, features: readonly Feature[]): string[] {
  const names: string[] = [];
  for (let bit = 0n; bit < 64n; bit++) {
    if ((flags & (1n << bit)) === 0n) continue;
    names.push(features.find((feature) => feature.bit === 1n << bit)?.name ?? `bit ${bit}`);
  }
  return names;
}
