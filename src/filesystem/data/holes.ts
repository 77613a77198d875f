/** Holes and preallocation: ranges of a file that read as zeros, with or without space of their own. */
import { FsError, roundDown, roundUp } from '../../bytes/index.js';
import { FILE_EXTENT_PREALLOC, MAX_EXTENT_SIZE } from '../../format/index.js';
import type { FileRange } from './dirty-sectors.js';
import { dropRange, ITEMS_PER_STEP, MAX_DROPS_PER_STEP } from './drop-range.js';
import type { FileData } from './file-data.js';
import { type ExtentList, extentsFrom, isHole } from './file-extents.js';
import { contextItemOf, holeExtent, insertExtent, newExtent } from './flush.js';

/** Makes bytes [offset, offset + length) a hole; at its ends, parts of sectors are overwritten with zeros. */
export function punchHole(data: FileData, offset: number, length: number): void {
  const { inode, sectorsize } = data;
  const end = checkedEnd(data, offset, length);
  data.withSpace(sectorsize, () => data.thawInline());
  const first = roundUp(offset, sectorsize);
  const last = roundDown(end, sectorsize);
  if (first > last) {
    zeroInFile(data, offset, end);
  } else {
    zeroInFile(data, offset, first);
    zeroInFile(data, last, end);
  }
  for (let position = first; position < last; ) {
    position = inode.filesystem.change(ITEMS_PER_STEP, () => punchStep(data, position, last));
  }
  inode.touch('contents');
}

/** What lies past the end of the file is zero, or nobody's, already. */
function zeroInFile(data: FileData, start: number, end: number): void {
  data.zeroPart(start, Math.min(end, data.size));
}

function punchStep(data: FileData, start: number, end: number): number {
  const { inode, list } = data;
  const stop = dropRange(list, inode, start, end, MAX_DROPS_PER_STEP);
  inode.needCommit();
  data.dropDirty(start, stop);
  putHole(data, start, stop);
  data.forget();
  return stop;
}

/** Volumes without the feature `no-holes` have an item for every hole up to the end of the file. */
export function putHole(data: FileData, start: number, end: number): void {
  const length = Math.min(end, roundUp(data.size, data.sectorsize)) - start;
  if (data.noHoles || length <= 0) return;
  insertExtent(data.list, data.inode, start, holeExtent(data.inode, length));
}

/** Allocates extents for the holes in [offset, offset + length); what is mapped already stays as it is. */
export function preallocate(data: FileData, offset: number, length: number, keepSize: boolean): void {
  const { inode, sectorsize } = data;
  const end = checkedEnd(data, offset, length);
  data.flush();
  data.leaveInline();
  allocateHoles(data, { start: roundDown(offset, sectorsize), end: roundUp(end, sectorsize) });
  if (!keepSize && end > data.size) {
    data.withSpace(sectorsize, () => {
      data.clearTail();
      data.growTo(end);
    });
  }
  inode.touch('contents');
}

function allocateHoles(data: FileData, range: FileRange): void {
  const { filesystem } = data.inode;
  const { transaction } = filesystem;
  let promised = 0;
  for (const { start, end } of holesIn(data.list, range)) promised += end - start;
  transaction.reserveData(promised);
  try {
    for (let start = range.start; start < range.end; ) {
      const step = filesystem.change(ITEMS_PER_STEP, () => preallocateStep(data, { start, end: range.end }, promised));
      promised -= step.allocated;
      start = step.end;
    }
  } finally {
    transaction.releaseData(promised);
  }
}

/** Allocates one extent for the first hole in `range`, of `room` bytes at most. */
function preallocateStep(data: FileData, range: FileRange, room: number): { allocated: number; end: number } {
  const { inode, list } = data;
  const [hole] = holesIn(list, range);
  if (hole === undefined || room === 0) return { allocated: 0, end: range.end };
  // Plain in layout `trailing`, where only written extents are encrypted.
  const context = inode.filesystem.layout === 'item' ? data.takeContext() : undefined;
  const wanted = Math.min(hole.end - hole.start, MAX_EXTENT_SIZE, room);
  const { bytenr, length } = inode.filesystem.transaction.allocateData(wanted);
  const extent = newExtent(inode, FILE_EXTENT_PREALLOC, bytenr, length, context);
  inode.needCommit();
  dropRange(list, inode, hole.start, hole.start + length);
  insertExtent(list, inode, hole.start, extent, contextItemOf(context));
  data.forget();
  return { allocated: length, end: hole.start + length };
}

/** The parts of `range` without space of their own, explicit holes among them. */
function* holesIn(list: ExtentList, { start, end }: FileRange): IterableIterator<FileRange> {
  let position = start;
  for (const placed of extentsFrom(list, start)) {
    if (placed.start >= end) break;
    if (isHole(placed.extent)) continue;
    if (placed.start > position) yield { start: position, end: placed.start };
    position = Math.max(position, placed.end);
  }
  if (position < end) yield { start: position, end };
}

function checkedEnd(data: FileData, offset: number, length: number): number {
  if (length <= 0) throw new FsError('EINVAL', `a range of ${length} bytes`);
  data.assertWritable(offset, offset + length);
  return offset + length;
}
