/**
 * Rules for the items of the root, chunk, device, free-space, UUID and quota trees.
 *
 * @see linux fs/btrfs/tree-checker.c btrfs_check_chunk_valid, check_dev_item, check_root_item
 */
import { corrupt, type FsError, readId, readU53 } from '../bytes/index.js';
import { BLOCK_GROUP_ITEM } from './block-group-item.js';
import {
  aligned,
  alignedKeyOffset,
  alignedObjectid,
  type CheckContext,
  type CheckedItem,
  checkGeneration,
  checkMinimumSize,
  checkSize,
  fault,
  keyObjectid,
  keyOffset,
  quantity,
} from './checked-item.js';
import { CHUNK, chunkSize } from './chunk.js';
import {
  CHUNK_TREE_OBJECTID,
  DEV_ITEMS_OBJECTID,
  FIRST_CHUNK_TREE_OBJECTID,
  MAX_LEVEL,
  NAME_LEN,
  STRIPE_LEN,
} from './constants.js';
import { DEV_EXTENT, DEV_ITEM } from './dev-item.js';
import { INCOMPAT_MIXED_GROUPS } from './features.js';
import { FREE_SPACE_INFO, freeSpaceBitmapSize } from './free-space.js';
import { KEY } from './key.js';
import { DEV_EXTENT_KEY, FREE_SPACE_BITMAP_KEY, FREE_SPACE_INFO_KEY } from './key-types.js';
import { LEGACY_ROOT_ITEM_SIZE, ROOT_ITEM } from './root-item.js';
import { ROOT_REF } from './root-ref.js';
import { UUID_ITEM_ENTRY_SIZE } from './uuid-key.js';

const TYPE_DATA = 1;
const TYPE_SYSTEM = 2;
const TYPE_METADATA = 4;
const TYPE_MASK = 7;
const PROFILE_MASK = 0x7f8;

/** Stripes and sub-stripes that each profile (its bit) demands: [least, most, sub-stripes]. */
const PROFILE_STRIPES: ReadonlyMap<number, readonly [number, number, number?]> = new Map([
  [0, [1, 1]],
  [1 << 3, [1, 0xffff]], // RAID0
  [1 << 4, [2, 2]], // RAID1
  [1 << 5, [2, 2]], // DUP
  [1 << 6, [2, 0xffff, 2]], // RAID10
  [1 << 7, [2, 0xffff]], // RAID5
  [1 << 8, [3, 0xffff]], // RAID6
  [1 << 9, [3, 3]], // RAID1C3
  [1 << 10, [4, 4]], // RAID1C4
]);

/** The fault of a type-and-profile field, undefined when it has none. */
function typeFault(view: DataView, at: number, mixed: boolean): string | undefined {
  const low = view.getUint32(at, true);
  if (view.getUint32(at + 4, true) !== 0 || (low & ~(TYPE_MASK | PROFILE_MASK)) !== 0) return 'has unknown bits';
  const profile = low & PROFILE_MASK;
  if ((profile & (profile - 1)) !== 0) return 'has more than one profile';
  const type = low & TYPE_MASK;
  if (type === TYPE_DATA || type === TYPE_SYSTEM || type === TYPE_METADATA) return undefined;
  if (type === (TYPE_DATA | TYPE_METADATA)) return mixed ? undefined : 'is mixed where the volume is not';
  return 'names no type';
}

/** Shared by chunk items and the superblock's system chunk array. @throws FsError EUCLEAN */
export function checkChunk(view: DataView, at: number, size: number, logical: number, context: CheckContext): void {
  const bad = (what: string): FsError => corrupt(`chunk at logical ${logical}`, what);
  if (size < CHUNK.SIZE) throw bad(`item of ${size} bytes is cut off`);
  const numStripes = view.getUint16(at + CHUNK.numStripes, true);
  if (numStripes === 0) throw bad('no stripes');
  if (size !== chunkSize(numStripes)) throw bad(`item of ${size} bytes with ${numStripes} stripes`);
  const { sectorsize } = context;
  if (logical % sectorsize !== 0) throw bad('starts inside a sector');
  if (view.getUint32(at + CHUNK.sectorSize, true) !== sectorsize) throw bad('has another sector size than the volume');
  const length = readU53(view, at + CHUNK.length);
  if (length === 0 || length % sectorsize !== 0 || !Number.isSafeInteger(logical + length))
    throw bad(`length ${length}`);
  if (readU53(view, at + CHUNK.stripeLen) !== STRIPE_LEN) throw bad('stripe length is not 64 KiB');
  const mixed = (context.incompatFlags & INCOMPAT_MIXED_GROUPS) !== 0n;
  const typeAt = at + CHUNK.type;
  const what = typeFault(view, typeAt, mixed);
  if (what !== undefined) throw bad(`type 0x${view.getUint32(typeAt, true).toString(16)} ${what}`);
  const [least, most, subStripes] = PROFILE_STRIPES.get(view.getUint32(typeAt, true) & PROFILE_MASK) ?? [1, 1];
  if (numStripes < least || numStripes > most) throw bad(`${numStripes} stripes do not fit the profile`);
  if (subStripes !== undefined && view.getUint16(at + CHUNK.subStripes, true) !== subStripes) {
    throw bad('sub-stripes do not fit the profile');
  }
}

export function checkChunkItem(item: CheckedItem): void {
  if (keyObjectid(item) !== FIRST_CHUNK_TREE_OBJECTID) throw fault(item, 'chunk under another object id');
  checkChunk(item.view, item.at, item.size, keyOffset(item), item.context);
}

