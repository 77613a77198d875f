/**
 * Taking a deleted subvolume's tree apart, in steps that fit a transaction each.
 *
 * The tree is walked in key order. A block that only this tree uses gives up what it points to and
 * is freed after its last child. A block that others use too loses one reference and is not
 * entered; but what this tree once wrote and referenced in its own name must first be referenced
 * by the blocks themselves, because the name goes away.
 *
 * Between steps the root item says where to go on: the key of the next child at `dropLevel`.
 *
 * @see linux fs/btrfs/extent-tree.c btrfs_drop_snapshot; rules in docs/DESIGN.md
 */
import { corrupt } from '../bytes/index.js';
import { BLOCK_FLAG_FULL_BACKREF, Key, SHARED_BLOCK_REF_KEY, TREE_BLOCK_REF_KEY } from '../format/index.js';
import type { BlockPointer, TreeBlock } from '../tree/index.js';
import { changeContents } from './block-contents.js';
import type { SubvolumeTree } from './rooted-tree.js';
import type { Transaction } from './transaction.js';

/** One level of the walk: a node only this tree uses, and the child to look at next. */
interface Visit {
  readonly block: TreeBlock;
  readonly fullBackref: boolean;
  slot: number;
}

export class TreeDrop {
  private readonly transaction: Transaction;
  private readonly tree: SubvolumeTree;
  /** From the root down. */
  private readonly visits: Visit[] = [];
  private begun = false;
  private finished = false;

  constructor(transaction: Transaction, tree: SubvolumeTree) {
    this.transaction = transaction;
    this.tree = tree;
  }

  /**
   * Goes on until about `references` references were changed, and records how far it came.
   *
   * @returns true when nothing of the tree is left
   */
  step(references: number): boolean {
    const limit = this.transaction.references.pendingCount + references;
    if (!this.begun) this.begin();
    while (!this.finished && this.transaction.references.pendingCount < limit) this.visitNext();
    this.recordProgress();
    return this.finished;
  }

  /** Enters the root, and below it the path to where an earlier step stopped. */
  private begin(): void {
    const { rootItem } = this.tree;
    this.begun = true;
    this.enter(this.tree.root, undefined);
    const { dropProgress, dropLevel } = rootItem;
    if (dropProgress.equals(new Key(0, 0, 0)) || this.finished) return;
    for (;;) {
      const visit = this.visits.at(-1);
      if (visit === undefined || visit.block.level < dropLevel) throw this.damaged('its drop progress leads nowhere');
      visit.slot = visit.block.childSlot(dropProgress);
      if (visit.block.level === dropLevel) return;
      const before = this.visits.length;
      this.enter(visit.block.childPointer(visit.slot++), visit);
      if (this.visits.length === before) throw this.damaged('its drop progress leads into a shared block');
    }
  }

  private visitNext(): void {
    const visit = this.visits.at(-1);
    if (visit === undefined) {
      this.finished = true;
      return;
    }
    if (visit.slot < visit.block.count) {
      const child = visit.block.childPointer(visit.slot);
      visit.slot++;
      this.enter(child, visit);
      return;
    }
    this.visits.pop();
    this.dropReference(visit.block.pointer, this.visits.at(-1));
  }

  /** Deals with a child: a shared block or a leaf at once, another node by descending into it. */
  private enter(pointer: BlockPointer, parent: Visit | undefined): void {
    const { references, nodesize } = this.transaction;
    const { refs, flags } = references.use(pointer.bytenr, nodesize, pointer.level);
    if (refs < 1) throw this.damaged(`block ${pointer.bytenr} is in it more often than recorded`);
    if (refs > 1) {
      if (this.mayBeOwn(pointer)) this.shareContents(pointer);
      this.dropReference(pointer, parent);
      return;
    }
    const block = this.transaction.readBlock(this.tree, pointer);
    const fullBackref = (flags & BLOCK_FLAG_FULL_BACKREF) !== 0n;
    if (!block.isLeaf) {
      this.visits.push({ block, fullBackref, slot: 0 });
      return;
    }
    changeContents(references, block, fullBackref ? 'block' : { root: this.tree.id }, -1);
    this.dropReference(pointer, parent);
  }

  /** Blocks older than the snapshot were written by the tree it was taken from. */
  private mayBeOwn(pointer: BlockPointer): boolean {
    const bornAt = this.tree.rootKey.offset;
    return pointer.generation > bornAt;
  }

  /** Turns the references that this tree's blocks below `pointer` hold in its name into the blocks' own. */
  private shareContents(pointer: BlockPointer): void {
    const { references, nodesize } = this.transaction;
    const block = this.transaction.readBlock(this.tree, pointer);
    if (block.owner !== this.tree.id) return;
    const { flags } = references.use(pointer.bytenr, nodesize, pointer.level);
    if ((flags & BLOCK_FLAG_FULL_BACKREF) === 0n) {
      changeContents(references, block, 'block', 1);
      changeContents(references, block, { root: this.tree.id }, -1);
      references.setFlags(pointer.bytenr, pointer.level, BLOCK_FLAG_FULL_BACKREF);
    }
    if (block.isLeaf) return;
    for (let slot = 0; slot < block.count; slot++) {
      const child = block.childPointer(slot);
      if (this.mayBeOwn(child)) this.shareContents(child);
    }
  }

  private dropReference(pointer: BlockPointer, parent: Visit | undefined): void {
    const ref = parent?.fullBackref
      ? ({ type: SHARED_BLOCK_REF_KEY, parent: parent.block.bytenr } as const)
      : ({ type: TREE_BLOCK_REF_KEY, root: this.tree.id } as const);
    this.transaction.references.changeBlock(pointer.bytenr, pointer.level, ref, -1);
  }

  private recordProgress(): void {
    let visit = this.visits.at(-1);
    while (visit !== undefined && visit.slot >= visit.block.count) {
      this.visits.pop();
      this.dropReference(visit.block.pointer, this.visits.at(-1));
      visit = this.visits.at(-1);
    }
    if (visit === undefined) {
      this.finished = true;
      return;
    }
    this.tree.rootItem.dropProgress = visit.block.key(visit.slot);
    this.tree.rootItem.dropLevel = visit.block.level;
    this.tree.rootItemChanged = true;
  }

  private damaged(what: string): Error {
    return corrupt(`root item of subvolume ${this.tree.id}`, what);
  }
}
