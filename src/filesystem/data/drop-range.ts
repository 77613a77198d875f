/**
 * The one way in which file extent items go: every overwrite, punched hole, truncation and clone
 * first drops what maps the range.
 *
 * Items are removed, trimmed at either end or split; references to extents, the inode's byte count
 * and the contexts of layout `item` follow. The kernel's counterpart is btrfs_drop_extents
 * (linux fs/btrfs/file.c), whose series for encryption forgets the contexts.
 */
import { corrupt } from '../../bytes/index.js';
import { type FileExtent, fileExtentSize, type Key, writeFileExtent } from '../../format/index.js';
import type { Tree } from '../../tree/index.js';
import type { Inode } from '../inode.js';
import { contextItemBytes } from './context-recovery.js';
import { hasContextItem, putContextItem, removeContextItems } from './extent-contexts.js';
import {
  type ExtentList,
  extentAtOrAfter,
  extentDataKey,
  isHole,
  isInline,
  isOnDisk,
  type PlacedExtent,
} from './file-extents.js';

/** Tree items that dropping (part of) one file extent item changes at most: two pieces, contexts, references. */
export const ITEMS_PER_DROP = 5;
/** Tree items that one new extent costs at most: itself, context, extent item, checksums, free space. */
export const ITEMS_PER_EXTENT = 6;
/** Existing items that one step replaces at most, so that its reservation stays small. */
export const MAX_DROPS_PER_STEP = 16;
/** Tree items of a step that drops as many items as it may, and inserts one. */
export const ITEMS_PER_STEP = ITEMS_PER_EXTENT + MAX_DROPS_PER_STEP * ITEMS_PER_DROP;

/**
 * Makes file bytes [start, end) unmapped; both are sector multiples. The caller has reserved
 * {@link ITEMS_PER_DROP} for each item in the range, and puts something else there or a hole.
 *
 * @returns where it stopped: `end`, or earlier after `limit` items
 * @throws FsError EUCLEAN, EIO
 */
export function dropRange(
  list: ExtentList,
  inode: Inode,
  start: number,
  end: number,
  limit = Number.POSITIVE_INFINITY,
): number {
  let position = start;
  for (let dropped = 0; position < end; dropped++) {
    const found = extentAtOrAfter(list, position);
    if (found === undefined || found.start >= end) {
      position = end;
    } else if (dropped === limit) {
      break;
    } else {
      dropOverlap(list, inode, found, start, end);
      position = Math.min(found.end, end);
    }
  }
  if (inode.encrypted) removeContextItems(list.tree, inode.ino, start, position);
  return position;
}

/** Takes [start, end) out of one item that overlaps it. */
function dropOverlap(list: ExtentList, inode: Inode, placed: PlacedExtent, start: number, end: number): void {
  const { tree, ino } = list;
  const { extent } = placed;
  const keepsFront = placed.start < start && !isInline(extent);
  const keepsBack = placed.end > end && !isInline(extent);
  // Asked for first: it may have to be borrowed from an item that is about to go.
  const context = (keepsFront || keepsBack) && hasContextItem(placed) ? contextItemBytes(inode, placed) : undefined;

  const key = extentDataKey(ino, placed.start);
  if (keepsFront) rewrite(tree, key, part(placed, placed.start, start));
  else tree.remove(key);
  if (keepsBack) insertBack(list, placed, end);
  if (inode.encrypted) {
    removeContextItems(tree, ino, placed.start, placed.end);
    if (keepsFront && context !== undefined) putContextItem(tree, ino, placed.start, context);
    if (keepsBack && context !== undefined) putContextItem(tree, ino, end, context);
  }

  const gone = Math.min(placed.end, end) - Math.max(placed.start, start);
  if (isInline(extent)) countBytes(inode, -extent.ramBytes);
  else if (isOnDisk(extent)) countBytes(inode, -gone);
  if (isOnDisk(extent)) changeReferences(inode, placed, keepsFront, keepsBack);
}

/** Keeps the inode's `nbytes`. A damaged volume may have counted anything, so it stays within what can be stored. */
export function countBytes(inode: Inode, by: number): void {
  inode.item.nbytes = Math.min(Math.max(0, inode.item.nbytes + by), Number.MAX_SAFE_INTEGER);
  inode.markDirty();
}

function insertBack({ tree, ino }: ExtentList, placed: PlacedExtent, end: number): void {
  const key = extentDataKey(ino, end);
  if (tree.get(key) !== undefined) throw corrupt(`inode ${ino} of tree ${tree.id}`, `two extents cover byte ${end}`);
  const back = part(placed, end, placed.end);
  const place = tree.insertEmpty(key, fileExtentSize(back));
  writeFileExtent(place.view, place.at, back);
}

/** The item stays as long as it was: it only says something else. */
function rewrite(tree: Tree, key: Key, extent: FileExtent): void {
  const place = tree.change(key);
  if (place === undefined) throw corrupt(`tree ${tree.id}`, `key ${key} is gone`);
  writeFileExtent(place.view, place.at, extent);
}

/** The same item, covering only [start, end). */
function part({ start: was, extent }: PlacedExtent, start: number, end: number): FileExtent {
  const numBytes = end - start;
  if (isHole(extent)) return { ...extent, numBytes, ramBytes: numBytes, offset: 0 };
  return { ...extent, numBytes, offset: extent.offset + (start - was) };
}

/** A reference names key offset minus extent offset, which trimming leaves alone: only the count can change. */
function changeReferences(
  inode: Inode,
  { start, extent }: PlacedExtent,
  keepsFront: boolean,
  keepsBack: boolean,
): void {
  const { transaction } = inode.filesystem;
  const { id } = inode.subvolume;
  const { diskBytenr, diskNumBytes, offset } = extent;
  if (keepsFront && keepsBack) transaction.addDataReference(diskBytenr, diskNumBytes, id, inode.ino, start - offset);
  if (!keepsFront && !keepsBack) transaction.dropDataReference(diskBytenr, diskNumBytes, id, inode.ino, start - offset);
}
