/**
 * A copy-on-write B-tree of items.
 *
 * The tree knows its root and walks down from it; it keeps no blocks but those of the last way it
 * went, since one search is often followed by another nearby. Reading goes through {@link Cursor};
 * changing (in `change.ts`) first makes every block on the way writable through the store, from the
 * root down, so that a parent always points at its child's newest copy.
 */
import { corrupt } from '../bytes/index.js';
import { compareKeysAt, type Key } from '../format/index.js';
import type { TreeBlock } from './block.js';
import { changeItem, insertItem, lengthenItem, removeItem, removeRange, replaceItem } from './change.js';
import { Cursor } from './cursor.js';
import { Path } from './path.js';
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
  /** The last way down. Dropped whenever a block of the tree is copied, split or leaves. */
  private lastPath: Path | undefined;

  constructor(store: BlockStore, id: number, root: BlockPointer) {
    this.store = store;
    this.id = id;
    this.root = root;
  }

  /** The item with exactly this key. */
  get(key: Key): Cursor | undefined {
    const path = this.descend(key);
    const { leaf } = path;
    const slot = leaf.lowerBound(key);
    return leaf.holds(slot, key) ? new Cursor(this, path, slot, true) : undefined;
  }

  /** Stands on the first item that is not below `key`. */
  seek(key: Key): Cursor {
    const path = this.descend(key);
    const { leaf } = path;
    const slot = leaf.lowerBound(key);
    const cursor = new Cursor(this, path, slot, true);
    if (slot >= leaf.count) cursor.next();
    return cursor;
  }

  /** Stands on the last item that is not above `key`. */
  seekAtOrBefore(key: Key): Cursor {
    const path = this.descend(key);
    const { leaf } = path;
    const slot = leaf.lowerBound(key);
    const cursor = new Cursor(this, path, slot, true);
    if (!leaf.holds(slot, key)) cursor.previous();
    return cursor;
  }

  /** Adds an item whose key is not there yet. @throws FsError ENOSPC, EROFS */
  insert(key: Key, data: Uint8Array): void {
    fill(insertItem(this, key, data.length), data);
  }

  /** Adds an item of `size` zero bytes, to be filled in place. Its key is not there yet. @throws FsError ENOSPC, EROFS */
  insertEmpty(key: Key, size: number): ItemPlace {
    return insertItem(this, key, size);
  }

  /** Gives an existing item new data of any size. @throws FsError ENOSPC, EROFS */
  replace(key: Key, data: Uint8Array): void {
    fill(replaceItem(this, key, data.length), data);
  }

  /** Gives an existing item `size` bytes, all of them to be written in place. @throws FsError ENOSPC, EROFS */
  resize(key: Key, size: number): ItemPlace {
    return replaceItem(this, key, size);
  }

  /** The item's data for editing in place, valid until the next change of this tree. @throws FsError ENOSPC, EROFS */
  change(key: Key): ItemPlace | undefined {
    return changeItem(this, key);
  }

  /** Appends `by` zero bytes to an existing item. @returns all of its data, in place. @throws FsError ENOSPC, EROFS */
  lengthen(key: Key, by: number): ItemPlace {
    return lengthenItem(this, key, by);
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
    this.lastPath = undefined;
    this.version++;
  }

  readRoot(): TreeBlock {
    const { root } = this;
    const known = this.store.cachedBlock(this, root.bytenr);
    const isMeant = known?.generation === root.generation && known.level === root.level;
    return known !== undefined && isMeant ? known : this.store.readBlock(this, root);
  }

  readChild(node: TreeBlock, slot: number): TreeBlock {
    if (slot >= node.count) throw corrupt(`tree ${this.id}, node ${node.bytenr}`, 'the node is empty');
    const known = this.store.cachedBlock(this, node.childBytenr(slot));
    if (known !== undefined && node.promises(slot, known)) return known;
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
    const { count } = child;
    if (count === 0) return;
    for (let above = level; above < path.height; above++) {
      const node = path.block(above);
      const next = path.slot(above) + 1;
      if (next >= node.count) continue;
      const order = compareKeysAt(child.view, child.keyAt(count - 1), node.keyAt(next), node.view);
      if (order < 0) return;
      throw corrupt(`tree ${this.id}, block ${child.bytenr}`, `reaches past ${node.key(next)}, where the next begins`);
    }
  }

  /** The path to where `key` is or would be. It is shared: fork it before changing it. */
  descend(key: Key): Path {
    const { lastPath } = this;
    if (lastPath?.leadsTo(key)) return lastPath;
    let block = this.readRoot();
    const { level: top } = block;
    const path = new Path(new Array<TreeBlock>(top + 1).fill(block), new Array<number>(top + 1).fill(0));
    for (let level = top; level > 0; level--) {
      const slot = block.childSlot(key);
      path.blocks[level] = block;
      path.slots[level] = slot;
      block = this.readChild(block, slot);
      this.checkRange(path, level, block);
    }
    path.blocks[0] = block;
    this.lastPath = path;
    return path;
  }

  /** Takes `path` as the last way down, or no way at all. */
  remember(path: Path | undefined): void {
    this.lastPath = path;
  }

  /** The path to the next leaf, or the previous one; undefined at the end. */
  besides(path: Path, direction: 1 | -1): Path | undefined {
    for (let level = 1; level < path.height; level++) {
      const slot = path.slot(level) + direction;
      if (slot < 0 || slot >= path.block(level).count) continue;
      const fork = path.fork();
      fork.slots[level] = slot;
      this.descendEdge(fork, level, direction);
      return fork;
    }
    return undefined;
  }

  private descendEdge(path: Path, from: number, direction: 1 | -1): void {
    for (let level = from; level > 0; level--) {
      const child = this.readChild(path.block(level), path.slot(level));
      this.checkRange(path, level, child);
      path.blocks[level - 1] = child;
      if (level > 1) path.slots[level - 1] = direction === 1 ? 0 : child.count - 1;
    }
  }
}

function fill({ view, at, size }: ItemPlace, data: Uint8Array): void {
  new Uint8Array(view.buffer, view.byteOffset + at, size).set(data);
}
