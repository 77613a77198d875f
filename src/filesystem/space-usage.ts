/** How full the volume is, as the kernel's btrfs tells statfs(2). */
import { BLOCK_GROUP_DUP } from '../format/index.js';
import type { Transaction } from '../transaction/index.js';
import type { Filesystem } from './filesystem.js';

export interface SpaceFigures {
  /** Bytes; the others count in it. */
  readonly blockSize: number;
  readonly blocks: number;
  readonly free: number;
  /** For data. */
  readonly available: number;
}

const MIB = 1024 ** 2;
/** Free metadata that the kernel does not count on (`thresh` in btrfs_statfs). */
const UNCOUNTED_METADATA = 4 * MIB;
/** With less unallocated space no metadata chunk can be made. */
const SMALLEST_CHUNK = 2 * MIB;
const LARGEST_RESERVE = 512 * MIB;
/** Items that an unlink may touch (BTRFS_UNLINK_METADATA_UNITS). */
const UNLINK_ITEMS = 6;
/** Blocks that inserting one item may change: a path of eight, each split. */
const BLOCKS_PER_ITEM = 16;

/** @see linux fs/btrfs/super.c btrfs_statfs: raw space over the copies that data has */
export function spaceOf({ transaction }: Filesystem): SpaceFigures {
  const { space, volume } = transaction;
  const blockSize = volume.sectorsize;
  const copies = Math.max(1, ...space.groupsOf('data').map(({ flags }) => copiesOf(flags)));
  const used = space.groups.reduce((sum, group) => sum + group.used * copiesOf(group.flags), 0);
  const blocks = Math.floor(volume.superblock.totalBytes / copies / blockSize);
  const reserve = kernelReserve(transaction);
  const inGroups = space.total('data') - space.used('data');
  const available = inGroups + Math.floor(transaction.unallocatedBytes / copies) - transaction.reservedDataBytes;
  const isStuck = isMetadataExhausted(transaction, reserve);
  return {
    blockSize,
    blocks,
    free: Math.max(0, blocks - Math.floor(used / copies / blockSize) - Math.floor(reserve / blockSize)),
    available: isStuck ? 0 : Math.max(0, Math.floor(available / blockSize)),
  };
}

function copiesOf(flags: bigint): number {
  return (flags & BLOCK_GROUP_DUP) === 0n ? 1 : 2;
}

/** What the kernel's global block reserve would be: linux fs/btrfs/block-rsv.c btrfs_update_global_block_rsv. */
function kernelReserve({ trees, nodesize }: Transaction): number {
  const accounting = [trees.extentTree, trees.checksumTree, trees.freeSpaceTree, trees.blockGroupTree].filter(
    (tree) => tree !== undefined,
  );
  const used = accounting.reduce((sum, tree) => sum + tree.rootItem.bytesUsed, 0);
  const pendingReferences = UNLINK_ITEMS * (trees.freeSpaceTree === undefined ? 1 : 2);
  const smallest = (1 + accounting.length + UNLINK_ITEMS + pendingReferences) * BLOCKS_PER_ITEM * nodesize;
  return Math.min(Math.max(used, smallest), LARGEST_RESERVE);
}

/** No metadata chunk can be added and what is free would not hold the reserve: then nothing can be written. */
function isMetadataExhausted({ space, unallocatedBytes }: Transaction, reserve: number): boolean {
  const groups = space.groupsOf('metadata').filter(({ type }) => type === 'metadata');
  if (groups.length === 0 || unallocatedBytes >= SMALLEST_CHUNK) return false;
  const free = groups.reduce((sum, { length, used, flags }) => sum + (length - used) * copiesOf(flags), 0);
  return free < UNCOUNTED_METADATA + reserve;
}
