/** Where a file has data and where holes, for SEEK_DATA, SEEK_HOLE and FIEMAP. */
import { FsError } from '../../bytes/index.js';
import { COMPRESS_NONE, FILE_EXTENT_PREALLOC } from '../../format/index.js';
import { isCiphertext, storedContext } from './extent-contexts.js';
import type { FileData } from './file-data.js';
import { extentsFrom, holdsData, isHole, isInline, isOnDisk, type PlacedExtent } from './file-extents.js';

/** One mapped piece of a file. */
export interface FileExtentInfo {
  /** Bytes. */
  readonly fileOffset: number;
  readonly length: number;
  /** Logical address of the whole extent; 0 when inline. */
  readonly diskBytenr: number;
  readonly diskNumBytes: number;
  /** Where in the extent, decompressed, the piece begins. */
  readonly extentOffset: number;
  readonly kind: 'regular' | 'preallocated' | 'inline';
  readonly isCompressed: boolean;
  readonly isEncrypted: boolean;
  /** Of the extent's context, where it has one. */
  readonly nonce?: Uint8Array;
}

/** As SEEK_DATA: preallocated space counts as a hole. */
export function dataAfter(data: FileData, offset: number): number {
  const { size } = data;
  if (offset < size) {
    const found = Math.min(dirtyAfter(data, offset), mappedAfter(data, offset));
    if (found < size) return found;
  }
  throw new FsError('ENXIO', `${data.inode.describe()} has no data from byte ${offset} on`);
}

function dirtyAfter(data: FileData, offset: number): number {
  return data.dirty.nextRun(offset)?.start ?? Number.POSITIVE_INFINITY;
}

function mappedAfter(data: FileData, offset: number): number {
  for (const placed of extentsFrom(data.list, offset)) {
    if (holdsData(placed.extent)) return Math.max(placed.start, offset);
    if (placed.start >= data.size) break;
  }
  return Number.POSITIVE_INFINITY;
}

/** As SEEK_HOLE. */
export function holeAfter(data: FileData, offset: number): number {
  const { size, dirty, list } = data;
  if (offset >= size) throw new FsError('ENXIO', `byte ${offset} is past the end of ${data.inode.describe()}`);
  let position = offset;
  for (const placed of extentsFrom(list, offset)) {
    position = afterDirty(data, position);
    if (placed.start > position || position >= size) break;
    if (holdsData(placed.extent)) position = Math.max(position, placed.end);
    else if (placed.end > position && !dirty.has(position)) break;
  }
  return Math.min(afterDirty(data, position), size);
}

function afterDirty(data: FileData, position: number): number {
  return data.dirty.has(position) ? data.dirty.runEnd(position, Number.MAX_SAFE_INTEGER) : position;
}

/** The mapped pieces in order; holes are left out. */
export function* listExtents(data: FileData): IterableIterator<FileExtentInfo> {
  for (const placed of extentsFrom(data.list, 0)) {
    if (!isHole(placed.extent)) yield describeExtent(data, placed);
  }
}

function describeExtent(data: FileData, placed: PlacedExtent): FileExtentInfo {
  const { extent, start, end } = placed;
  const isEncrypted = isOnDisk(extent) && holdsData(extent) && isCiphertext(data.inode, placed);
  const context = isEncrypted ? storedContext(data.list.tree, data.list.ino, placed) : undefined;
  const { diskBytenr, diskNumBytes, offset: extentOffset } = extent;
  return {
    fileOffset: start,
    length: end - start,
    diskBytenr,
    diskNumBytes,
    extentOffset,
    kind: isInline(extent) ? 'inline' : extent.type === FILE_EXTENT_PREALLOC ? 'preallocated' : 'regular',
    isCompressed: extent.compression !== COMPRESS_NONE,
    isEncrypted,
    ...(context && { nonce: context.nonce }),
  };
}
