/** Changes of a file's size. */
import { isFsError, roundUp } from '../../bytes/index.js';
import { dropRange, ITEMS_PER_DROP, MAX_DROPS_PER_STEP } from './drop-range.js';
import type { FileData } from './file-data.js';
import { extentsFromEnd } from './file-extents.js';

/**
 * Sets the size of a file.
 *
 * Shrinking goes from the end forwards in steps, the size following, so that a commit between two
 * steps leaves a sound file of a size in between, as the kernel does (btrfs_truncate_inode_items).
 */
export function truncate(data: FileData, size: number): void {
  const { inode } = data;
  // Giving everything up needs no key.
  if (size === 0) inode.filesystem.assertWritable(inode.subvolume);
  else data.assertWritable(0, size);
  if (size > data.size) {
    data.withSpace(2 * data.sectorsize, () => {
      data.thawInline();
      data.clearTail();
      data.growTo(size);
    });
  } else {
    shrink(data, size);
  }
  inode.touch('contents');
}

function shrink(data: FileData, size: number): void {
  const { filesystem } = data.inode;
  const keep = roundUp(size, data.sectorsize);
  if (size === 0) data.dropDirty(0, Number.POSITIVE_INFINITY);
  else if (data.isInline) data.withSpace(data.sectorsize, () => data.thawInline());
  data.zeroPart(size, Math.min(keep, data.size));
  let limit = MAX_DROPS_PER_STEP;
  for (let from = Number.POSITIVE_INFINITY; from > keep; ) {
    try {
      from = shrinkStep(data, keep, size, limit);
    } catch (error) {
      // A full volume has no room to reserve for large steps, but giving space back must work on it.
      if (limit === 1 || !isFsError(error, 'ENOSPC') || !filesystem.transaction.writable) throw error;
      limit = 1;
    }
  }
}

/**
 * Drops up to `limit` extents from the end, and lets the size follow.
 *
 * @returns where it dropped from
 */
function shrinkStep(data: FileData, keep: number, size: number, limit: number): number {
  // At least one: reserving may commit, which turns what is dirty into extents.
  const drops = Math.max(1, endOf(data, keep, limit).count);
  return data.inode.filesystem.change(1 + drops * ITEMS_PER_DROP, () => dropEnd(data, keep, size, drops), {
    freeing: true,
  });
}

/** How many of the last extents end after `keep`, `limit` at most, and where the first of them begins. */
function endOf({ list }: FileData, keep: number, limit: number): { count: number; from: number } {
  let from = keep;
  let count = 0;
  for (const placed of extentsFromEnd(list)) {
    if (count === limit || placed.end <= keep) break;
    from = Math.max(keep, placed.start);
    count += 1;
  }
  return { count, from: count < limit ? keep : from };
}

function dropEnd(data: FileData, keep: number, size: number, limit: number): number {
  const { inode, list } = data;
  const { from } = endOf(data, keep, limit);
  inode.needCommit();
  dropRange(list, inode, from, Number.MAX_SAFE_INTEGER);
  data.dropDirty(from, Number.POSITIVE_INFINITY);
  inode.item.size = Math.min(inode.item.size, Math.max(size, from === keep ? size : from));
  if (data.gapsFrom !== undefined && data.gapsFrom >= inode.item.size) data.gapsFrom = undefined;
  inode.markDirty();
  data.forget();
  return from;
}
