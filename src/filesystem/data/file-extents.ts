/** The EXTENT_DATA items of one file, in order, with the range of the file each one covers. */
import { corrupt, roundUp } from '../../bytes/index.js';
import {
  decodeFileExtent,
  EXTENT_DATA_KEY,
  FILE_EXTENT_INLINE,
  FILE_EXTENT_PREALLOC,
  type FileExtent,
  Key,
} from '../../format/index.js';
import type { Cursor, Tree } from '../../tree/index.js';

/** One item and what it covers: file bytes [start, end), sector multiples. */
export interface PlacedExtent {
  readonly start: number;
  readonly end: number;
  readonly extent: FileExtent;
}

/** Where to look: the extents of inode `ino` in one subvolume's tree. */
export interface ExtentList {
  readonly tree: Tree;
  readonly ino: number;
  readonly sectorsize: number;
}

export function isInline(extent: FileExtent): boolean {
  return extent.type === FILE_EXTENT_INLINE;
}

/** An item that stands for zeros and uses no space. */
export function isHole(extent: FileExtent): boolean {
  return !isInline(extent) && extent.diskBytenr === 0;
}

/** An item that refers to an extent on disk, written or preallocated. */
export function isOnDisk(extent: FileExtent): boolean {
  return !isInline(extent) && extent.diskBytenr !== 0;
}

/** An item whose bytes were written: neither a hole nor preallocated. */
export function holdsData(extent: FileExtent): boolean {
  return isInline(extent) || (extent.diskBytenr !== 0 && extent.type !== FILE_EXTENT_PREALLOC);
}

export function extentDataKey(ino: number, start: number): Key {
  return new Key(ino, EXTENT_DATA_KEY, start);
}

/** The item that covers the byte at `offset`, or else the first one after it. @throws FsError EUCLEAN */
export function extentAtOrAfter(list: ExtentList, offset: number): PlacedExtent | undefined {
  for (const placed of extentsFrom(list, offset)) return placed;
  return undefined;
}

/** The item that covers the byte at `offset`; undefined in a gap. @throws FsError EUCLEAN */
export function extentAt(list: ExtentList, offset: number): PlacedExtent | undefined {
  const placed = extentAtOrAfter(list, offset);
  return placed !== undefined && placed.start <= offset ? placed : undefined;
}

/**
 * Items in order, from the one that covers `offset` on. The tree must not change meanwhile.
 *
 * @throws FsError EUCLEAN
 */
export function* extentsFrom(list: ExtentList, offset: number): IterableIterator<PlacedExtent> {
  const key = extentDataKey(list.ino, offset);
  let cursor = list.tree.seekAtOrBefore(key);
  if (!cursor.isItemOf(list.ino, EXTENT_DATA_KEY)) cursor = list.tree.seek(key);
  for (; cursor.isItemOf(list.ino, EXTENT_DATA_KEY); cursor.next()) {
    const placed = placedExtent(list, cursor);
    if (placed.end > offset) yield placed;
  }
}

/**
 * Items in descending order, from the last one of the file. The tree must not change meanwhile.
 *
 * @throws FsError EUCLEAN
 */
export function* extentsFromEnd(list: ExtentList): IterableIterator<PlacedExtent> {
  const cursor = list.tree.seekAtOrBefore(extentDataKey(list.ino, Number.MAX_SAFE_INTEGER));
  for (; cursor.isItemOf(list.ino, EXTENT_DATA_KEY); cursor.previous()) yield placedExtent(list, cursor);
}

function placedExtent(list: ExtentList, cursor: Cursor): PlacedExtent {
  const start = cursor.keyOffset;
  const extent = decodeFileExtent(cursor.view, cursor.at, cursor.size);
  const length = isInline(extent) ? roundUp(Math.max(1, extent.ramBytes), list.sectorsize) : extent.numBytes;
  const end = start + length;
  if (length === 0 || !Number.isSafeInteger(end)) throw corrupt(cursor.describe(), `file extent of ${length} bytes`);
  if (isInline(extent) && end > list.sectorsize) throw corrupt(cursor.describe(), `inline extent up to byte ${end}`);
  return { start, end, extent };
}
