/** Items that say how space is used as lines. */
import * as format from '../../format/index.js';
import { extentFlagText, groupFlagText } from './flag-text.js';
import type { PrintedItem } from './item-fields.js';
import { keyText, objectText } from './key-text.js';

const { BLOCK_GROUP_ITEM, FREE_SPACE_INFO } = format;

export function extentItemLines({ view, at, size, key }: PrintedItem): string[] {
  const skinny = key.type === format.METADATA_ITEM_KEY;
  const item = format.decodeExtentItem(view, at, size, skinny);
  const lines = [`refs ${item.refs} gen ${item.generation} flags ${extentFlagText(item.flags)}`];
  if (skinny) lines.push(`tree block skinny level ${Number(key.offsetU64)}`);
  if (item.treeBlockInfo !== undefined) {
    lines.push(`tree block ${keyText(item.treeBlockInfo.key)} level ${item.treeBlockInfo.level}`);
  }
  return [...lines, ...item.inlineRefs.map(inlineRefLine)];
}

function inlineRefLine(ref: format.InlineRef): string {
  switch (ref.type) {
    case format.TREE_BLOCK_REF_KEY:
      return `tree block backref root ${treeText(ref.root)}`;
    case format.SHARED_BLOCK_REF_KEY:
      return `shared block backref parent ${ref.parent}`;
    case format.EXTENT_DATA_REF_KEY:
      return dataRefLine(ref);
    case format.SHARED_DATA_REF_KEY:
      return `shared data backref parent ${ref.parent} count ${ref.count}`;
    default:
      return `extent owner root ${treeText(ref.root)}`;
  }
}

function dataRefLine(ref: format.ExtentDataRef): string {
  const inode = BigInt.asUintN(64, BigInt(ref.objectid));
  return `extent data backref root ${treeText(ref.root)} objectid ${inode} offset ${ref.offset} count ${ref.count}`;
}

/** References that are items of their own; their key says the rest. */
export function keyedRefLines({ view, at, fields, key }: PrintedItem): string[] {
  switch (key.type) {
    case format.TREE_BLOCK_REF_KEY:
      return ['tree block backref'];
    case format.SHARED_BLOCK_REF_KEY:
      return ['shared block backref'];
    case format.SHARED_DATA_REF_KEY:
      return [`shared data backref count ${fields.u32(format.SHARED_DATA_REF.count)}`];
    default:
      fields.bytes(0, format.EXTENT_DATA_REF.SIZE);
      return [dataRefLine(format.decodeExtentDataRef(view, at))];
  }
}

export function checksumLines({ size, key, sectorsize, csumSize }: PrintedItem): string[] {
  const length = Math.floor(size / csumSize) * sectorsize;
  return [`range start ${key.offsetU64} end ${key.offsetU64 + BigInt(length)} length ${length}`];
}

export function blockGroupLines({ fields }: PrintedItem): string[] {
  const used = fields.u64(BLOCK_GROUP_ITEM.used);
  const chunk = fields.u64(BLOCK_GROUP_ITEM.chunkObjectid);
  const flags = groupFlagText(fields.u64(BLOCK_GROUP_ITEM.flags));
  return [`block group used ${used} chunk_objectid ${chunk} flags ${flags}`];
}

export function freeSpaceInfoLines({ fields }: PrintedItem): string[] {
  const count = fields.u32(FREE_SPACE_INFO.extentCount);
  return [`free space info extent count ${count} flags ${fields.u32(FREE_SPACE_INFO.flags)}`];
}

/** Header of a block group's old free-space cache: `struct btrfs_free_space_header`. */
const FREE_SPACE_HEADER = { location: 0, generation: 17, entries: 25, bitmaps: 33 } as const;

export function freeSpaceHeaderLines({ fields }: PrintedItem): string[] {
  const generation = fields.u64(FREE_SPACE_HEADER.generation);
  const entries = fields.u64(FREE_SPACE_HEADER.entries);
  const bitmaps = fields.u64(FREE_SPACE_HEADER.bitmaps);
  return [
    `location ${fields.key(FREE_SPACE_HEADER.location)}`,
    `cache generation ${generation} entries ${entries} bitmaps ${bitmaps}`,
  ];
}

function treeText(id: number): string {
  return objectText(BigInt.asUintN(64, BigInt(id)));
}
