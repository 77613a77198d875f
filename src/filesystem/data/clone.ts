/** Sharing extents between files: cloned ranges and deduplication. */
import { equalBytes, FsError, roundUp } from '../../bytes/index.js';
import { type FileExtent, INODE_NODATASUM } from '../../format/index.js';
import { extentMatchesPolicy, policiesEqual } from '../../fscrypt/index.js';
import type { Inode } from '../inode.js';
import { contextItemBytes, findContext } from './context-recovery.js';
import type { FileRange } from './dirty-sectors.js';
import { dropRange, ITEMS_PER_STEP, MAX_DROPS_PER_STEP } from './drop-range.js';
import { checkContext, hasContextItem, isCiphertext } from './extent-contexts.js';
import type { FileData } from './file-data.js';
import { extentAtOrAfter, holdsData, isHole, isOnDisk, type PlacedExtent } from './file-extents.js';
import { insertExtent, step } from './flush.js';
import { putHole } from './holes.js';

/** Bytes of both files compared at once. */
const COMPARE_SIZE = 256 * 1024;

/** A range of one file that is to share the extents of a range of another. */
interface Sharing {
  readonly source: FileData;
  readonly sourceOffset: number;
  readonly target: FileData;
  readonly targetOffset: number;
  /** Bytes asked for. */
  readonly length: number;
}

/**
 * Makes `length` bytes of `target` share the extents of `source`, replacing what was there.
 *
 * Offsets are sector multiples; so is the length, unless the range ends with the source and at or
 * past the end of the target. With encryption both have the same key and contents mode.
 *
 * @throws FsError EINVAL (alignment, overlap, past the source's end, keys that differ), EISDIR, EROFS, ENOSPC, EFBIG,
 *   EIO and EUCLEAN (extents of the source that cannot be read)
 */
export function cloneRange(
  source: Inode,
  sourceOffset: number,
  length: number,
  target: Inode,
  targetOffset: number,
): void {
  const sharing = checkSharing(source, sourceOffset, length, target, targetOffset);
  if (length === 0) return;
  if (targetOffset + length < target.item.size) checkAligned(length, target.data.sectorsize);
  share(sharing);
}

/**
 * Clones the range if both files have the same bytes there.
 *
 * @returns false, with nothing changed, if they differ
 * @throws FsError as {@link cloneRange}; EINVAL also past the target's end
 */
export function dedupeRange(
  source: Inode,
  sourceOffset: number,
  length: number,
  target: Inode,
  targetOffset: number,
): boolean {
  const sharing = checkSharing(source, sourceOffset, length, target, targetOffset);
  const end = targetOffset + length;
  if (end > target.item.size) throw new FsError('EINVAL', `the range to deduplicate ends past ${target.describe()}`);
  if (end < target.item.size) checkAligned(length, target.data.sectorsize);
  if (!sameBytes(sharing)) return false;
  // The contents stay as they are, so the file counts as unchanged.
  const { mtime, ctime } = target.item;
  if (length > 0) share(sharing);
  target.item.mtime = mtime;
  target.item.ctime = ctime;
  return true;
}

function checkSharing(
  source: Inode,
  sourceOffset: number,
  length: number,
  target: Inode,
  targetOffset: number,
): Sharing {
  if (!source.isRegular || !target.isRegular) {
    const isDirectory = source.isDirectory || target.isDirectory;
    throw new FsError(isDirectory ? 'EISDIR' : 'EINVAL', 'only regular files can share extents');
  }
  const { sectorsize } = source.data;
  target.filesystem.assertWritable(target.subvolume);
  checkAligned(sourceOffset, sectorsize);
  checkAligned(targetOffset, sectorsize);
  const end = sourceOffset + length;
  if (length < 0 || end > source.item.size) throw new FsError('EINVAL', `the range ends past ${source.describe()}`);
  if (end < source.item.size) checkAligned(length, sectorsize);
  const overlaps = source === target && Math.abs(sourceOffset - targetOffset) < roundUp(length, sectorsize);
  if (overlaps) throw new FsError('EINVAL', 'the ranges overlap');
  checkSameKind(source, target);
  target.data.assertWritable(targetOffset, targetOffset + length);
  return { source: source.data, sourceOffset, target: target.data, targetOffset, length };
}

function checkAligned(value: number, sectorsize: number): void {
  if (value % sectorsize !== 0 || value < 0)
    throw new FsError('EINVAL', `${value} is no multiple of the sector size ${sectorsize}`);
}

/**
 * Extents can be read only with what they were written with: the same key, the same mode, checksums
 * or none. In layout `trailing` they carry their whole policy, which must then be the same.
 */
