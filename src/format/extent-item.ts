/**
 * Extent items: who uses a range of the logical address space, and how often.
 *
 * On disk: `struct btrfs_extent_item`, for tree blocks without skinny metadata then
 * `struct btrfs_tree_block_info`, then inline references of `struct btrfs_extent_inline_ref` in
 * ascending order of type and, within a type, descending order of root, parent or hash. Keys:
 * (bytenr, EXTENT_ITEM, length), (bytenr, METADATA_ITEM, level). References that do not fit are
 * items of their own under the key (bytenr, type, root | parent | hash).
 */
import { corrupt, readId, readU53, readU64, viewOf, writeId, writeU53, writeU64 } from '../bytes/index.js';
import { dataRefHash } from './hashes.js';
import { decodeKey, encodeKey, type Key } from './key.js';
import {
  EXTENT_DATA_REF_KEY,
  EXTENT_OWNER_REF_KEY,
  SHARED_BLOCK_REF_KEY,
  SHARED_DATA_REF_KEY,
  TREE_BLOCK_REF_KEY,
} from './key-types.js';

export const EXTENT_ITEM = { refs: 0, generation: 8, flags: 16, SIZE: 24 } as const;
export const TREE_BLOCK_INFO = { key: 0, level: 17, SIZE: 18 } as const;
export const INLINE_REF = { type: 0, offset: 1, SIZE: 9 } as const;
export const EXTENT_DATA_REF = { root: 0, objectid: 8, offset: 16, count: 24, SIZE: 28 } as const;
export const SHARED_DATA_REF = { count: 0, SIZE: 4 } as const;

export const EXTENT_FLAG_DATA = 1n << 0n;
export const EXTENT_FLAG_TREE_BLOCK = 1n << 1n;
/** What this tree block points to is referenced by the block itself, not by its tree. */
export const BLOCK_FLAG_FULL_BACKREF = 1n << 8n;

/** Use of a data extent by file extent items of one inode that agree in key offset - extent offset. */
export interface ExtentDataRef {
  readonly type: typeof EXTENT_DATA_REF_KEY;
  root: number;
  objectid: number; // inode
  offset: bigint; // file key offset - extent offset, modulo 2^64
  count: number;
}

/** Use of a data extent by the leaf at `parent`. */
export interface SharedDataRef {
  readonly type: typeof SHARED_DATA_REF_KEY;
  parent: number; // logical address
  count: number;
}

/** Use of a tree block by a tree. */
export interface TreeBlockRef {
  readonly type: typeof TREE_BLOCK_REF_KEY;
  root: number;
}

/** Use of a tree block by the node at `parent`. */
export interface SharedBlockRef {
  readonly type: typeof SHARED_BLOCK_REF_KEY;
  parent: number; // logical address
}

/** The subvolume that first wrote a data extent; only with simple quotas. Counts as no reference. */
export interface ExtentOwnerRef {
  readonly type: typeof EXTENT_OWNER_REF_KEY;
  root: number;
}

export type InlineRef = ExtentDataRef | SharedDataRef | TreeBlockRef | SharedBlockRef | ExtentOwnerRef;

export interface ExtentItem {
  refs: number; // sum of all counts, inline and keyed
  generation: number;
  flags: bigint; // EXTENT_FLAG_* and BLOCK_FLAG_* bits
  /** First key and level of a tree block; only in EXTENT_ITEM items of tree blocks. */
  treeBlockInfo?: { key: Key; level: number };
  inlineRefs: InlineRef[];
}

/** Bytes of an inline reference of a type, undefined for an unknown one. */
export function inlineRefSize(type: number): number | undefined {
  switch (type) {
    case TREE_BLOCK_REF_KEY:
    case SHARED_BLOCK_REF_KEY:
    case EXTENT_OWNER_REF_KEY:
      return INLINE_REF.SIZE;
    case SHARED_DATA_REF_KEY:
      return INLINE_REF.SIZE + SHARED_DATA_REF.SIZE;
    case EXTENT_DATA_REF_KEY:
      return INLINE_REF.offset + EXTENT_DATA_REF.SIZE;
    default:
      return undefined;
  }
}

