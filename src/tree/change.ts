/**
 * Changing a tree: inserting, resizing and removing items, splitting and merging blocks.
 *
 * Every function first copies the path from the root down into the running transaction; what it
 * then changes is dirty by construction. Two rules hold throughout: a parent's key for a child is
 * exactly the child's first key, and no block but a root leaf is empty.
 */
import { corrupt, invariant } from '../bytes/index.js';
import { HEADER, ITEM, type Key, MAX_LEVEL } from '../format/index.js';
import type { TreeBlock } from './block.js';
import type { Path } from './path.js';
import type { ItemPlace, Tree } from './tree.js';

/** Makes an item of `size` zero bytes; its key must be new. */
export function insertItem(tree: Tree, key: Key, size: number): ItemPlace {
  if (size + ITEM.SIZE > tree.store.nodesize - HEADER.SIZE) invariant(false, `an item of ${size} bytes fits a leaf`);
  const path = pathForChange(tree, key);
  if (standsOn(path, key)) throw corrupt(`tree ${tree.id}`, `key ${key} is there already`);
  return insertAtPath(tree, path, key, size);
}

/** Gives an existing item room for `size` bytes, of which the old ones are kept only if it need not move. */
export function replaceItem(tree: Tree, key: Key, size: number): ItemPlace {
  const path = pathToItem(tree, key);
  const { leaf } = path;
  const slot = path.slot(0);
  if (size - leaf.itemSize(slot) <= leaf.freeSpace) {
    leaf.resizeItem(slot, size);
    return placeOf(leaf, slot);
  }
  leaf.removeItems(slot, slot + 1);
  if (slot === 0) fixParentKeys(path, 0, leaf.key(0));
  return insertAtPath(tree, path, key, size);
}

/** Appends `by` zero bytes to an existing item. */
export function lengthenItem(tree: Tree, key: Key, by: number): ItemPlace {
  const path = pathToItem(tree, key);
  const { leaf } = path;
  const slot = path.slot(0);
  const { at, size } = placeOf(leaf, slot);
  const old = by <= leaf.freeSpace ? undefined : leaf.bytes.slice(at, at + size);
  const place = replaceItem(tree, key, size + by);
  if (old !== undefined) new Uint8Array(place.view.buffer, place.view.byteOffset + place.at, size).set(old);
  return place;
}

export function changeItem(tree: Tree, key: Key): ItemPlace | undefined {
  if (!isThere(tree, key)) return undefined;
  const path = pathForChange(tree, key);
  path.leaf.markChanged(path.slot(0));
  return placeOf(path.leaf, path.slot(0));
}

export function removeItem(tree: Tree, key: Key): boolean {
  if (!isThere(tree, key)) return false;
  const path = pathForChange(tree, key);
  removeAtPath(tree, path, path.slot(0) + 1);
  return true;
}

/** Removes the items of [from, to] that lie in the first leaf that has any; false if there are none. */
export function removeRange(tree: Tree, from: Key, to: Key): boolean {
  const cursor = tree.seek(from);
  if (!cursor.valid || cursor.block.compareKey(cursor.slot, to) > 0) return false;
  const path = pathForChange(tree, cursor.key);
  const { leaf } = path;
  let end = path.slot(0) + 1;
  while (end < leaf.count && leaf.compareKey(end, to) <= 0) end++;
  removeAtPath(tree, path, end);
  return true;
}

function isThere(tree: Tree, key: Key): boolean {
  const { leaf } = tree.descend(key);
  return leaf.holds(leaf.lowerBound(key), key);
}

function placeOf(leaf: TreeBlock, slot: number): ItemPlace {
  return { view: leaf.view, at: leaf.itemAt(slot), size: leaf.itemSize(slot) };
}

/** @throws FsError EUCLEAN if the item is not there */
function pathToItem(tree: Tree, key: Key): Path {
  const path = pathForChange(tree, key);
  if (!standsOn(path, key)) throw corrupt(`tree ${tree.id}`, `key ${key} is gone`);
  return path;
}

/**
 * The path to the leaf for `key`, every block on the way writable. It is the tree's last way, until
 * a block is split or leaves.
 */
function pathForChange(tree: Tree, key: Key): Path {
  tree.store.assertWritable();
  let path = tree.descend(key);
  if (!isWritable(path)) {
    path = path.fork();
    makeWritable(tree, path);
    tree.remember(path);
  }
  path.slots[0] = path.leaf.lowerBound(key);
  tree.version++;
  return path;
}

/** A block is only dirty below dirty ones. */
function isWritable(path: Path): boolean {
  return path.leaf.dirty;
}