function checkSameKind(source: Inode, target: Inode): void {
  if ((source.item.flags & INODE_NODATASUM) !== (target.item.flags & INODE_NODATASUM)) {
    throw new FsError('EINVAL', 'only one of the files has checksums');
  }
  if (!source.encrypted && !target.encrypted) return;
  const isSame = target.filesystem.layout === 'trailing' ? policiesEqual : extentMatchesPolicy;
  const { policy } = source;
  if (policy === undefined || target.policy === undefined || !isSame(policy, target.policy))
    throw new FsError('EINVAL', 'files share extents only if both are plain, or encrypted with one key and mode');
}

function sameBytes({ source, sourceOffset, target, targetOffset, length }: Sharing): boolean {
  const left = new Uint8Array(COMPARE_SIZE);
  const right = new Uint8Array(COMPARE_SIZE);
  for (let done = 0; done < length; done += COMPARE_SIZE) {
    const size = Math.min(COMPARE_SIZE, length - done);
    source.read(sourceOffset + done, left.subarray(0, size));
    target.read(targetOffset + done, right.subarray(0, size));
    if (!equalBytes(left.subarray(0, size), right.subarray(0, size))) return false;
  }
  return true;
}

function share(sharing: Sharing): void {
  const { source, target, targetOffset, length } = sharing;
  source.flush();
  target.flush();
  if (source.isInline) {
    copyInline(sharing);
    return;
  }
  if (targetOffset > target.size) target.withSpace(target.sectorsize, () => target.clearTail());
  target.leaveInline();
  target.inode.markDirty();
  const end = targetOffset + roundUp(length, target.sectorsize);
  for (let position = targetOffset; position < end; ) position = shareNext(sharing, position, end);
  target.inode.touch('contents');
}

/** An inline extent cannot be shared. It is small enough to be copied. */
function copyInline({ source, sourceOffset, target, targetOffset, length }: Sharing): void {
  const bytes = new Uint8Array(length);
  source.read(sourceOffset, bytes);
  target.write(targetOffset, bytes);
}

/** Shares what one source item has for the target's bytes from `position` on. @returns how far that reaches */
function shareNext(sharing: Sharing, position: number, end: number): number {
  const { source, target, sourceOffset, targetOffset, length } = sharing;
  assertShareable(source, extentAtOrAfter(source.list, sourceOffset + (position - targetOffset)));
  return target.inode.filesystem.change(ITEMS_PER_STEP, () => {
    const from = sourceOffset + (position - targetOffset);
    const found = extentAtOrAfter(source.list, from);
    const piece = pieceOf(found, from, from + (end - position));
    const stop = step(
      target.list,
      { start: position, end: position + (piece.end - piece.start) },
      MAX_DROPS_PER_STEP,
    ).end;
    if (found === undefined || found.start > from || isHole(found.extent)) makeHole(target, position, stop);
    else putShared(source, found, from, target, { start: position, end: stop });
    target.inode.needCommit();
    target.growTo(Math.min(stop, targetOffset + length));
    target.forget();
    return stop;
  });
}

/** What cannot be read from the source is not spread. @throws FsError EIO (context lost), EUCLEAN */
function assertShareable({ inode }: FileData, placed: PlacedExtent | undefined): void {
  if (placed === undefined || !isOnDisk(placed.extent)) return;
  if (holdsData(placed.extent)) isCiphertext(inode, placed);
  if (hasContextItem(placed)) checkContext(inode, placed.start, findContext(inode, placed));
}

/** The part of [from, end) that one source item covers, or the gap before it. */
function pieceOf(found: PlacedExtent | undefined, from: number, end: number): FileRange {
  if (found === undefined) return { start: from, end };
  return { start: from, end: Math.min(end, found.start > from ? found.start : found.end) };
}

function makeHole(target: FileData, start: number, end: number): void {
  dropRange(target.list, target.inode, start, end);
  putHole(target, start, end);
}

/** Maps `range` of the target to the bytes that the source has from `from` on. */
function putShared(source: FileData, found: PlacedExtent, from: number, target: FileData, range: FileRange): void {
  const { inode, list } = target;
  const context = hasContextItem(found) ? contextItemBytes(source.inode, found) : undefined;
  const extent: FileExtent = {
    ...found.extent,
    generation: inode.filesystem.transaction.transid,
    offset: found.extent.offset + (from - found.start),
    numBytes: range.end - range.start,
  };
  dropRange(list, inode, range.start, range.end);
  insertExtent(list, inode, range.start, extent, context);
}
