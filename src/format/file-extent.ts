/**
 * File extent item: where a range of a file's bytes is.
 *
 * On disk: `struct btrfs_file_extent_item`. Key: (inode, EXTENT_DATA, file offset). Inline data
 * follows the first 21 bytes. Other types have 53 bytes, in the `trailing` layout of encrypted
 * volumes followed by a u32 size and the extent's fscrypt context.
 */
import { corrupt, invariant, readU53, viewOf, writeU53 } from '../bytes/index.js';
import { readBytes, writeBytes } from './byte-fields.js';
import { FILE_EXTENT_INLINE } from './constants.js';
import { EXTENT_CONTEXT_SIZE, INODE_CONTEXT_SIZE, INODE_CONTEXT_V1_SIZE } from './fscrypt-context.js';

export const FILE_EXTENT = {
  generation: 0,
  ramBytes: 8,
  compression: 16,
  encryption: 17,
  otherEncoding: 18,
  type: 20,
  inlineData: 21,
  diskBytenr: 21,
  diskNumBytes: 29,
  offset: 37,
  numBytes: 45,
  SIZE: 53,
} as const;

/** What may follow the 53 bytes: a size, then the context. */
export const TRAILING_CONTEXT = { size: 0, context: 4, SIZE: 4 } as const;

/** Bytes of an item with a 40-byte context, the form of the `trailing` layout: 97. */
export const TRAILING_EXTENT_SIZE = FILE_EXTENT.SIZE + TRAILING_CONTEXT.SIZE + INODE_CONTEXT_SIZE;
/** Bytes of an item with a 34-byte context, the form of 2023-24: 91. */
export const INTERIM_EXTENT_SIZE = FILE_EXTENT.SIZE + TRAILING_CONTEXT.SIZE + EXTENT_CONTEXT_SIZE;

/**
 * The value of the size field before a context of `length` bytes, undefined when none has that
 * length: it counts itself, but not in the form of 2023-24 with its 34-byte contexts.
 */
export function trailingSizeField(length: number): number | undefined {
  if (length === EXTENT_CONTEXT_SIZE) return length;
  const whole = length === INODE_CONTEXT_SIZE || length === INODE_CONTEXT_V1_SIZE;
  return whole ? length + TRAILING_CONTEXT.SIZE : undefined;
}

export interface FileExtent {
  generation: number;
  ramBytes: number; // bytes of the whole extent once decompressed
  compression: number; // COMPRESS_*
  encryption: number; // ENCRYPTION_*
  otherEncoding: number; // 0
  type: number; // FILE_EXTENT_*
  inlineLength: number; // bytes of inline data as stored; 0 in other types
  diskBytenr: number; // logical address; 0 for a hole. This and the rest are 0 when inline
  diskNumBytes: number; // bytes on disk of the whole extent
  offset: number; // where in the (decompressed) extent this item's bytes begin
  numBytes: number; // bytes of file that this item covers
  /** The extent's fscrypt context where the item carries one (40 or 34 bytes; 28 of a refused v1 policy). */
  context?: Uint8Array;
}

/** Decodes an item of `size` bytes. @throws FsError EUCLEAN when it is cut off */
export function decodeFileExtent(view: DataView, at: number, size: number): FileExtent {
  if (size < FILE_EXTENT.inlineData) throw corrupt('file extent', `item of ${size} bytes is cut off`);
  const type = view.getUint8(at + FILE_EXTENT.type);
  const inline = type === FILE_EXTENT_INLINE;
  if (!inline && size < FILE_EXTENT.SIZE) throw corrupt('file extent', `item of ${size} bytes is cut off`);
  const extent: FileExtent = {
    generation: readU53(view, at + FILE_EXTENT.generation),
    ramBytes: readU53(view, at + FILE_EXTENT.ramBytes),
    compression: view.getUint8(at + FILE_EXTENT.compression),
    encryption: view.getUint8(at + FILE_EXTENT.encryption),
    otherEncoding: view.getUint16(at + FILE_EXTENT.otherEncoding, true),
    type,
    inlineLength: inline ? size - FILE_EXTENT.inlineData : 0,
    diskBytenr: inline ? 0 : readU53(view, at + FILE_EXTENT.diskBytenr),
    diskNumBytes: inline ? 0 : readU53(view, at + FILE_EXTENT.diskNumBytes),
    offset: inline ? 0 : readU53(view, at + FILE_EXTENT.offset),
    numBytes: inline ? 0 : readU53(view, at + FILE_EXTENT.numBytes),
  };
  if (!inline && size > FILE_EXTENT.SIZE) extent.context = decodeTrailingContext(view, at, size);
  return extent;
}

function decodeTrailingContext(view: DataView, at: number, size: number): Uint8Array {
  const length = size - FILE_EXTENT.SIZE - TRAILING_CONTEXT.SIZE;
  const wanted = trailingSizeField(length);
  if (wanted === undefined || view.getUint32(at + FILE_EXTENT.SIZE, true) !== wanted) {
    throw corrupt('file extent', `what follows the fixed part of an item of ${size} bytes is no context`);
  }
  return readBytes(view, at + FILE_EXTENT.SIZE + TRAILING_CONTEXT.context, length);
}

/** The whole item. `data` is what an inline extent holds, `extent.inlineLength` bytes. */
export function encodeFileExtent(extent: FileExtent, data?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(fileExtentSize(extent));
  writeFileExtent(viewOf(bytes), 0, extent, data);
  return bytes;
}

/** Writes an item in place, over {@link fileExtentSize} bytes. */
export function writeFileExtent(view: DataView, at: number, extent: FileExtent, data?: Uint8Array): void {
  writeU53(view, at + FILE_EXTENT.generation, extent.generation);
  writeU53(view, at + FILE_EXTENT.ramBytes, extent.ramBytes);
  view.setUint8(at + FILE_EXTENT.compression, extent.compression);
  view.setUint8(at + FILE_EXTENT.encryption, extent.encryption);
  view.setUint16(at + FILE_EXTENT.otherEncoding, extent.otherEncoding, true);
  view.setUint8(at + FILE_EXTENT.type, extent.type);
  if (extent.type === FILE_EXTENT_INLINE) {
    if (data !== undefined) writeBytes(view, at + FILE_EXTENT.inlineData, data);
    return;
  }
  writeU53(view, at + FILE_EXTENT.diskBytenr, extent.diskBytenr);
  writeU53(view, at + FILE_EXTENT.diskNumBytes, extent.diskNumBytes);
  writeU53(view, at + FILE_EXTENT.offset, extent.offset);
  writeU53(view, at + FILE_EXTENT.numBytes, extent.numBytes);
  if (extent.context === undefined) return;
  const sizeField = trailingSizeField(extent.context.length);
  invariant(sizeField !== undefined, 'a trailing context has one of the known lengths');
  view.setUint32(at + FILE_EXTENT.SIZE, sizeField, true);
  writeBytes(view, at + FILE_EXTENT.SIZE + TRAILING_CONTEXT.context, extent.context);
}

/** Bytes of the item. */
export function fileExtentSize(extent: FileExtent): number {
  if (extent.type === FILE_EXTENT_INLINE) return FILE_EXTENT.inlineData + extent.inlineLength;
  if (extent.context === undefined) return FILE_EXTENT.SIZE;
  return FILE_EXTENT.SIZE + TRAILING_CONTEXT.SIZE + extent.context.length;
}
