/** A position in a tree: one item, and the way to the next and the previous. */
import { invariant } from '../bytes/index.js';
import { type Key, keyObjectidAt, keyOffsetAt, keyTypeAt } from '../format/index.js';
import type { TreeBlock } from './block.js';
import type { Path } from './path.js';
import type { Tree } from './tree.js';

/**
 * Stands on an item, or past either end (`valid` false).
 *
 * A cursor reads the blocks it walked through, so any change of its tree makes it useless: using
 * it then is a bug of the caller and reported as such.
 */
export class Cursor {
  valid: boolean;
  private readonly tree: Tree;
  private path: Path;
  private leaf: TreeBlock;
  private place: number;
  private readonly version: number;

  constructor(tree: Tree, path: Path, slot: number, valid: boolean) {
    this.tree = tree;
    this.path = path;
    this.leaf = path.leaf;
    this.place = slot;
    this.version = tree.version;
    this.valid = valid;
  }

  get block(): TreeBlock {
    invariant(this.version === this.tree.version, 'a cursor is used after its tree changed');
    return this.leaf;
  }

  get slot(): number {
    return this.place;
  }

  get view(): DataView {
    return this.block.view;
  }

  /** Byte offset of the item's data in {@link view}. */
  get at(): number {
    return this.block.itemAt(this.place);
  }

  /** Bytes of item data. */
  get size(): number {
    return this.block.itemSize(this.place);
  }

  get key(): Key {
    return this.block.key(this.place);
  }

  get keyType(): number {
    return keyTypeAt(this.view, this.block.keyAt(this.place));
  }

  /** @throws FsError EUCLEAN when the object id needs more than 53 bits */
  get keyObjectid(): number {
    return keyObjectidAt(this.view, this.block.keyAt(this.place));
  }

  /** @throws FsError EUCLEAN when the offset needs more than 53 bits */
  get keyOffset(): number {
    return keyOffsetAt(this.view, this.block.keyAt(this.place));
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
    return `tree ${this.tree.id}, leaf ${this.block.bytenr}, slot ${this.place}, key ${this.key}`;
  }

  /** Moves to the next item. False, and no longer valid, at the end. */
  next(): boolean {
    if (this.place + 1 < this.block.count) {
      this.place += 1;
      this.valid = true;
      return true;
    }
    this.valid = this.stepLeaf(1);
    this.place = this.valid ? 0 : this.leaf.count;
    return this.valid;
  }

  /** Moves to the previous item. False, and no longer valid, at the beginning. */
  previous(): boolean {
    if (this.place > 0 && this.place <= this.block.count) {
      this.place -= 1;
      this.valid = true;
      return true;
    }
    this.valid = this.stepLeaf(-1);
    if (this.valid) this.place = this.leaf.count - 1;
    return this.valid;
  }

  private stepLeaf(direction: 1 | -1): boolean {
    const path = this.tree.besides(this.path, direction);
    if (path === undefined) return false;
    this.path = path;
    this.leaf = path.leaf;
    return this.leaf.count > 0;
  }
}
