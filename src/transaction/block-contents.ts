/** What a tree block of a subvolume points to: its share in the references of other extents. */
import {
  decodeFileExtent,
  EXTENT_DATA_KEY,
  EXTENT_DATA_REF_KEY,
  FILE_EXTENT_INLINE,
  type InlineRef,
  keyObjectidAt,
  keyOffsetAt,
  keyTypeAt,
  SHARED_BLOCK_REF_KEY,
  SHARED_DATA_REF_KEY,
  TREE_BLOCK_REF_KEY,
} from '../format/index.js';
import type { TreeBlock } from '../tree/index.js';
import type { References } from './references/references.js';

/** Who the references belong to: the tree `root`, or the block itself (a full back reference). */
export type ContentsOwner = { readonly root: number } | 'block';

/** Adds (`by` 1) or drops (-1) one reference for everything `block` points to. */
export function changeContents(references: References, block: TreeBlock, owner: ContentsOwner, by: number): void {
  if (block.isLeaf) changeLeafContents(references, block, owner, by);
  else changeNodeContents(references, block, owner, by);
}

function changeNodeContents(references: References, node: TreeBlock, owner: ContentsOwner, by: number): void {
  const ref: InlineRef =
    owner === 'block'
      ? { type: SHARED_BLOCK_REF_KEY, parent: node.bytenr }
      : { type: TREE_BLOCK_REF_KEY, root: owner.root };
  for (let slot = 0; slot < node.count; slot++) {
    const child = node.childPointer(slot);
    references.changeBlock(child.bytenr, child.level, ref, by);
  }
}

function changeLeafContents(references: References, leaf: TreeBlock, owner: ContentsOwner, by: number): void {
  for (let slot = 0; slot < leaf.count; slot++) {
    const keyAt = leaf.keyAt(slot);
    if (keyTypeAt(leaf.view, keyAt) !== EXTENT_DATA_KEY) continue;
    const extent = decodeFileExtent(leaf.view, leaf.itemAt(slot), leaf.itemSize(slot));
    if (extent.type === FILE_EXTENT_INLINE || extent.diskBytenr === 0) continue;
    const ref: InlineRef =
      owner === 'block'
        ? { type: SHARED_DATA_REF_KEY, parent: leaf.bytenr, count: 1 }
        : {
            type: EXTENT_DATA_REF_KEY,
            root: owner.root,
            objectid: keyObjectidAt(leaf.view, keyAt),
            offset: wrappedOffset(keyOffsetAt(leaf.view, keyAt) - extent.offset),
            count: 1,
          };
    references.changeData(extent.diskBytenr, extent.diskNumBytes, ref, by);
  }
}

/** Key offset minus extent offset, modulo 2^64: below zero after a clone to an earlier place. */
export function wrappedOffset(offset: number): bigint {
  return BigInt.asUintN(64, BigInt(offset));
}
