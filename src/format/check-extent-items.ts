/**
 * Rules for the items of the extent tree and of the checksum tree.
 *
 * @see linux fs/btrfs/tree-checker.c check_extent_item, check_extent_data_ref, check_csum_item
 */
import { readId, readU64 } from '../bytes/index.js';
import {
  aligned,
  alignedKeyOffset,
  alignedObjectid,
  type CheckedItem,
  checkGeneration,
  checkMinimumSize,
  checkSize,
  fault,
  isSubvolumeTree,
  keyObjectid,
  keyOffset,
  quantity,
} from './checked-item.js';
import {
  DATA_RELOC_TREE_OBJECTID,
  EXTENT_CSUM_OBJECTID,
  FIRST_FREE_OBJECTID,
  LAST_FREE_OBJECTID,
  MAX_LEVEL,
  ROOT_TREE_OBJECTID,
} from './constants.js';
import {
  BLOCK_FLAG_FULL_BACKREF,
  decodeExtentDataRef,
  EXTENT_DATA_REF,
  EXTENT_ITEM,
  INLINE_REF,
  inlineRefSize,
  refSequence,
  SHARED_DATA_REF,
  TREE_BLOCK_INFO,
} from './extent-item.js';
import { INCOMPAT_SKINNY_METADATA } from './features.js';
import { KEY } from './key.js';
import {
  EXTENT_CSUM_KEY,
  EXTENT_DATA_REF_KEY,
  EXTENT_ITEM_KEY,
  EXTENT_OWNER_REF_KEY,
  METADATA_ITEM_KEY,
  SHARED_BLOCK_REF_KEY,
  SHARED_DATA_REF_KEY,
  TREE_BLOCK_REF_KEY,
} from './key-types.js';

const FLAG_DATA = 1;
const FLAG_TREE_BLOCK = 2;
const FLAG_FULL_BACKREF = Number(BLOCK_FLAG_FULL_BACKREF);

/** EXTENT_ITEM and METADATA_ITEM. */
export function checkExtentItem(item: CheckedItem): void {
  const { view, context, at, type } = item;
  const bytenr = alignedObjectid(item);
  checkMinimumSize(item, EXTENT_ITEM.SIZE);
  checkGeneration(item, at + EXTENT_ITEM.generation, 'extent generation');
  const flags = view.getUint32(at + EXTENT_ITEM.flags, true);
  const isTreeBlock = (flags & (FLAG_DATA | FLAG_TREE_BLOCK)) === FLAG_TREE_BLOCK;
  if (!isTreeBlock && (flags & (FLAG_DATA | FLAG_TREE_BLOCK)) !== FLAG_DATA) {
    throw fault(item, `flags 0x${flags.toString(16)} are neither data nor a tree block`);
  }
  if (type === METADATA_ITEM_KEY) {
    if (!isTreeBlock) throw fault(item, 'data under a metadata key');
    if ((context.incompatFlags & INCOMPAT_SKINNY_METADATA) === 0n) throw fault(item, 'no skinny metadata here');
    if (keyOffset(item) >= MAX_LEVEL) throw fault(item, `level ${keyOffset(item)} of a tree block`);
  } else if (isTreeBlock) {
    if (keyOffset(item) !== context.nodesize) throw fault(item, `tree block of ${keyOffset(item)} bytes`);
  } else {
    if (alignedKeyOffset(item) === 0) throw fault(item, 'data extent of no bytes');
    if ((flags & FLAG_FULL_BACKREF) !== 0) throw fault(item, 'data extent with full back references');
  }
  let refsAt = at + EXTENT_ITEM.SIZE;
  if (isTreeBlock && type === EXTENT_ITEM_KEY) {
    checkMinimumSize(item, EXTENT_ITEM.SIZE + TREE_BLOCK_INFO.SIZE);
    const level = view.getUint8(refsAt + TREE_BLOCK_INFO.level);
    if (level >= MAX_LEVEL) throw fault(item, `level ${level} of a tree block`);
    refsAt += TREE_BLOCK_INFO.SIZE;
  }
  const counted = checkInlineRefs(item, refsAt, isTreeBlock);
  const refs = quantity(item, at + EXTENT_ITEM.refs, 'reference count');
  if (counted > refs) throw fault(item, `${counted} inline references, but a count of ${refs}`);
  checkNoExtentOverlap(item, bytenr);
}

/** @returns the sum of the inline references' counts */
function checkInlineRefs(item: CheckedItem, from: number, isTreeBlock: boolean): number {
  const { view } = item;
  const end = item.at + item.size;
  let counted = 0;
  let previous = -1;
  for (let at = from; at < end; ) {
    const type = view.getUint8(at);
    const size = inlineRefSize(type);
    if (size === undefined) throw fault(item, `inline reference of unknown type ${type}`);
    if (at + size > end) throw fault(item, 'an inline reference is cut off');
    counted += checkInlineRef(item, at, type, isTreeBlock);
    if (previous >= 0) checkRefOrder(item, previous, at);
    previous = at;
    at += size;
  }
  return counted;
}

