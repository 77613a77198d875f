/**
 * A copy-on-write B-tree of items.
 *
 * The tree knows its root and walks down from it; it keeps no blocks. Reading goes through
 * {@link Cursor}; changing (in `change.ts`) first makes every block on the way writable through the
 * store, from the root down, so that a parent always points at its child's newest copy.
 */
import { corrupt } from '../bytes/index.js';
import { compareKeysAt, type Key } from '../format/index.js';
import type { TreeBlock } from './block.js';
import { changeItem, insertItem, removeItem, removeRange, replaceItem } from './change.js';
import { Cursor, type Path } from './cursor.js';
import type { BlockPointer, BlockStore } from './store.js';

/** The data of one item, in place. Bytes [at, at + size) of `view`. */
export interface ItemPlace {
  readonly view: DataView;
  readonly at: number;
  readonly size: number;
}

export class Tree {
  readonly store: BlockStore;
  /** Tree id: 1 the root tree, 5 the top-level subvolume, 256 and up the others. */
  readonly id: number;
  root: BlockPointer;
  /** Counts changes, so that cursors can tell that they are stale. */
  version = 0;

  constructor(store: BlockStore, id: number, root: BlockPointer) {
    this.store = store;
    this.id = id;
    this.root = root;
  }

  /** The item with exactly this key. */
  get(key: Key): Cursor | undefined {
    const path = this.descend(key);
    return this.standsOn(path, key) ? new Cursor(this, path, true) : undefined;
  }

  /** Stands on the first item that is not below `key`. */
  seek(key: Key): Cursor {
    const path = this.descend(key);
    const inLeaf = (path.slots[0] ?? 0) < (path.blocks[0]?.count ?? 0);
    return new Cursor(this, path, inLeaf || this.stepLeaf(path, 1));
  }

  /** Stands on the last item that is not above `key`. */
  seekAtOrBefore(key: Key): Cursor {
    const path = this.descend(key);
    const cursor = new Cursor(this, path, true);
    if (!this.standsOn(path, key)) cursor.previous();
    return cursor;
  }

  /** Adds an item whose key is not there yet. @throws FsError ENOSPC, EROFS */
  insert(key: Key, data: Uint8Array): void {
    const place = insertItem(this, key, data.length);
    new Uint8Array(place.view.buffer, place.view.byteOffset + place.at, place.size).set(data);
  }

  /** Gives an existing item new data of any size. @throws FsError ENOSPC, EROFS */
  replace(key: Key, data: Uint8Array): void {
    const place = replaceItem(this, key, data.length);
    new Uint8Array(place.view.buffer, place.view.byteOffset + place.at, place.size).set(data);
  }

  /** The item's data for editing in place, valid until the next change of this tree. @throws FsError ENOSPC, EROFS */
  change(key: Key): ItemPlace | undefined {
    return changeItem(this, key);
  }

  /** False if there was no such item. @throws FsError ENOSPC, EROFS */
  remove(key: Key): boolean {
    return removeItem(this, key);
  }

  /** Removes the items with keys in [from, to] that share the first one's leaf; true if there were any. */
  removeRange(from: Key, to: Key): boolean {
    return removeRange(this, from, to);
  }

  /** Copies the root node into the running transaction even if nothing else changes. */
  touchRoot(): TreeBlock {
    const root = this.readRoot();
    const copy = this.store.copyOnWrite(this, root);
    if (copy !== root) this.setRoot(copy);
    return copy;
  }

  setRoot(block: TreeBlock): void {
    this.root = block.pointer;
    this.version++;
  }

  readRoot(): TreeBlock {
    return this.store.readBlock(this, this.root);
  }

  readChild(node: TreeBlock, slot: number): TreeBlock {
    if (slot >= node.count) throw corrupt(`tree ${this.id}, node ${node.bytenr}`, 'the node is empty');
    return this.store.readBlock(this, node.childPointer(slot), node.key(slot));
  }

  /**
   * Checks that the path's child below `level` ends before the next key in the nodes above begins.
   * With the check of its first key this makes ranges disjoint: in a damaged tree as in a sound
   * one a walk meets each block once, so that it ends.
   *
   * @throws FsError EUCLEAN
   */
  checkRange(path: Path, level: number, child: TreeBlock): void {
    for (let above = level; above < path.blocks.length; above++) {
      const node = path.blocks[above];
      const next = (path.slots[above] ?? 0) + 1;
      if (node === undefined || next >= node.count) continue;
      if (child.count === 0) return;
      const order = compareKeysAt(child.view, child.keyAt(child.count - 1), node.keyAt(next), node.view);
      if (order < 0) return;
      throw corrupt(`tree ${this.id}, block ${child.bytenr}`, `reaches past ${node.key(next)}, where the next begins`);
    }
  }

  /** The path to where `key` is or would be. */
  descend(key: Key): Path {
    const path: Path = { blocks: [], slots: [] };
    let block = this.readRoot();
    while (!block.isLeaf) {
      const { level } = block;
      const slot = block.childSlot(key);
      path.blocks[level] = block;
      path.slots[level] = slot;
      block = this.readChild(block, slot);
      this.checkRange(path, level, block);
    }
    path.blocks[0] = block;
    path.slots[0] = block.lowerBound(key);
    return path;
  }

  /** Moves `path` to the first item of the next leaf, or the last of the previous one. */
  stepLeaf(path: Path, direction: 1 | -1): boolean {
    for (let level = 1; level < path.blocks.length; level++) {
      const node = path.blocks[level];
      const slot = (path.slots[level] ?? 0) + direction;
      if (node === undefined || slot < 0 || slot >= node.count) continue;
      path.slots[level] = slot;
      this.descendEdge(path, level, direction);
      return (path.blocks[0]?.count ?? 0) > 0;
    }
    return false;
  }

  private descendEdge(path: Path, from: number, direction: 1 | -1): void {
    for (let level = from; level > 0; level--) {
      const node = path.blocks[level];
      if (node === undefined) return;
      const child = this.readChild(node, path.slots[level] ?? 0);
      this.checkRange(path, level, child);
      path.blocks[level - 1] = child;
      path.slots[level - 1] = direction === 1 ? 0 : child.count - 1;
    }
  }

  private standsOn(path: Path, key: Key): boolean {
    const leaf = path.blocks[0];
    const slot = path.slots[0] ?? 0;
    return leaf !== undefined && slot < leaf.count && leaf.compareKey(slot, key) === 0;
  }
}
