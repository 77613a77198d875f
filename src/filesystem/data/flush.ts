/** Dirty data becomes extents: allocate, encrypt, checksum, write, then map the file to the new place. */
import { invariant, roundUp } from '../../bytes/index.js';
import type { ContentsCipher } from '../../crypto/index.js';
import {
  COMPRESS_NONE,
  ENCRYPTION_FSCRYPT,
  ENCRYPTION_NONE,
  FILE_EXTENT_INLINE,
  FILE_EXTENT_REG,
  type FileExtent,
  fileExtentSize,
  INODE_NODATASUM,
  MAX_EXTENT_SIZE,
  writeFileExtent,
} from '../../format/index.js';
import type { ExtentContext } from '../../fscrypt/index.js';
import type { Inode } from '../inode.js';
import type { FileRange } from './dirty-sectors.js';
import { countBytes, dropRange, ITEMS_PER_DROP, ITEMS_PER_EXTENT, MAX_DROPS_PER_STEP } from './drop-range.js';
import { putContextItem } from './extent-contexts.js';
import type { FileData } from './file-data.js';
import { type ExtentList, extentAtOrAfter, extentDataKey, extentsFrom, isOnDisk } from './file-extents.js';

/** Largest file kept inline, as the kernel's default of `max_inline`. */
const MAX_INLINE = 2048;
/** Ciphertext is gathered here, to be written in large pieces. */
const staging = new Uint8Array(1024 * 1024);

/** Writes the first dirty run, or what of it fits into one extent and one step. */
export function flushNext(data: FileData): void {
  const { list, dirty } = data;
  const expected = dirty.nextRun(0);
  if (expected === undefined) return;
  const drops = step(list, expected, MAX_DROPS_PER_STEP).items;
  data.inode.filesystem.change(ITEMS_PER_EXTENT + drops * ITEMS_PER_DROP, () => {
    // Reserving space may have flushed it already.
    const run = dirty.nextRun(0);
    if (run === undefined) return;
    const becomesInline = canBeInline(data);
    const staysInline = run.start > 0 && data.isInline;
    if (becomesInline) writeInline(data);
    else writeExtent(data, run.start, step(list, run, Math.max(drops, 1)).end);
    data.forget(becomesInline || staysInline);
  });
}

/** How far a step through `range` may go to meet at most `limit` items, and how many it meets. */
export function step(list: ExtentList, { start, end }: FileRange, limit: number): { items: number; end: number } {
  const stop = Math.min(end, start + MAX_EXTENT_SIZE);
  let items = 0;
  for (const placed of extentsFrom(list, start)) {
    if (placed.start >= stop) break;
    if (items === limit) return { items, end: Math.max(placed.start, start + list.sectorsize) };
    items += 1;
  }
  return { items, end: stop };
}

/** Inserts a hole item into the first gap from `gapsFrom` on: volumes without `no-holes` need one for each. */
export function fillNextGap(data: FileData): void {
  const { inode, list } = data;
  inode.filesystem.change(ITEMS_PER_EXTENT, () => {
    const end = roundUp(data.size, data.sectorsize);
    let position = data.gapsFrom ?? end;
    for (const placed of extentsFrom(list, position)) {
      if (placed.start > position) break;
      position = placed.end;
    }
    data.gapsFrom = undefined;
    if (position >= end) return;
    const gapEnd = Math.min(end, extentAtOrAfter(list, position)?.start ?? end);
    insertExtent(list, inode, position, holeExtent(inode, gapEnd - position));
    if (gapEnd < end) data.gapsFrom = gapEnd;
  });
}

export function holeExtent(inode: Inode, length: number): FileExtent {
  return { ...newExtent(inode, FILE_EXTENT_REG, 0, length, undefined), diskNumBytes: 0 };
}

/** The item for a whole new extent at `bytenr`. */
export function newExtent(
  inode: Inode,
  type: number,
  bytenr: number,
  length: number,
  context: ExtentContext | undefined,
): FileExtent {
  const extent: FileExtent = {
    generation: inode.filesystem.transaction.transid,
    ramBytes: length,
    compression: COMPRESS_NONE,
    encryption: context === undefined ? ENCRYPTION_NONE : ENCRYPTION_FSCRYPT,
    otherEncoding: 0,
    type,
    inlineLength: 0,
    diskBytenr: bytenr,
    diskNumBytes: length,
    offset: 0,
    numBytes: length,
  };
  if (context !== undefined && context.form !== 'item') extent.context = context.bytes;
  return extent;
}

/**
 * Maps [start, start + extent.numBytes), which must be unmapped, and takes the reference.
 *
 * @param contextItem - what layout `item` stores beside it
 */
