/** The way from a tree's root down to a leaf. */
import { invariant } from '../bytes/index.js';
import type { Key } from '../format/index.js';
import type { TreeBlock } from './block.js';

export class Path {
  /** By level: the leaf first, the root last. */
  readonly blocks: TreeBlock[];
  /** By level: which child of the node leads on. That of the leaf is for whoever changes the tree. */
  readonly slots: number[];

  constructor(blocks: TreeBlock[], slots: number[]) {
    this.blocks = blocks;
    this.slots = slots;
  }

  get leaf(): TreeBlock {
    return this.block(0);
  }

  /** How many levels the tree has. */
  get height(): number {
    return this.blocks.length;
  }

  block(level: number): TreeBlock {
    const block = this.blocks[level];
    invariant(block !== undefined, 'a path reaches from leaf to root');
    return block;
  }

  slot(level: number): number {
    return this.slots[level] ?? 0;
  }

  /** A copy, for whoever goes another way from here. */
  fork(): Path {
    return new Path(this.blocks.slice(), this.slots.slice());
  }

  /** Whether a search for `key` goes this way. False also when it only may. */
  leadsTo(key: Key): boolean {
    const { blocks, leaf } = this;
    const { count } = leaf;
    if (count === 0) return blocks.length === 1;
    if (leaf.compareKey(0, key) > 0) return false;
    if (leaf.compareKey(count - 1, key) >= 0) return true;
    for (let level = 1; level < blocks.length; level++) {
      const node = this.block(level);
      const next = this.slot(level) + 1;
      if (next < node.count) return node.compareKey(next, key) > 0;
    }
    return true;
  }
}
