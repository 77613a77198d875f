/**
 * Validity of tree blocks, checked once when a block is read and again before it is written.
 *
 * A block that passes can be decoded anywhere without leaving its bytes: keys ascend, items are
 * packed without holes, and every item of a known type keeps its own rules. Items of unknown type
 * pass. Whether the block is the one wanted (address, volume, owner, level) is its reader's to see.
 */
import { corrupt, readId, readU53 } from '../bytes/index.js';
import { HEADER, ITEM, KEY_PTR, leafDataSize, maxKeyPtrs } from './block-header.js';
import { checkChecksumItem, checkExtentItem, checkKeyedRef } from './check-extent-items.js';
import {
  checkDirItems,
  checkExtentContext,
  checkFileExtent,
  checkInodeContext,
  checkInodeItem,
  checkInodeRefs,
} from './check-file-items.js';
import {
  checkBlockGroupItem,
  checkChunkItem,
  checkDevExtent,
  checkDevItem,
  checkFreeSpaceItem,
  checkRootItem,
  checkRootRef,
  checkUuidItem,
} from './check-volume-items.js';
import { type CheckContext, type CheckedItem, checkMinimumSize, fault } from './checked-item.js';
import {
  CHUNK_TREE_OBJECTID,
  DATA_RELOC_TREE_OBJECTID,
  DEV_TREE_OBJECTID,
  EXTENT_TREE_OBJECTID,
  FS_TREE_OBJECTID,
  MAX_LEVEL,
  ROOT_TREE_OBJECTID,
} from './constants.js';
import { DEV_REPLACE_ITEM } from './dev-replace-item.js';
import { compareKeysAt, KEY } from './key.js';
import * as keyType from './key-types.js';
import { DIR_LOG_ITEM } from './log-item.js';
import { QGROUP_STATUS } from './qgroup-item.js';

type Rule = (item: CheckedItem) => void;

const RULES: readonly (Rule | undefined)[] = rulesByType([
  [keyType.INODE_ITEM_KEY, checkInodeItem],
  [keyType.INODE_REF_KEY, checkInodeRefs],
  [keyType.INODE_EXTREF_KEY, checkInodeRefs],
  [keyType.XATTR_ITEM_KEY, checkDirItems],
  [keyType.FSCRYPT_INODE_CTX_KEY, checkInodeContext],
  [keyType.FSCRYPT_CTX_KEY, checkExtentContext],
  [keyType.DIR_LOG_ITEM_KEY, (item) => checkMinimumSize(item, DIR_LOG_ITEM.SIZE)],
  [keyType.DIR_LOG_INDEX_KEY, (item) => checkMinimumSize(item, DIR_LOG_ITEM.SIZE)],
  [keyType.DIR_ITEM_KEY, checkDirItems],
  [keyType.DIR_INDEX_KEY, checkDirItems],
  [keyType.EXTENT_DATA_KEY, checkFileExtent],
  [keyType.EXTENT_CSUM_KEY, checkChecksumItem],
  [keyType.ROOT_ITEM_KEY, checkRootItem],
  [keyType.ROOT_BACKREF_KEY, checkRootRef],
  [keyType.ROOT_REF_KEY, checkRootRef],
  [keyType.EXTENT_ITEM_KEY, checkExtentItem],
  [keyType.METADATA_ITEM_KEY, checkExtentItem],
  [keyType.TREE_BLOCK_REF_KEY, checkKeyedRef],
  [keyType.EXTENT_DATA_REF_KEY, checkKeyedRef],
  [keyType.SHARED_BLOCK_REF_KEY, checkKeyedRef],
  [keyType.SHARED_DATA_REF_KEY, checkKeyedRef],
  [keyType.BLOCK_GROUP_ITEM_KEY, checkBlockGroupItem],
  [keyType.FREE_SPACE_INFO_KEY, checkFreeSpaceItem],
  [keyType.FREE_SPACE_EXTENT_KEY, checkFreeSpaceItem],
  [keyType.FREE_SPACE_BITMAP_KEY, checkFreeSpaceItem],
  [keyType.DEV_EXTENT_KEY, checkDevExtent],
  [keyType.DEV_ITEM_KEY, checkDevItem],
  [keyType.CHUNK_ITEM_KEY, checkChunkItem],
  [keyType.QGROUP_STATUS_KEY, (item) => checkMinimumSize(item, QGROUP_STATUS.SIZE)],
  [keyType.DEV_REPLACE_KEY, (item) => checkMinimumSize(item, DEV_REPLACE_ITEM.SIZE)],
  [keyType.UUID_KEY_SUBVOL, checkUuidItem],
  [keyType.UUID_KEY_RECEIVED_SUBVOL, checkUuidItem],
]);

function rulesByType(entries: readonly [number, Rule][]): (Rule | undefined)[] {
  const rules = new Array<Rule | undefined>(256).fill(undefined);
  for (const [type, rule] of entries) rules[type] = rule;
  return rules;
}