/** @returns how many references it counts as */
function checkInlineRef(item: CheckedItem, at: number, type: number, isTreeBlock: boolean): number {
  const body = at + INLINE_REF.offset;
  const forTreeBlock = type === TREE_BLOCK_REF_KEY || type === SHARED_BLOCK_REF_KEY;
  if (forTreeBlock !== isTreeBlock && type !== EXTENT_OWNER_REF_KEY) {
    throw fault(item, `inline reference of type ${type} on ${isTreeBlock ? 'a tree block' : 'data'}`);
  }
  switch (type) {
    case EXTENT_DATA_REF_KEY:
      return checkDataRef(item, body);
    case SHARED_DATA_REF_KEY: {
      aligned(item, body, 'parent');
      const count = item.view.getUint32(at + INLINE_REF.SIZE, true);
      if (count === 0) throw fault(item, 'a shared reference counts nothing');
      return count;
    }
    case SHARED_BLOCK_REF_KEY:
      aligned(item, body, 'parent');
      return 1;
    case TREE_BLOCK_REF_KEY:
      return 1;
    default:
      return 0;
  }
}

/** The body of a data reference. @returns its count */
function checkDataRef(item: CheckedItem, at: number): number {
  const { view, context } = item;
  const root = readId(view, at + EXTENT_DATA_REF.root);
  if (!isSubvolumeTree(root) && root !== DATA_RELOC_TREE_OBJECTID && root !== ROOT_TREE_OBJECTID) {
    throw fault(item, `data reference of tree ${root}`);
  }
  const inode = readId(view, at + EXTENT_DATA_REF.objectid);
  if (inode < FIRST_FREE_OBJECTID && inode > LAST_FREE_OBJECTID) throw fault(item, `data reference of inode ${inode}`);
  // The offset wraps below zero after a clone; its low half tells the alignment all the same.
  const offset = view.getUint32(at + EXTENT_DATA_REF.offset, true);
  if (offset % context.sectorsize !== 0) throw fault(item, 'a data reference has an unaligned offset');
  const count = view.getUint32(at + EXTENT_DATA_REF.count, true);
  if (count === 0) throw fault(item, 'a data reference counts nothing');
  return count;
}

/** Types ascend; inside one type roots, parents or hashes descend. */
function checkRefOrder(item: CheckedItem, previous: number, at: number): void {
  const { view } = item;
  const type = view.getUint8(at);
  const previousType = view.getUint8(previous);
  if (previousType === EXTENT_OWNER_REF_KEY || type > previousType) return;
  if (type < previousType || refSequenceAt(view, at) > refSequenceAt(view, previous)) {
    throw fault(item, 'inline references are out of order');
  }
}

function refSequenceAt(view: DataView, at: number): bigint {
  const body = at + INLINE_REF.offset;
  if (view.getUint8(at) === EXTENT_DATA_REF_KEY) return refSequence(decodeExtentDataRef(view, body));
  return readU64(view, body);
}

function checkNoExtentOverlap(item: CheckedItem, bytenr: number): void {
  const { previousType, previousKeyAt } = item;
  if (previousType !== EXTENT_ITEM_KEY && previousType !== METADATA_ITEM_KEY) return;
  const start = quantity(item, previousKeyAt, 'previous address');
  const length =
    previousType === METADATA_ITEM_KEY
      ? item.context.nodesize
      : quantity(item, previousKeyAt + KEY.offset, 'previous length');
  if (start + length > bytenr) throw fault(item, `the extent before it reaches ${start + length}`);
}

/** References that are items of their own. */
export function checkKeyedRef(item: CheckedItem): void {
  alignedObjectid(item);
  switch (item.type) {
    case EXTENT_DATA_REF_KEY:
      checkSize(item, EXTENT_DATA_REF.SIZE);
      checkDataRef(item, item.at);
      return;
    case SHARED_DATA_REF_KEY:
      checkSize(item, SHARED_DATA_REF.SIZE);
      alignedKeyOffset(item);
      if (item.view.getUint32(item.at, true) === 0) throw fault(item, 'a shared reference counts nothing');
      return;
    case SHARED_BLOCK_REF_KEY:
      checkSize(item, 0);
      alignedKeyOffset(item);
      return;
    default:
      checkSize(item, 0);
  }
}

export function checkChecksumItem(item: CheckedItem): void {
  const { csumSize, sectorsize } = item.context;
  if (keyObjectid(item) !== EXTENT_CSUM_OBJECTID) throw fault(item, 'checksums under another object id');
  const start = alignedKeyOffset(item);
  if (item.size === 0 || item.size % csumSize !== 0) {
    throw fault(item, `${item.size} bytes of checksums of ${csumSize} each`);
  }
  if (item.previousType !== EXTENT_CSUM_KEY) return;
  const previousStart = quantity(item, item.previousKeyAt + KEY.offset, 'previous key offset');
  const previousEnd = previousStart + (item.previousSize / csumSize) * sectorsize;
  if (previousEnd > start) throw fault(item, `the checksums before it reach ${previousEnd}`);
}