function makeWritable(tree: Tree, path: Path): void {
  let block = tree.touchRoot();
  path.blocks[path.height - 1] = block;
  for (let level = path.height - 1; level > 0; level--) {
    block = writableChild(tree, block, path.slot(level));
    path.blocks[level - 1] = block;
  }
}

function writableChild(tree: Tree, node: TreeBlock, slot: number): TreeBlock {
  const child = tree.readChild(node, slot);
  const copy = tree.store.copyOnWrite(tree, child);
  if (copy !== child) node.setChildPointer(slot, copy);
  return copy;
}

function insertAtPath(tree: Tree, path: Path, key: Key, size: number): ItemPlace {
  if (path.leaf.freeSpace < size + ITEM.SIZE) path = pathWithRoom(tree, path, key, size + ITEM.SIZE);
  const { leaf } = path;
  const slot = path.slot(0);
  const at = leaf.insertItem(slot, key, size);
  if (slot === 0) fixParentKeys(path, 0, key);
  return { view: leaf.view, at, size };
}

function pathWithRoom(tree: Tree, shared: Path, key: Key, need: number): Path {
  const path = shared.fork();
  makeRoom(tree, path, key, need);
  tree.remember(undefined);
  return path;
}

/** Splits the path's leaf so that `need` bytes fit where the path then stands. */
function makeRoom(tree: Tree, path: Path, key: Key, need: number): void {
  const { leaf } = path;
  const slot = path.slot(0);
  if (slot === leaf.count || slot === 0) {
    startLeaf(tree, path, key, slot !== 0);
    return;
  }
  const split = chooseSplit(leaf, slot, need);
  if (split === undefined) {
    splitLeaf(tree, path, slot);
    startLeaf(tree, path, key, true);
    return;
  }
  splitLeaf(tree, path, split.at);
  if (split.toRight) {
    path.blocks[0] = tree.readChild(path.block(1), path.slot(1) + 1);
    path.slots[1] = path.slot(1) + 1;
    path.slots[0] = slot - split.at;
  }
}

/** Where to split so that a new item of `need` bytes at `slot` fits and the halves are most even. */
function chooseSplit(leaf: TreeBlock, slot: number, need: number): { at: number; toRight: boolean } | undefined {
  const capacity = leaf.bytes.length - HEADER.SIZE;
  const total = capacity - leaf.freeSpace;
  let best: { at: number; toRight: boolean } | undefined;
  let bestDifference = Number.POSITIVE_INFINITY;
  for (let at = 1; at < leaf.count; at++) {
    const left = leaf.usedBy(0, at);
    for (const toRight of [false, true]) {
      if (toRight ? slot < at : slot > at) continue;
      const leftWith = toRight ? left : left + need;
      const rightWith = total - left + (toRight ? need : 0);
      const difference = Math.abs(leftWith - rightWith);
      if (leftWith > capacity || rightWith > capacity || difference >= bestDifference) continue;
      best = { at, toRight };
      bestDifference = difference;
    }
  }
  return best;
}

/** Moves the items from `at` on into a new leaf to the right; the path stays on the left one. */
function splitLeaf(tree: Tree, path: Path, at: number): void {
  const { leaf } = path;
  const right = tree.store.allocateBlock(tree, 0, leaf.key(at));
  right.appendItems(leaf, at, leaf.count);
  leaf.removeItems(at, leaf.count);
  insertChild(tree, path, 1, right.key(0), right, true);
}

/** Puts the path on a new empty leaf after or before its present one. */
function startLeaf(tree: Tree, path: Path, key: Key, after: boolean): void {
  const fresh = tree.store.allocateBlock(tree, 0, key);
  insertChild(tree, path, 1, key, fresh, after);
  if (after) path.slots[1] = path.slot(1) + 1;
  path.blocks[0] = fresh;
  path.slots[0] = 0;
}

/**
 * Adds a pointer to `child` at `level`, beside the path's own child there.
 *
 * Afterwards the path still stands on its own child when the new one came after it, and on the
 * new one's slot when it came before.
 */
function insertChild(tree: Tree, path: Path, level: number, key: Key, child: TreeBlock, after: boolean): void {
  if (level === path.height) growRoot(tree, path);
  if (path.block(level).count === path.block(level).pointerCapacity) splitNode(tree, path, level);
  const node = path.block(level);
  const slot = path.slot(level) + (after ? 1 : 0);
  node.insertPointer(slot, key, child);
  if (slot === 0) fixParentKeys(path, level, key);
}

