/**
 * Rules for the items of subvolume trees: inodes, names, attributes, file extents, contexts.
 *
 * The kernel's rules are in linux fs/btrfs/tree-checker.c; these are the same or, where a length
 * or a loop depends on it, a little stricter, but never stricter than what kernels write.
 */
import { readId, roundUp } from '../bytes/index.js';
import { bytesAt } from './byte-fields.js';
import {
  aligned,
  alignedKeyOffset,
  type CheckedItem,
  checkGeneration,
  checkMinimumSize,
  checkSize,
  fault,
  followsSameObject,
  hasKeyOffsetZero,
  isSubvolumeTree,
  keyObjectid,
  quantity,
} from './checked-item.js';
import {
  COMPRESS_NONE,
  COMPRESS_ZSTD,
  ENCRYPTION_FSCRYPT,
  FILE_EXTENT_INLINE,
  FILE_EXTENT_PREALLOC,
  FIRST_FREE_OBJECTID,
  FREE_INO_OBJECTID,
  FT_ENCRYPTED,
  FT_MAX,
  FT_UNKNOWN,
  FT_XATTR,
  LAST_FREE_OBJECTID,
  MAX_COMPRESSED_EXTENT,
  NAME_LEN,
  ROOT_TREE_DIR_OBJECTID,
} from './constants.js';
import { DIR_ITEM } from './dir-item.js';
import { FILE_EXTENT, TRAILING_CONTEXT, trailingSizeField } from './file-extent.js';
import {
  EXTENT_CONTEXT_SIZE,
  INODE_CONTEXT_SIZE,
  INODE_CONTEXT_V1_SIZE,
  MAX_EXTENT_CONTEXT_SIZE,
} from './fscrypt-context.js';
import { nameHash } from './hashes.js';
import { INODE_ITEM } from './inode-item.js';
import { INODE_EXTREF, INODE_REF } from './inode-ref.js';
import { KEY } from './key.js';
import {
  DIR_INDEX_KEY,
  EXTENT_DATA_KEY,
  INODE_ITEM_KEY,
  INODE_REF_KEY,
  ROOT_ITEM_KEY,
  XATTR_ITEM_KEY,
} from './key-types.js';

const S_IFMT = 0o170000;
const FILE_TYPES = [0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000];
const S_IFDIR = 0o040000;
/** Lower halves of the inode flags kernels know: bits 0 to 11, ROOT_ITEM_INIT, and ENCRYPT. */
const PLAIN_INODE_FLAGS = 0x8000_0fff;
const ENCRYPT_INODE_FLAG = 0x1000;

export function checkInodeItem(item: CheckedItem): void {
  checkSize(item, INODE_ITEM.SIZE);
  if (!isInodeNumber(keyObjectid(item))) throw fault(item, 'the object id is no inode number');
  if (!hasKeyOffsetZero(item)) throw fault(item, 'the key offset of an inode is 0');
  checkGeneration(item, item.at + INODE_ITEM.generation, 'inode generation');
  checkGeneration(item, item.at + INODE_ITEM.transid, 'inode transid');
  const { view, at } = item;
  const mode = view.getUint32(at + INODE_ITEM.mode, true);
  if (mode > 0o177777 || !FILE_TYPES.includes(mode & S_IFMT)) {
    throw fault(item, `mode 0${mode.toString(8)} names no file type`);
  }
  const nlink = view.getUint32(at + INODE_ITEM.nlink, true);
  if ((mode & S_IFMT) === S_IFDIR && nlink > 1) throw fault(item, `directory with ${nlink} links`);
  const known = item.context.encrypted ? PLAIN_INODE_FLAGS | ENCRYPT_INODE_FLAG : PLAIN_INODE_FLAGS;
  const unknown = view.getUint32(at + INODE_ITEM.flags, true) & ~known;
  if (unknown !== 0) throw fault(item, `unknown inode flags 0x${(unknown >>> 0).toString(16)}`);
}

function isInodeNumber(id: number): boolean {
  return (
    id >= FIRST_FREE_OBJECTID || id <= LAST_FREE_OBJECTID || id === ROOT_TREE_DIR_OBJECTID || id === FREE_INO_OBJECTID
  );
}

/** In a subvolume tree what belongs to an inode follows the inode, unless another leaf ends there. */
function checkFollowsInode(item: CheckedItem): void {
  if (item.slot === 0 || followsSameObject(item) || !isSubvolumeTree(item.owner)) return;
  throw fault(item, 'no item of the same inode comes before it');
}

