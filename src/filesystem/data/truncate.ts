/** Changes of a file's size. */
import { roundUp } from '../../bytes/index.js';
import { dropRange, ITEMS_PER_STEP, MAX_DROPS_PER_STEP } from './drop-range.js';
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
  const { inode } = data;
  const keep = roundUp(size, data.sectorsize);
  if (size === 0) data.dropDirty(0, Number.POSITIVE_INFINITY);
  else data.withSpace(data.sectorsize, () => data.thawInline());
  data.zeroPart(size, Math.min(keep, data.size));
  for (let from = Number.POSITIVE_INFINITY; from > keep; ) {
    from = inode.filesystem.change(ITEMS_PER_STEP, () => dropEnd(data, keep, size), { freeing: true });
  }
}

/**
 * Drops the last few extents that begin at or after `keep`, and lets the size follow.
 *
 * @returns where it dropped from
 */
function dropEnd(data: FileData, keep: number, size: number): number {
  const { inode, list } = data;
  let from = keep;
  let count = 0;
  for (const placed of extentsFromEnd(list)) {
    if (count === MAX_DROPS_PER_STEP || placed.end <= keep) break;
    from = Math.max(keep, placed.start);
    count += 1;
  }
  if (count < MAX_DROPS_PER_STEP) from = keep;
  dropRange(list, inode, from, Number.MAX_SAFE_INTEGER);
  data.dropDirty(from, Number.POSITIVE_INFINITY);
  inode.item.size = Math.min(inode.item.size, Math.max(size, from === keep ? size : from));
  if (data.gapsFrom !== undefined && data.gapsFrom >= inode.item.size) data.gapsFrom = undefined;
  inode.markDirty();
  data.forget();
  return from;
}