/**
 * What orders inline references inside one type (descending), and a keyed one's key offset: root,
 * parent or data reference hash.
 */
export function refSequence(ref: InlineRef): bigint {
  switch (ref.type) {
    case EXTENT_DATA_REF_KEY:
      return dataRefHash(ref.root, ref.objectid, ref.offset);
    case SHARED_DATA_REF_KEY:
    case SHARED_BLOCK_REF_KEY:
      return BigInt(ref.parent);
    default:
      return BigInt.asUintN(64, BigInt(ref.root));
  }
}

/** Whether two references stand for the same user, whatever their counts. */
export function sameReference(a: InlineRef, b: InlineRef): boolean {
  if (a.type === EXTENT_DATA_REF_KEY && b.type === EXTENT_DATA_REF_KEY) {
    return a.root === b.root && a.objectid === b.objectid && a.offset === b.offset;
  }
  return a.type === b.type && refSequence(a) === refSequence(b);
}

/** Orders two references as one extent item has them: negative, zero or positive. */
export function compareInlineRefs(a: InlineRef, b: InlineRef): number {
  if (a.type !== b.type) return a.type - b.type;
  const left = refSequence(a);
  const right = refSequence(b);
  return left === right ? 0 : left > right ? -1 : 1;
}

/**
 * Decodes an item of `size` bytes.
 *
 * @param skinny - true under a METADATA_ITEM key
 * @throws FsError EUCLEAN when it is cut off or holds an unknown reference
 */
export function decodeExtentItem(view: DataView, at: number, size: number, skinny: boolean): ExtentItem {
  if (size < EXTENT_ITEM.SIZE) throw corrupt('extent item', `item of ${size} bytes is cut off`);
  const item: ExtentItem = {
    refs: readU53(view, at + EXTENT_ITEM.refs),
    generation: readU53(view, at + EXTENT_ITEM.generation),
    flags: readU64(view, at + EXTENT_ITEM.flags),
    inlineRefs: [],
  };
  const end = at + size;
  let next = at + EXTENT_ITEM.SIZE;
  if (!skinny && (item.flags & EXTENT_FLAG_TREE_BLOCK) !== 0n) {
    if (next + TREE_BLOCK_INFO.SIZE > end) throw corrupt('extent item', 'cut off inside the tree block info');
    item.treeBlockInfo = { key: decodeKey(view, next), level: view.getUint8(next + TREE_BLOCK_INFO.level) };
    next += TREE_BLOCK_INFO.SIZE;
  }
  while (next < end) {
    const refSize = inlineRefSize(view.getUint8(next));
    if (refSize === undefined) throw corrupt('extent item', `inline reference of type ${view.getUint8(next)}`);
    if (next + refSize > end) throw corrupt('extent item', 'cut off inside an inline reference');
    item.inlineRefs.push(decodeInlineRef(view, next));
    next += refSize;
  }
  return item;
}

/** Decodes the inline reference at `at`, which must be whole and of a known type. */
function decodeInlineRef(view: DataView, at: number): InlineRef {
  const type = view.getUint8(at);
  const body = at + INLINE_REF.offset;
  switch (type) {
    case EXTENT_DATA_REF_KEY:
      return decodeExtentDataRef(view, body);
    case SHARED_DATA_REF_KEY:
      return { type, parent: readU53(view, body), count: view.getUint32(at + INLINE_REF.SIZE, true) };
    case SHARED_BLOCK_REF_KEY:
      return { type, parent: readU53(view, body) };
    case TREE_BLOCK_REF_KEY:
    case EXTENT_OWNER_REF_KEY:
      return { type, root: readId(view, body) };
    default:
      throw corrupt('extent item', `inline reference of type ${type}`);
  }
}

/** The body of a data reference: all of a keyed one's item, or what follows an inline one's type. */
export function decodeExtentDataRef(view: DataView, at: number): ExtentDataRef {
  return {
    type: EXTENT_DATA_REF_KEY,
    root: readId(view, at + EXTENT_DATA_REF.root),
    objectid: readId(view, at + EXTENT_DATA_REF.objectid),
    offset: readU64(view, at + EXTENT_DATA_REF.offset),
    count: view.getUint32(at + EXTENT_DATA_REF.count, true),
  };
}