function growRoot(tree: Tree, path: Path): void {
  const level = path.height;
  if (level >= MAX_LEVEL) throw corrupt(`tree ${tree.id}`, `no tree needs more than ${MAX_LEVEL} levels`);
  const old = path.block(level - 1);
  const firstKey = old.key(0);
  const root = tree.store.allocateBlock(tree, level, firstKey);
  root.insertPointer(0, firstKey, old);
  path.blocks[level] = root;
  path.slots[level] = 0;
  tree.setRoot(root);
}

/** Splits a full node; a node that grows at its end keeps nearly all of its pointers. */
function splitNode(tree: Tree, path: Path, level: number): void {
  const node = path.block(level);
  const slot = path.slot(level);
  const at = slot === node.count - 1 ? node.count - 1 : node.count >>> 1;
  const right = tree.store.allocateBlock(tree, level, node.key(at));
  right.appendPointers(node, at, node.count);
  node.removePointers(at, node.count);
  insertChild(tree, path, level + 1, right.key(0), right, true);
  if (slot < at) return;
  path.blocks[level] = right;
  path.slots[level] = slot - at;
  path.slots[level + 1] = path.slot(level + 1) + 1;
}

/** Removes the items from the path's slot up to `end`, and what thereby becomes empty or nearly so. */
function removeAtPath(tree: Tree, path: Path, end: number): void {
  const { leaf } = path;
  const slot = path.slot(0);
  leaf.removeItems(slot, end);
  if (leaf.count > 0 && slot === 0) fixParentKeys(path, 0, leaf.key(0));
  const capacity = leaf.bytes.length - HEADER.SIZE;
  if (path.height === 1 || leaf.freeSpace <= capacity * (2 / 3)) return;
  const own = path.fork();
  if (leaf.count === 0) removeChild(tree, own, 1, leaf);
  else mergeWithSibling(tree, own, 0);
  tree.remember(undefined);
}

/** Drops the path's pointer at `level` together with the child it points at. */
function removeChild(tree: Tree, path: Path, level: number, child: TreeBlock): void {
  const node = path.block(level);
  const slot = path.slot(level);
  node.removePointers(slot, slot + 1);
  tree.store.freeBlock(tree, child);
  if (node.count > 0) {
    if (slot === 0) fixParentKeys(path, level, node.key(0));
    if (node.count * 3 < node.pointerCapacity) mergeWithSibling(tree, path, level);
  } else if (level + 1 < path.height) {
    removeChild(tree, path, level + 1, node);
  } else {
    tree.setRoot(tree.store.allocateBlock(tree, 0, node.key(0)));
    tree.store.freeBlock(tree, node);
  }
}

/** Joins a sparse block with a neighbour if both fit into one; lowers a root that has one child left. */
function mergeWithSibling(tree: Tree, path: Path, level: number): void {
  const block = path.block(level);
  if (level + 1 === path.height) {
    if (level > 0 && block.count === 1) lowerRoot(tree, block);
    return;
  }
  const parent = path.block(level + 1);
  const slot = path.slot(level + 1);
  if (slot > 0 && fits(tree.readChild(parent, slot - 1), block)) {
    const left = writableChild(tree, parent, slot - 1);
    absorb(left, block);
    removeChild(tree, path, level + 1, block);
  } else if (slot + 1 < parent.count && fits(tree.readChild(parent, slot + 1), block)) {
    const right = writableChild(tree, parent, slot + 1);
    absorb(block, right);
    path.slots[level + 1] = slot + 1;
    removeChild(tree, path, level + 1, right);
  }
}

function lowerRoot(tree: Tree, root: TreeBlock): void {
  const child = writableChild(tree, root, 0);
  tree.setRoot(child);
  tree.store.freeBlock(tree, root);
  if (!child.isLeaf && child.count === 1) lowerRoot(tree, child);
}

function fits(block: TreeBlock, more: TreeBlock): boolean {
  if (!block.isLeaf) return block.count + more.count <= block.pointerCapacity;
  return more.usedBy(0, more.count) <= block.freeSpace;
}

function absorb(left: TreeBlock, right: TreeBlock): void {
  if (left.isLeaf) left.appendItems(right, 0, right.count);
  else left.appendPointers(right, 0, right.count);
}

/** Carries a block's new first key up, as far as the path runs through first slots. */
function fixParentKeys(path: Path, level: number, key: Key): void {
  for (let above = level + 1; above < path.height; above++) {
    path.block(above).setKey(path.slot(above), key);
    if (path.slot(above) !== 0) return;
  }
}

function standsOn(path: Path, key: Key): boolean {
  return path.leaf.holds(path.slot(0), key);
}
