/** The log that another life of the volume left: read through the transaction, over the last commit. */
import { corrupt, invariant } from '../../bytes/index.js';
import { decodeRootItem, Key, ROOT_ITEM_KEY, TREE_LOG_OBJECTID } from '../../format/index.js';
import { type BlockPointer, Tree } from '../../tree/index.js';
import type { Transaction } from '../transaction.js';

/** More blocks than this are taken for damage. */
const MAX_BLOCKS = 4096;

export class WaitingLog {
  /** The tree of each subvolume that is in the log. */
  readonly subvolumes: readonly { readonly id: number; readonly tree: Tree }[];
  private readonly transaction: Transaction;
  private readonly blocks: number[] = [];

  /** Reads where everything is. @throws FsError EUCLEAN, EIO */
  constructor(transaction: Transaction) {
    this.transaction = transaction;
    const { logRoot, logRootLevel, generation } = transaction.volume.superblock;
    const roots = this.open({ bytenr: logRoot, level: logRootLevel, generation: generation + 1 });
    const subvolumes: { id: number; tree: Tree }[] = [];
    const cursor = roots.seek(new Key(TREE_LOG_OBJECTID, ROOT_ITEM_KEY, 0));
    for (; cursor.isItemOf(TREE_LOG_OBJECTID, ROOT_ITEM_KEY); cursor.next()) {
      const root = decodeRootItem(cursor.view, cursor.at, cursor.size);
      subvolumes.push({ id: cursor.keyOffset, tree: this.open(root) });
    }
    this.subvolumes = subvolumes;
  }

  /**
   * Lets changes be made that replay the log: all of them in this transaction, whose commit ends it.
   * Until then a power cut leads back here, so the blocks are taken out of free space.
   *
   * @throws FsError EUCLEAN if one of them is in use
   */
  beginReplay(): void {
    const { space, nodesize, volume } = this.transaction;
    invariant(this.transaction.waitsForReplay, 'nothing but the log keeps the volume from being written');
    volume.readOnlyReasons.length = 0;
    for (const bytenr of this.blocks) {
      if (!space.isFree(bytenr, nodesize)) throw corrupt(`block ${bytenr} of the log`, 'is in use by a tree');
      space.takeRange(bytenr, nodesize);
      space.pin(bytenr, nodesize);
    }
  }

  /** Takes an extent that the log names out of free space; it needs its first reference then. */
  adopt(bytenr: number, length: number): void {
    this.transaction.space.takeRange(bytenr, length);
    this.transaction.references.addNewData(bytenr, length);
  }

  private open({ bytenr, generation, level }: BlockPointer): Tree {
    const tree = new Tree(this.transaction, TREE_LOG_OBJECTID, { bytenr, generation, level });
    this.collect(tree, tree.root);
    return tree;
  }

  private collect(tree: Tree, pointer: BlockPointer): void {
    this.blocks.push(pointer.bytenr);
    if (this.blocks.length > MAX_BLOCKS) throw corrupt('the log', `has more than ${MAX_BLOCKS} blocks`);
    const block = this.transaction.readBlock(tree, pointer);
    if (block.isLeaf) return;
    for (let slot = 0; slot < block.count; slot++) this.collect(tree, block.childPointer(slot));
  }
}
