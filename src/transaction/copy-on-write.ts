/**
 * Copying tree blocks into the running transaction, with the back references that demands.
 *
 * The rules follow the kernel's: a block that only this tree uses moves its references to the
 * copy; a block that others use too keeps them as full (shared) references if this tree wrote it,
 * and the copy gets references of its own otherwise.
 *
 * @see linux fs/btrfs/ctree.c update_ref_for_cow, btrfs_block_can_be_shared; docs/DESIGN.md
 */
import { invariant, writeId, writeU53 } from '../bytes/index.js';
import {
  BLOCK_FLAG_FULL_BACKREF,
  HEADER,
  HEADER_FLAG_RELOC,
  HEADER_FLAG_WRITTEN,
  HEADER_MIXED_BACKREF_REV,
  type Key,
  TREE_BLOCK_REF_KEY,
} from '../format/index.js';
import { type Tree, TreeBlock } from '../tree/index.js';
import type { BlockCache } from './block-cache.js';
import { changeContents } from './block-contents.js';
import type { References } from './references/references.js';
import { RootedTree, SubvolumeTree } from './rooted-tree.js';
import type { Space } from './space/space.js';

/** What the header of every block of a transaction says. */
export interface BlockOrigin {
  readonly transid: number;
  readonly nodesize: number;
  readonly fsid: Uint8Array;
  readonly chunkTreeUuid: Uint8Array;
}

/** What copying needs of the transaction around it. */
export interface CopyHost extends BlockOrigin {
  readonly space: Space;
  readonly references: References;
  readonly blocks: BlockCache;
  isChunkTree(tree: Tree): boolean;
}

/** A new empty block of `tree`, referenced by it. */
export function allocateBlock(host: CopyHost, tree: Tree, level: number, firstKey: Key): TreeBlock {
  if (tree instanceof RootedTree) countBytes(tree, host.nodesize);
  return newBlock(host, tree.id, host.isChunkTree(tree), level, firstKey);
}

/** Gives up a block of the running transaction that left the tree. */
export function freeBlock(host: CopyHost, tree: Tree, block: TreeBlock): void {
  invariant(block.dirty, 'only blocks of the running transaction leave a tree');
  if (tree instanceof RootedTree) countBytes(tree, -host.nodesize);
  dropOwnReference(host, tree, block);
}

/** A damaged volume may have counted anything: the count stays within what can be stored. */
function countBytes({ rootItem }: RootedTree, by: number): void {
  rootItem.bytesUsed = Math.min(Math.max(0, rootItem.bytesUsed + by), Number.MAX_SAFE_INTEGER);
}

/** The block itself if it may be changed in place, else a copy that takes its place. */
export function copyOnWrite(host: CopyHost, tree: Tree, block: TreeBlock): TreeBlock {
  if (block.dirty) return block;
  const copy = copyBlock(host, tree, block, tree.id);
  moveReferences(host, tree, block, copy);
  return copy;
}

/**
 * A second copy of a tree's root block for a snapshot, owned by tree `id`, with references of that
 * tree for everything in it. @see linux fs/btrfs/ctree.c btrfs_copy_root
 */
export function copyRootFor(host: CopyHost, source: Tree, id: number): TreeBlock {
  const copy = copyBlock(host, source, source.readRoot(), id);
  changeContents(host.references, copy, { root: id }, 1);
  return copy;
}

function copyBlock(host: CopyHost, tree: Tree, block: TreeBlock, owner: number): TreeBlock {
  const firstKey = block.key(0);
  const copy = newBlock(host, owner, host.isChunkTree(tree), block.level, firstKey);
  copy.bytes.set(block.bytes.subarray(HEADER.nritems), HEADER.nritems);
  return copy;
}

function newBlock(host: CopyHost, owner: number, system: boolean, level: number, firstKey: Key): TreeBlock {
  const { nodesize } = host;
  const bytenr = host.space.allocate(system ? 'system' : 'metadata', nodesize, nodesize);
  const block = emptyBlock(host, bytenr, owner, level);
  host.blocks.addDirty(block);
  host.references.addNewBlock(bytenr, level, firstKey, { type: TREE_BLOCK_REF_KEY, root: owner });
  return block;
}

/** A dirty block of the running transaction with nothing in it. */
export function emptyBlock(host: BlockOrigin, bytenr: number, owner: number, level: number): TreeBlock {
  const block = new TreeBlock(new Uint8Array(host.nodesize), true);
  block.bytes.set(host.fsid, HEADER.fsid);
  block.bytes.set(host.chunkTreeUuid, HEADER.chunkTreeUuid);
  writeU53(block.view, HEADER.bytenr, bytenr);
  writeU53(block.view, HEADER.generation, host.transid);
  writeId(block.view, HEADER.owner, owner);
  block.view.setUint8(HEADER.level, level);
  block.flags = HEADER_FLAG_WRITTEN | HEADER_MIXED_BACKREF_REV;
  return block;
}

function moveReferences(host: CopyHost, tree: Tree, block: TreeBlock, copy: TreeBlock): void {
  const { references, nodesize } = host;
  if (canBeShared(tree, block)) {
    const { refs, flags } = references.use(block.bytenr, nodesize, block.level);
    const full = (flags & BLOCK_FLAG_FULL_BACKREF) !== 0n;
    if (refs > 1 && block.owner === tree.id && !full) {
      changeContents(references, block, 'block', 1);
      references.setFlags(block.bytenr, block.level, BLOCK_FLAG_FULL_BACKREF);
    } else if (refs > 1) {
      changeContents(references, copy, { root: tree.id }, 1);
    } else if (full) {
      changeContents(references, copy, { root: tree.id }, 1);
      changeContents(references, block, 'block', -1);
    }
  }
  dropOwnReference(host, tree, block);
}

function dropOwnReference(host: CopyHost, tree: Tree, block: TreeBlock): void {
  host.references.changeBlock(block.bytenr, block.level, { type: TREE_BLOCK_REF_KEY, root: tree.id }, -1);
  if (!block.dirty) return;
  host.blocks.dropDirty(block);
  host.references.discardIfUnused(block.bytenr);
}

/** Root blocks never are: a snapshot gets its own copy. */
function canBeShared(tree: Tree, block: TreeBlock): boolean {
  if (!(tree instanceof SubvolumeTree) || block.bytenr === tree.root.bytenr) return false;
  return block.generation <= tree.rootItem.lastSnapshot || (block.flags & HEADER_FLAG_RELOC) !== 0n;
}
