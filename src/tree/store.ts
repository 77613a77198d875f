/**
 * The port between a tree and whatever keeps its blocks.
 *
 * btrfs has one true cycle: copy-on-write needs space, and accounting for space needs
 * copy-on-write. It is cut here: a tree only asks for blocks; `transaction/` finds the space and
 * queues the references.
 */
import type { Key } from '../format/index.js';
import type { TreeBlock } from './block.js';
import type { Tree } from './tree.js';

/** What a parent (or a root item, or the superblock) says of a block. */
export interface BlockPointer {
  /** Logical address in bytes. */
  readonly bytenr: number;
  readonly generation: number;
  readonly level: number;
}

export interface BlockStore {
  /** Bytes per block. */
  readonly nodesize: number;

  /** A block in memory that may be one of the tree's; whether it is the one meant is for the caller to see. */
  cachedBlock(tree: Tree, bytenr: number): TreeBlock | undefined;

  /**
   * Reads and verifies a block: checksum, structure, and that it is the block its parent promised.
   *
   * @param firstKey - the key its parent has for it
   * @throws FsError EIO if no copy has a right checksum, EUCLEAN if the content breaks a rule
   */
  readBlock(tree: Tree, pointer: BlockPointer, firstKey?: Key): TreeBlock;

  /** A new empty block of `tree`, dirty. @throws FsError ENOSPC, EROFS */
  allocateBlock(tree: Tree, level: number, firstKey: Key): TreeBlock;

  /** The block itself if it may be changed in place, else its copy. @throws FsError ENOSPC, EROFS */
  copyOnWrite(tree: Tree, block: TreeBlock): TreeBlock;

  /** Gives up a dirty block that left the tree. */
  freeBlock(tree: Tree, block: TreeBlock): void;

  /** Called before the first change of an operation reaches a block. @throws FsError EROFS */
  assertWritable(): void;
}
