/** How full the volume is, as statfs(2) shows it. */
import { BLOCK_GROUP_DUP } from '../format/index.js';
import type { Filesystem } from './filesystem.js';

export interface SpaceFigures {
  /** Bytes; the others count in it. */
  readonly blockSize: number;
  readonly blocks: number;
  readonly free: number;
  /** For data. */
  readonly available: number;
}

/** @see linux fs/btrfs/super.c btrfs_statfs: raw space over the copies that data has */
export function spaceOf({ transaction }: Filesystem): SpaceFigures {
  const { space, volume } = transaction;
  const blockSize = volume.sectorsize;
  const copiesOf = (flags: bigint): number => ((flags & BLOCK_GROUP_DUP) === 0n ? 1 : 2);
  const copies = Math.max(1, ...space.groupsOf('data').map(({ flags }) => copiesOf(flags)));
  const raw = space.groups.reduce((sum, { used, flags }) => sum + used * copiesOf(flags), 0);
  const used = Math.floor(raw / copies) + transaction.globalReserveBytes;
  const inGroups = space.total('data') - space.used('data');
  const available = inGroups + Math.floor(transaction.unallocatedBytes / copies) - transaction.reservedDataBytes;
  const blocks = Math.floor(volume.superblock.totalBytes / copies / blockSize);
  return {
    blockSize,
    blocks,
    free: Math.max(0, blocks - Math.floor(used / blockSize)),
    available: Math.max(0, Math.floor(available / blockSize)),
  };
}