export function checkDevItem(item: CheckedItem): void {
  checkSize(item, DEV_ITEM.SIZE);
  if (keyObjectid(item) !== DEV_ITEMS_OBJECTID) throw fault(item, 'device under another object id');
  const devid = quantity(item, item.at + DEV_ITEM.devid, 'device id');
  if (devid !== keyOffset(item)) throw fault(item, `device id ${devid} differs from the key's`);
  const used = quantity(item, item.at + DEV_ITEM.bytesUsed, 'bytes used');
  const total = quantity(item, item.at + DEV_ITEM.totalBytes, 'total bytes');
  if (used > total) throw fault(item, `${used} bytes used of ${total}`);
}

export function checkDevExtent(item: CheckedItem): void {
  const { view, at } = item;
  checkSize(item, DEV_EXTENT.SIZE);
  if (readId(view, at + DEV_EXTENT.chunkTree) !== CHUNK_TREE_OBJECTID) throw fault(item, 'owner is not the chunk tree');
  if (readId(view, at + DEV_EXTENT.chunkObjectid) !== FIRST_CHUNK_TREE_OBJECTID) {
    throw fault(item, 'chunk object id is not 256');
  }
  const start = alignedKeyOffset(item);
  aligned(item, at + DEV_EXTENT.chunkOffset, 'chunk start');
  aligned(item, at + DEV_EXTENT.length, 'length');
  const { previousType, previousKeyAt, previousAt } = item;
  if (previousType !== DEV_EXTENT_KEY || readId(view, previousKeyAt) !== keyObjectid(item)) return;
  const previousStart = quantity(item, previousKeyAt + KEY.offset, 'previous start');
  const previousEnd = previousStart + quantity(item, previousAt + DEV_EXTENT.length, 'previous length');
  if (previousEnd > start) throw fault(item, `the device extent before it reaches ${previousEnd}`);
}

export function checkBlockGroupItem(item: CheckedItem): void {
  const { view, at } = item;
  checkSize(item, BLOCK_GROUP_ITEM.SIZE);
  const length = keyOffset(item);
  if (length === 0) throw fault(item, 'block group of no bytes');
  if (readId(view, at + BLOCK_GROUP_ITEM.chunkObjectid) !== FIRST_CHUNK_TREE_OBJECTID) {
    throw fault(item, 'chunk object id is not 256');
  }
  const used = quantity(item, at + BLOCK_GROUP_ITEM.used, 'used bytes');
  if (used > length) throw fault(item, `${used} bytes used of ${length}`);
  const what = typeFault(view, at + BLOCK_GROUP_ITEM.flags, true);
  if (what !== undefined) throw fault(item, `block group type ${what}`);
}

export function checkRootItem(item: CheckedItem): void {
  const { view, at } = item;
  if (item.size !== LEGACY_ROOT_ITEM_SIZE) checkSize(item, ROOT_ITEM.SIZE);
  if (keyObjectid(item) === 0) throw fault(item, 'there is no tree 0');
  checkGeneration(item, at + ROOT_ITEM.generation, 'root generation');
  checkGeneration(item, at + ROOT_ITEM.lastSnapshot, 'last snapshot');
  if (item.size === ROOT_ITEM.SIZE) checkGeneration(item, at + ROOT_ITEM.generationV2, 'second root generation');
  aligned(item, at + ROOT_ITEM.bytenr, 'root address');
  if (view.getUint8(at + ROOT_ITEM.level) >= MAX_LEVEL) throw fault(item, 'root level past 7');
  if (view.getUint8(at + ROOT_ITEM.dropLevel) >= MAX_LEVEL) throw fault(item, 'drop level past 7');
  const low = view.getUint32(at + ROOT_ITEM.flags, true);
  const high = view.getUint32(at + ROOT_ITEM.flags + 4, true);
  // Read-only is bit 0, being deleted bit 48.
  if ((low & ~1) !== 0 || (high & ~0x10000) !== 0) throw fault(item, 'unknown root flags');
}

/** ROOT_REF and ROOT_BACKREF: one name that ends with the item. */
export function checkRootRef(item: CheckedItem): void {
  checkMinimumSize(item, ROOT_REF.SIZE);
  const nameLen = item.view.getUint16(item.at + ROOT_REF.nameLen, true);
  if (nameLen === 0 || nameLen > NAME_LEN) throw fault(item, `name of ${nameLen} bytes`);
  checkSize(item, ROOT_REF.SIZE + nameLen);
}

/** FREE_SPACE_INFO, FREE_SPACE_EXTENT and FREE_SPACE_BITMAP. */
export function checkFreeSpaceItem(item: CheckedItem): void {
  alignedObjectid(item);
  const length = alignedKeyOffset(item);
  if (length === 0) throw fault(item, 'free space of no bytes');
  if (item.type === FREE_SPACE_INFO_KEY) checkSize(item, FREE_SPACE_INFO.SIZE);
  else if (item.type === FREE_SPACE_BITMAP_KEY) checkSize(item, freeSpaceBitmapSize(length, item.context.sectorsize));
  else checkSize(item, 0);
}

export function checkUuidItem(item: CheckedItem): void {
  if (item.size === 0 || item.size % UUID_ITEM_ENTRY_SIZE !== 0) throw fault(item, `${item.size} bytes of tree ids`);
}