export function encodeExtentDataRef(view: DataView, at: number, ref: ExtentDataRef): void {
  writeId(view, at + EXTENT_DATA_REF.root, ref.root);
  writeId(view, at + EXTENT_DATA_REF.objectid, ref.objectid);
  writeU64(view, at + EXTENT_DATA_REF.offset, ref.offset);
  view.setUint32(at + EXTENT_DATA_REF.count, ref.count, true);
}

/** The reference that a keyed item holds; `key` has its type, and its root or parent. */
export function decodeKeyedRef(view: DataView, at: number, key: Key): InlineRef {
  switch (key.type) {
    case EXTENT_DATA_REF_KEY:
      return decodeExtentDataRef(view, at);
    case SHARED_DATA_REF_KEY:
      return { type: key.type, parent: key.offset, count: view.getUint32(at, true) };
    case SHARED_BLOCK_REF_KEY:
      return { type: key.type, parent: key.offset };
    case TREE_BLOCK_REF_KEY:
      return { type: key.type, root: Number(BigInt.asIntN(64, key.offsetU64)) };
    default:
      throw corrupt(`key ${key}`, 'is no back reference');
  }
}

/** The whole body of a reference kept as an item of its own. */
export function encodeKeyedRef(ref: InlineRef): Uint8Array {
  if (ref.type === EXTENT_DATA_REF_KEY) {
    const bytes = new Uint8Array(EXTENT_DATA_REF.SIZE);
    encodeExtentDataRef(viewOf(bytes), 0, ref);
    return bytes;
  }
  if (ref.type !== SHARED_DATA_REF_KEY) return new Uint8Array(0);
  const bytes = new Uint8Array(SHARED_DATA_REF.SIZE);
  viewOf(bytes).setUint32(SHARED_DATA_REF.count, ref.count, true);
  return bytes;
}

/** Bytes of the item. */
export function extentItemSize(item: ExtentItem): number {
  const fixed = EXTENT_ITEM.SIZE + (item.treeBlockInfo === undefined ? 0 : TREE_BLOCK_INFO.SIZE);
  return item.inlineRefs.reduce((sum, ref) => sum + (inlineRefSize(ref.type) ?? 0), fixed);
}

/** The whole item. Its inline references must be in order already ({@link compareInlineRefs}). */
export function encodeExtentItem(item: ExtentItem): Uint8Array {
  const bytes = new Uint8Array(extentItemSize(item));
  writeExtentItem(viewOf(bytes), 0, item);
  return bytes;
}

/** Writes an item in place, over {@link extentItemSize} bytes. */
export function writeExtentItem(view: DataView, at: number, item: ExtentItem): void {
  writeU53(view, at + EXTENT_ITEM.refs, item.refs);
  writeU53(view, at + EXTENT_ITEM.generation, item.generation);
  writeU64(view, at + EXTENT_ITEM.flags, item.flags);
  let next = at + EXTENT_ITEM.SIZE;
  if (item.treeBlockInfo !== undefined) {
    encodeKey(view, next, item.treeBlockInfo.key);
    view.setUint8(next + TREE_BLOCK_INFO.level, item.treeBlockInfo.level);
    next += TREE_BLOCK_INFO.SIZE;
  }
  for (const ref of item.inlineRefs) next = encodeInlineRef(view, next, ref);
}

/** @returns the first byte after the reference */
function encodeInlineRef(view: DataView, at: number, ref: InlineRef): number {
  const body = at + INLINE_REF.offset;
  view.setUint8(at, ref.type);
  switch (ref.type) {
    case EXTENT_DATA_REF_KEY:
      encodeExtentDataRef(view, body, ref);
      return body + EXTENT_DATA_REF.SIZE;
    case SHARED_DATA_REF_KEY:
      writeU53(view, body, ref.parent);
      view.setUint32(at + INLINE_REF.SIZE, ref.count, true);
      return at + INLINE_REF.SIZE + SHARED_DATA_REF.SIZE;
    case SHARED_BLOCK_REF_KEY:
      writeU53(view, body, ref.parent);
      return at + INLINE_REF.SIZE;
    default:
      writeId(view, body, ref.root);
      return at + INLINE_REF.SIZE;
  }
}