export function insertExtent(
  list: ExtentList,
  inode: Inode,
  start: number,
  extent: FileExtent,
  contextItem?: Uint8Array,
): void {
  const { tree, ino } = list;
  const place = tree.insertEmpty(extentDataKey(ino, start), fileExtentSize(extent));
  writeFileExtent(place.view, place.at, extent);
  if (contextItem !== undefined) putContextItem(tree, ino, start, contextItem);
  inode.markDirty();
  if (!isOnDisk(extent)) return;
  const { diskBytenr, diskNumBytes, offset, numBytes } = extent;
  inode.filesystem.transaction.addDataReference(diskBytenr, diskNumBytes, inode.subvolume.id, ino, start - offset);
  countBytes(inode, numBytes);
}

/** What {@link insertExtent} is to store beside an extent of this context. */
export function contextItemOf(context: ExtentContext | undefined): Uint8Array | undefined {
  return context?.form === 'item' ? context.bytes : undefined;
}

function canBeInline(data: FileData): boolean {
  const { size, sectorsize } = data;
  if (!data.mayInline || data.inode.encrypted || size === 0 || size > MAX_INLINE || size >= sectorsize) return false;
  return data.dirty.has(0) && !data.hasExtentsFrom(sectorsize);
}

function writeInline(data: FileData): void {
  const { inode, list, size, sectorsize } = data;
  inode.needCommit();
  const bytes = new Uint8Array(size);
  data.dirty.read(0, bytes);
  dropRange(list, inode, 0, sectorsize);
  const extent = { ...newExtent(inode, FILE_EXTENT_INLINE, 0, size, undefined), inlineLength: size };
  const place = list.tree.insertEmpty(extentDataKey(list.ino, 0), fileExtentSize(extent));
  writeFileExtent(place.view, place.at, extent, bytes);
  countBytes(inode, size);
  data.dropDirty(0, sectorsize);
}

/** Writes dirty bytes from `start` on to one new extent, up to `stop` or as far as the free space found reaches. */
function writeExtent(data: FileData, start: number, stop: number): void {
  const { inode, list } = data;
  const { transaction } = inode.filesystem;
  const context = data.takeContext();
  const { bytenr, length } = transaction.allocateData(stop - start);
  invariant(length > 0 && length <= stop - start, 'an allocation gives at most what was asked for');
  const end = start + length;
  const sums = writeSectors(data, start, end, bytenr, context);
  if ((inode.item.flags & INODE_NODATASUM) === 0n) transaction.insertChecksums(bytenr, sums);
  dropRange(list, inode, start, end);
  insertExtent(list, inode, start, newExtent(inode, FILE_EXTENT_REG, bytenr, length, context), contextItemOf(context));
  data.noteUnlogged(start, end);
  data.dropDirty(start, end, true);
}

/** Writes dirty bytes [start, end) at `bytenr`. @returns their checksums as the volume's layout wants them */
function writeSectors(
  data: FileData,
  start: number,
  end: number,
  bytenr: number,
  context: ExtentContext | undefined,
): Uint8Array {
  const { volume } = data.inode.filesystem.transaction;
  const { sectorsize } = data;
  const sums = new Uint8Array(((end - start) / sectorsize) * volume.checksum.size);
  const sumsAt = (position: number): Uint8Array =>
    sums.subarray(((position - start) / sectorsize) * volume.checksum.size);
  if (context === undefined) {
    for (const piece of data.dirty.pieces(start, end)) {
      volume.checksum.digestSectors(piece.bytes, sectorsize, sumsAt(piece.start));
      volume.writeLogical(bytenr + piece.start - start, piece.bytes);
    }
    return sums;
  }
  const cipher = data.inode.keys.contentsCipher(context);
  const sumsPlaintext = context.form === 'trailing';
  for (let position = start; position < end; position += staging.length) {
    const ciphertext = staging.subarray(0, Math.min(staging.length, end - position));
    encryptPieces(data, start, position, ciphertext, cipher);
    if (sumsPlaintext) {
      for (const piece of data.dirty.pieces(position, position + ciphertext.length)) {
        volume.checksum.digestSectors(piece.bytes, sectorsize, sumsAt(piece.start));
      }
    } else {
      volume.checksum.digestSectors(ciphertext, sectorsize, sumsAt(position));
    }
    volume.writeLogical(bytenr + position - start, ciphertext);
  }
  return sums;
}

/** Encrypts the dirty bytes at `position` into `into`; data units count from the extent's `start`. */
function encryptPieces(
  data: FileData,
  start: number,
  position: number,
  into: Uint8Array,
  cipher: ContentsCipher,
): void {
  for (const piece of data.dirty.pieces(position, position + into.length)) {
    const at = piece.start - position;
    const firstUnit = (piece.start - start) / data.sectorsize;
    cipher.encrypt(firstUnit, piece.bytes, into.subarray(at, at + piece.bytes.length));
  }
}
