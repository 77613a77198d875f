/**
 * One item of a leaf as the rules see it, and how they report a fault.
 *
 * The object is reused for every slot: the rules run on each block read and written, so nothing
 * is allocated for an item that is sound.
 */
import { corrupt, type FsError, readId, readU64 } from '../bytes/index.js';
import { FIRST_FREE_OBJECTID, FS_TREE_OBJECTID } from './constants.js';
import { decodeKey, KEY } from './key.js';

/** What a block's rules depend on besides its bytes. */
export interface CheckContext {
  readonly nodesize: number;
  readonly sectorsize: number;
  /** Bytes of one data checksum. */
  readonly csumSize: number;
  readonly incompatFlags: bigint;
  /** Generation of the superblock; a log tree and the running transaction are one ahead. */
  readonly superGeneration: number;
  /** Whether marks of encryption (inode flag, entry type, extents) are lawful. */
  readonly encrypted: boolean;
}

export interface CheckedItem {
  readonly view: DataView;
  readonly context: CheckContext;
  readonly bytenr: number; // of the leaf
  readonly owner: number; // tree that wrote the leaf
  slot: number;
  keyAt: number;
  type: number;
  at: number; // first byte of the item's data, from the start of the block
  size: number;
  /** The item before, for rules about neighbours; in slot 0 `previousType` is -1. */
  previousKeyAt: number;
  previousType: number;
  previousAt: number;
  previousSize: number;
}

const TWO_32 = 0x1_0000_0000;
const MAX_HIGH = 0x1f_ffff;
/** Bits 48 and up of a subvolume id would make its quota group one of a higher level. */
const QGROUP_LEVEL_1 = 2 ** 48;

/** The error for a rule that `item` breaks. */
export function fault(item: CheckedItem, what: string): FsError {
  const key = decodeKey(item.view, item.keyAt);
  return corrupt(`leaf ${item.bytenr} of tree ${item.owner}, slot ${item.slot}, key ${key}`, what);
}

/** An unsigned quantity of the item, located when it is too large. */
export function quantity(item: CheckedItem, at: number, name: string): number {
  const high = item.view.getUint32(at + 4, true);
  if (high > MAX_HIGH) throw fault(item, `${name} ${readU64(item.view, at)} is larger than any volume`);
  return high * TWO_32 + item.view.getUint32(at, true);
}

/** A quantity that must be a multiple of the sector size. */
export function aligned(item: CheckedItem, at: number, name: string): number {
  const value = quantity(item, at, name);
  if (value % item.context.sectorsize !== 0) {
    throw fault(item, `${name} ${value} is no multiple of the sector, ${item.context.sectorsize}`);
  }
  return value;
}

/** A generation, at most one ahead of the superblock's. */
export function checkGeneration(item: CheckedItem, at: number, name: string): void {
  const value = quantity(item, at, name);
  const limit = item.context.superGeneration + 1;
  if (value > limit) throw fault(item, `${name} ${value} is past the volume's, ${limit}`);
}

export function checkSize(item: CheckedItem, wanted: number): void {
  if (item.size !== wanted) throw fault(item, `item of ${item.size} bytes, wanted ${wanted}`);
}

export function checkMinimumSize(item: CheckedItem, wanted: number): void {
  if (item.size < wanted) throw fault(item, `item of ${item.size} bytes, wanted at least ${wanted}`);
}

/** The key's object id as a quantity, aligned to the sector: an address. */
export function alignedObjectid(item: CheckedItem): number {
  return aligned(item, item.keyAt, 'key object id');
}

export function alignedKeyOffset(item: CheckedItem): number {
  return aligned(item, item.keyAt + KEY.offset, 'key offset');
}

export function keyOffset(item: CheckedItem): number {
  return quantity(item, item.keyAt + KEY.offset, 'key offset');
}

/** The key's object id, signed. */
export function keyObjectid(item: CheckedItem): number {
  return readId(item.view, item.keyAt);
}

export function hasKeyOffsetZero(item: CheckedItem): boolean {
  const at = item.keyAt + KEY.offset;
  return item.view.getUint32(at, true) === 0 && item.view.getUint32(at + 4, true) === 0;
}

/** Whether the item before belongs to the same object. */
export function followsSameObject(item: CheckedItem): boolean {
  if (item.previousType < 0) return false;
  const { view, keyAt, previousKeyAt } = item;
  return (
    view.getUint32(keyAt, true) === view.getUint32(previousKeyAt, true) &&
    view.getUint32(keyAt + 4, true) === view.getUint32(previousKeyAt + 4, true)
  );
}

/** Whether a tree id is a subvolume's. */
export function isSubvolumeTree(id: number): boolean {
  return id === FS_TREE_OBJECTID || (id >= FIRST_FREE_OBJECTID && id < QGROUP_LEVEL_1);
}