const NEVER_EMPTY = [
  ROOT_TREE_OBJECTID,
  EXTENT_TREE_OBJECTID,
  CHUNK_TREE_OBJECTID,
  DEV_TREE_OBJECTID,
  FS_TREE_OBJECTID,
  DATA_RELOC_TREE_OBJECTID,
];

const FLAG_WRITTEN = 1;
const FLAG_RELOC = 2;

/** Items [from, to) of a leaf. */
export interface SlotRange {
  readonly from: number;
  readonly to: number;
}

const ALL_SLOTS: SlotRange = { from: 0, to: Number.POSITIVE_INFINITY };

/**
 * Checks a whole tree block of `context.nodesize` bytes, checksum aside.
 *
 * @param changed - of a leaf that was checked before: the rules of other items are known to be kept. How items are
 *   packed and ordered is checked all the same
 * @throws FsError EUCLEAN naming block, slot and key
 */
export function checkBlock(view: DataView, context: CheckContext, changed = ALL_SLOTS): void {
  const bytenr = readU53(view, HEADER.bytenr);
  const owner = readId(view, HEADER.owner);
  const where = `block ${bytenr} of tree ${owner}`;
  const flags = view.getUint32(HEADER.flags, true);
  if ((flags & FLAG_WRITTEN) === 0) throw corrupt(where, 'is not marked as written');
  const generation = readU53(view, HEADER.generation);
  if (generation > context.superGeneration + 1) {
    throw corrupt(where, `generation ${generation} is past the volume's, ${context.superGeneration}`);
  }
  const level = view.getUint8(HEADER.level);
  if (level >= MAX_LEVEL) throw corrupt(where, `level ${level}, at most ${MAX_LEVEL - 1}`);
  const nritems = view.getUint32(HEADER.nritems, true);
  if (level > 0) {
    checkNode(view, context, where, nritems, generation);
  } else if (nritems > 0) {
    checkLeaf(view, context, nritems, bytenr, owner, changed);
  } else if ((flags & FLAG_RELOC) === 0 && (owner === 0 || NEVER_EMPTY.includes(owner))) {
    throw corrupt(where, 'is empty, which this tree never is');
  }
}

function checkNode(view: DataView, context: CheckContext, where: string, nritems: number, generation: number): void {
  const most = maxKeyPtrs(context.nodesize);
  if (nritems === 0 || nritems > most) throw corrupt(where, `node with ${nritems} children, wanted 1 to ${most}`);
  for (let slot = 0; slot < nritems; slot++) {
    const at = HEADER.SIZE + slot * KEY_PTR.SIZE;
    const blockptr = readU53(view, at + KEY_PTR.blockptr);
    if (blockptr === 0 || blockptr % context.sectorsize !== 0) {
      throw corrupt(`${where}, slot ${slot}`, `child at unlawful address ${blockptr}`);
    }
    // A block is copied together with all that is above it, so no child is newer than its parent.
    const born = readU53(view, at + KEY_PTR.generation);
    if (born > generation) throw corrupt(`${where}, slot ${slot}`, `child of generation ${born}, newer than the node`);
    if (slot > 0 && compareKeysAt(view, at - KEY_PTR.SIZE, at) >= 0) {
      throw corrupt(`${where}, slot ${slot}`, 'keys do not ascend');
    }
  }
}

function checkLeaf(
  view: DataView,
  context: CheckContext,
  nritems: number,
  bytenr: number,
  owner: number,
  changed: SlotRange,
): void {
  const dataSize = leafDataSize(context.nodesize);
  const item: CheckedItem = {
    view,
    context,
    bytenr,
    owner,
    slot: 0,
    keyAt: 0,
    type: 0,
    at: 0,
    size: 0,
    previousKeyAt: 0,
    previousType: -1,
    previousAt: 0,
    previousSize: 0,
  };
  const mostItems = Math.floor(dataSize / ITEM.SIZE);
  if (nritems > mostItems)
    throw corrupt(`leaf ${bytenr} of tree ${owner}`, `${nritems} items, at most ${mostItems} fit`);
  const slotsEnd = nritems * ITEM.SIZE;
  let dataEnd = dataSize;
  for (let slot = 0; slot < nritems; slot++) {
    const keyAt = HEADER.SIZE + slot * ITEM.SIZE;
    const offset = view.getUint32(keyAt + ITEM.offset, true);
    item.slot = slot;
    item.keyAt = keyAt;
    item.type = view.getUint8(keyAt + KEY.type);
    item.at = HEADER.SIZE + offset;
    item.size = view.getUint32(keyAt + ITEM.size, true);
    if (slot > 0 && compareKeysAt(view, item.previousKeyAt, keyAt) >= 0) throw fault(item, 'keys do not ascend');
    if (offset + item.size !== dataEnd) throw fault(item, `data ends at ${offset + item.size}, wanted ${dataEnd}`);
    if (offset < slotsEnd) throw fault(item, 'data overlaps the list of items');
    // The item behind a changed one has rules about it.
    if (slot >= changed.from && slot <= changed.to) RULES[item.type]?.(item);
    dataEnd = offset;
    item.previousKeyAt = keyAt;
    item.previousType = item.type;
    item.previousAt = item.at;
    item.previousSize = item.size;
  }
}