/** INODE_REF and INODE_EXTREF: names that fill the item exactly. */
export function checkInodeRefs(item: CheckedItem): void {
  checkFollowsInode(item);
  const fixed = item.type === INODE_REF_KEY ? INODE_REF.SIZE : INODE_EXTREF.SIZE;
  const lengthAt = item.type === INODE_REF_KEY ? INODE_REF.nameLen : INODE_EXTREF.nameLen;
  const end = item.at + item.size;
  let at = item.at;
  do {
    if (at + fixed > end) throw fault(item, 'an inode reference is cut off');
    const nameLen = item.view.getUint16(at + lengthAt, true);
    checkNameLength(item, nameLen);
    at += fixed + nameLen;
    if (at > end) throw fault(item, 'a name runs past the item');
  } while (at < end);
}

function checkNameLength(item: CheckedItem, nameLen: number): void {
  if (nameLen === 0 || nameLen > NAME_LEN) throw fault(item, `name of ${nameLen} bytes, wanted 1 to ${NAME_LEN}`);
}

/** DIR_ITEM, DIR_INDEX and XATTR_ITEM. */
export function checkDirItems(item: CheckedItem): void {
  checkFollowsInode(item);
  const { view, type } = item;
  const end = item.at + item.size;
  let at = item.at;
  do {
    if (at + DIR_ITEM.SIZE > end) throw fault(item, 'a directory entry is cut off');
    checkLocation(item, at);
    const entryType = view.getUint8(at + DIR_ITEM.type);
    checkEntryType(item, entryType);
    const nameLen = view.getUint16(at + DIR_ITEM.nameLen, true);
    const dataLen = view.getUint16(at + DIR_ITEM.dataLen, true);
    checkNameLength(item, nameLen);
    if (dataLen !== 0 && type !== XATTR_ITEM_KEY) throw fault(item, `entry with ${dataLen} bytes of data`);
    const nameAt = at + DIR_ITEM.SIZE;
    at = nameAt + nameLen + dataLen;
    if (at > end) throw fault(item, 'a name or value runs past the item');
    if (type !== DIR_INDEX_KEY) checkNameHash(item, nameAt, nameLen);
    else if (at !== end) throw fault(item, 'an index entry holds more than one name');
  } while (at < end);
}

function checkNameHash(item: CheckedItem, nameAt: number, nameLen: number): void {
  const hash = nameHash(bytesAt(item.view, nameAt, nameLen));
  const at = item.keyAt + KEY.offset;
  if (item.view.getUint32(at, true) !== hash || item.view.getUint32(at + 4, true) !== 0) {
    throw fault(item, `a name's hash is ${hash}, not the key offset`);
  }
}

function checkEntryType(item: CheckedItem, stored: number): void {
  if (item.type === XATTR_ITEM_KEY) {
    if (stored !== FT_XATTR) throw fault(item, `attribute of type ${stored}`);
    return;
  }
  const type = item.context.encrypted ? stored & ~FT_ENCRYPTED : stored;
  if (type <= FT_UNKNOWN || type >= FT_MAX || type === FT_XATTR) throw fault(item, `entry of type ${stored}`);
}

function checkLocation(item: CheckedItem, at: number): void {
  const { view } = item;
  const locationType = view.getUint8(at + KEY.type);
  const objectid = readId(view, at);
  const offsetAt = at + KEY.offset;
  const offsetZero = view.getUint32(offsetAt, true) === 0 && view.getUint32(offsetAt + 4, true) === 0;
  if (item.type === XATTR_ITEM_KEY) {
    if (objectid !== 0 || locationType !== 0 || !offsetZero) throw fault(item, 'attribute with a location');
  } else if (locationType === ROOT_ITEM_KEY) {
    if (!isSubvolumeTree(objectid)) throw fault(item, `entry names tree ${objectid}, no subvolume`);
  } else if (locationType !== INODE_ITEM_KEY) {
    throw fault(item, `entry with a location of type ${locationType}`);
  } else if (!isInodeNumber(objectid) || !offsetZero) {
    throw fault(item, `entry names ${objectid}, no inode`);
  }
}

