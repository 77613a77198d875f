/**
 * Block group item: how much of one chunk's logical space is in use.
 *
 * On disk: `struct btrfs_block_group_item`. Key: (logical start, BLOCK_GROUP_ITEM, length), in
 * the extent tree or, with that feature, the block group tree.
 */
import { readId, readU53, readU64, writeId, writeU53, writeU64 } from '../bytes/index.js';

export const BLOCK_GROUP_ITEM = { used: 0, chunkObjectid: 8, flags: 16, SIZE: 24 } as const;

export interface BlockGroupItem {
  used: number; // logical bytes
  chunkObjectid: number; // FIRST_CHUNK_TREE_OBJECTID
  flags: bigint; // BLOCK_GROUP_* bits, equal to the chunk's type
}

export function decodeBlockGroupItem(view: DataView, at: number): BlockGroupItem {
  return {
    used: readU53(view, at + BLOCK_GROUP_ITEM.used),
    chunkObjectid: readId(view, at + BLOCK_GROUP_ITEM.chunkObjectid),
    flags: readU64(view, at + BLOCK_GROUP_ITEM.flags),
  };
}

export function encodeBlockGroupItem(view: DataView, at: number, item: BlockGroupItem): void {
  writeU53(view, at + BLOCK_GROUP_ITEM.used, item.used);
  writeId(view, at + BLOCK_GROUP_ITEM.chunkObjectid, item.chunkObjectid);
  writeU64(view, at + BLOCK_GROUP_ITEM.flags, item.flags);
}
