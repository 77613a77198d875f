/** A position in a tree: one item, and the way to the next and the previous. */
import { invariant } from '../bytes/index.js';
import { type Key, keyObjectidAt, keyOffsetAt, keyTypeAt } from '../format/index.js';
import type { TreeBlock } from './block.js';
import type { Tree } from './tree.js';

/** Blocks and slots from the leaf (index 0) up to the root. */
export interface Path {
  readonly blocks: TreeBlock[];
  readonly slots: number[];
}

/**
 * Stands on an item, or past either end (`valid` false).
 *
 * A cursor reads the blocks it walked through, so any change of its tree makes it useless: using
 * it then is a bug of the caller and reported as such.
 */
export class Cursor {
  private readonly tree: Tree;
  private readonly path: Path;
  private readonly version: number;
  valid: boolean;

  constructor(tree: Tree, path: Path, valid: boolean) {
    this.tree = tree;
    this.path = path;
    this.version = tree.version;
    this.valid = valid;
  }

  get block(): TreeBlock {
    const leaf = this.path.blocks[0];
    invariant(leaf !== undefined && this.version === this.tree.version, 'a cursor is used after its tree changed');
    return leaf;
  }

  get slot(): number {
    return this.path.slots[0] ?? 0;
  }

  get view(): DataView {
    return this.block.view;
  }

  /** Byte offset of the item's data in {@link view}. */
  get at(): number {
    return this.block.itemAt(this.slot);
  }

  /** Bytes of item data. */
  get size(): number {
    return this.block.itemSize(this.slot);
  }

  get key(): Key {
    return this.block.key(this.slot);
  }

  get keyType(): number {
    return keyTypeAt(this.view, this.block.keyAt(this.slot));
  }

  /** @throws FsError EUCLEAN when the object id needs more than 53 bits */
  get keyObjectid(): number {
    return keyObjectidAt(this.view, this.block.keyAt(this.slot));
  }

  /** @throws FsError EUCLEAN when the offset needs more than 53 bits */
  get keyOffset(): number {
    return keyOffsetAt(this.view, this.block.keyAt(this.slot));
  }

  isItemOf(objectid: number, type: number): boolean {
    return this.valid && this.keyType === type && this.keyObjectid === objectid;
  }

  /** A copy of the item's data. */
  bytes(): Uint8Array {
    return this.block.bytes.slice(this.at, this.at + this.size);
  }

  /** Where the item lies, for messages. */
  describe(): string {
    return `tree ${this.tree.id}, leaf ${this.block.bytenr}, slot ${this.slot}, key ${this.key}`;
  }

  /** Moves to the next item. False, and no longer valid, at the end. */
  next(): boolean {
    if (this.slot + 1 < this.block.count) {
      this.path.slots[0] = this.slot + 1;
      this.valid = true;
      return true;
    }
    this.valid = this.tree.stepLeaf(this.path, 1);
    if (!this.valid) this.path.slots[0] = this.block.count;
    return this.valid;
  }

  /** Moves to the previous item. False, and no longer valid, at the beginning. */
  previous(): boolean {
    if (this.slot > 0 && this.slot <= this.block.count) {
      this.path.slots[0] = this.slot - 1;
      this.valid = true;
      return true;
    }
    this.valid = this.tree.stepLeaf(this.path, -1);
    return this.valid;
  }
}