export function checkFileExtent(item: CheckedItem): void {
  checkFollowsInode(item);
  const fileOffset = alignedKeyOffset(item);
  checkMinimumSize(item, FILE_EXTENT.inlineData);
  const { view, at } = item;
  const type = view.getUint8(at + FILE_EXTENT.type);
  if (type > FILE_EXTENT_PREALLOC) throw fault(item, `extent of type ${type}`);
  const compression = view.getUint8(at + FILE_EXTENT.compression);
  if (compression > COMPRESS_ZSTD) throw fault(item, `unknown compression ${compression}`);
  const encryption = view.getUint8(at + FILE_EXTENT.encryption);
  if (encryption > (item.context.encrypted ? ENCRYPTION_FSCRYPT : 0))
    throw fault(item, `unknown encryption ${encryption}`);
  const ramBytes = quantity(item, at + FILE_EXTENT.ramBytes, 'ram bytes');
  if (compression !== COMPRESS_NONE && ramBytes > MAX_COMPRESSED_EXTENT) {
    throw fault(item, `compressed extent of ${ramBytes} bytes, at most ${MAX_COMPRESSED_EXTENT}`);
  }
  if (type === FILE_EXTENT_INLINE) {
    if (fileOffset !== 0) throw fault(item, 'inline extent that does not begin the file');
    if (compression === COMPRESS_NONE) checkSize(item, FILE_EXTENT.inlineData + ramBytes);
    return;
  }
  checkContextForm(item, encryption);
  checkExtentRange(item, compression);
  checkNoOverlap(item, fileOffset);
}

/** A regular extent is 53 bytes, or these and a context of a known form when it is encrypted. */
function checkContextForm(item: CheckedItem, encryption: number): void {
  if (item.size === FILE_EXTENT.SIZE) return;
  if (encryption === 0) checkSize(item, FILE_EXTENT.SIZE);
  const wanted = trailingSizeField(item.size - FILE_EXTENT.SIZE - TRAILING_CONTEXT.SIZE);
  if (wanted === undefined) throw fault(item, `encrypted extent of ${item.size} bytes is of no known form`);
  const sizeField = item.view.getUint32(item.at + FILE_EXTENT.SIZE, true);
  if (sizeField !== wanted) throw fault(item, `context size ${sizeField}, wanted ${wanted}`);
}

function checkExtentRange(item: CheckedItem, compression: number): void {
  const { at } = item;
  const ramBytes = aligned(item, at + FILE_EXTENT.ramBytes, 'ram bytes');
  const diskBytenr = aligned(item, at + FILE_EXTENT.diskBytenr, 'disk address');
  const diskNumBytes = aligned(item, at + FILE_EXTENT.diskNumBytes, 'disk length');
  const offset = aligned(item, at + FILE_EXTENT.offset, 'extent offset');
  const numBytes = aligned(item, at + FILE_EXTENT.numBytes, 'length');
  if (numBytes === 0) throw fault(item, 'extent that covers no bytes');
  if (diskBytenr === 0) return;
  const whole = compression === COMPRESS_NONE ? diskNumBytes : ramBytes;
  if (offset + numBytes > whole) throw fault(item, `bytes ${offset} to ${offset + numBytes} of an extent of ${whole}`);
}

function checkNoOverlap(item: CheckedItem, fileOffset: number): void {
  const end = fileOffset + quantity(item, item.at + FILE_EXTENT.numBytes, 'length');
  if (!Number.isSafeInteger(end)) throw fault(item, 'extent beyond the largest file');
  if (item.previousType !== EXTENT_DATA_KEY || !followsSameObject(item)) return;
  const { view, previousAt, context } = item;
  const inline = view.getUint8(previousAt + FILE_EXTENT.type) === FILE_EXTENT_INLINE;
  const lengthAt = previousAt + (inline ? FILE_EXTENT.ramBytes : FILE_EXTENT.numBytes);
  const length = roundUp(quantity(item, lengthAt, 'previous length'), context.sectorsize);
  const previousEnd = quantity(item, item.previousKeyAt + KEY.offset, 'previous key offset') + length;
  if (previousEnd > fileOffset) throw fault(item, `the extent before it reaches ${previousEnd}`);
}

/** Contexts of v1 policies pass: the policy is what is refused, in words of its own. */
export function checkInodeContext(item: CheckedItem): void {
  if (!hasKeyOffsetZero(item)) throw fault(item, 'the key offset of an inode context is 0');
  if (item.size !== INODE_CONTEXT_V1_SIZE) checkSize(item, INODE_CONTEXT_SIZE);
}

export function checkExtentContext(item: CheckedItem): void {
  checkFollowsInode(item);
  alignedKeyOffset(item);
  checkMinimumSize(item, EXTENT_CONTEXT_SIZE);
  if (item.size > MAX_EXTENT_CONTEXT_SIZE) throw fault(item, `context of ${item.size} bytes`);
}
