/**
 * Changing a tree: inserting, resizing and removing items, splitting and merging blocks.
 *
 * Every function first copies the path from the root down into the running transaction; what it
 * then changes is dirty by construction. Two rules hold throughout: a parent's key for a child is
 * exactly the child's first key, and no block but a root leaf is empty.
 */
import { corrupt, invariant } from '../bytes/index.js';
import { compareKeys, HEADER, ITEM, type Key, MAX_LEVEL } from '../format/index.js';
import type { TreeBlock } from './block.js';
import type { Path } from './cursor.js';
import type { ItemPlace, Tree } from './tree.js';

/** Makes an item of `size` zero bytes; its key must be new. */
export function insertItem(tree: Tree, key: Key, size: number): ItemPlace {
  invariant(size + ITEM.SIZE <= tree.store.nodesize - HEADER.SIZE, `an item of ${size} bytes fits a leaf`);
  const path = pathForChange(tree, key);
  if (standsOn(path, key)) throw corrupt(`tree ${tree.id}`, `key ${key} is there already`);
  return insertAtPath(tree, path, key, size);
}

/** Gives an existing item room for `size` bytes, of which the old ones are kept only if it need not move. */
export function replaceItem(tree: Tree, key: Key, size: number): ItemPlace {
  const path = pathForChange(tree, key);
  if (!standsOn(path, key)) throw corrupt(`tree ${tree.id}`, `key ${key} is gone`);
  const leaf = blockAt(path, 0);
  const slot = slotAt(path, 0);
  if (size - leaf.itemSize(slot) <= leaf.freeSpace) {
    leaf.resizeItem(slot, size);
    return { view: leaf.view, at: leaf.itemAt(slot), size };
  }
  leaf.removeItems(slot, slot + 1);
  if (slot === 0) fixParentKeys(path, 0, leaf.key(0));
  return insertAtPath(tree, path, key, size);
}

export function changeItem(tree: Tree, key: Key): ItemPlace | undefined {
  if (tree.get(key) === undefined) return undefined;
  const path = pathForChange(tree, key);
  const leaf = blockAt(path, 0);
  const slot = slotAt(path, 0);
  return { view: leaf.view, at: leaf.itemAt(slot), size: leaf.itemSize(slot) };
}

export function removeItem(tree: Tree, key: Key): boolean {
  if (tree.get(key) === undefined) return false;
  const path = pathForChange(tree, key);
  removeAtPath(tree, path, slotAt(path, 0) + 1);
  return true;
}

/** Removes the items of [from, to] that lie in the first leaf that has any; false if there are none. */
export function removeRange(tree: Tree, from: Key, to: Key): boolean {
  const cursor = tree.seek(from);
  if (!cursor.valid || compareKeys(cursor.key, to) > 0) return false;
  const path = pathForChange(tree, cursor.key);
  const leaf = blockAt(path, 0);
  let end = slotAt(path, 0) + 1;
  while (end < leaf.count && leaf.compareKey(end, to) <= 0) end++;
  removeAtPath(tree, path, end);
  return true;
}

/** Walks from the root to the leaf for `key`, making every block on the way writable. */
function pathForChange(tree: Tree, key: Key): Path {
  tree.store.assertWritable();
  const path: Path = { blocks: [], slots: [] };
  let block = tree.touchRoot();
  while (!block.isLeaf) {
    const { level } = block;
    const slot = block.childSlot(key);
    path.blocks[level] = block;
    path.slots[level] = slot;
    block = writableChild(tree, block, slot);
    tree.checkRange(path, level, block);
  }
  path.blocks[0] = block;
  path.slots[0] = block.lowerBound(key);
  tree.version++;
  return path;
}

function writableChild(tree: Tree, node: TreeBlock, slot: number): TreeBlock {
  const child = tree.readChild(node, slot);
  const copy = tree.store.copyOnWrite(tree, child);
  if (copy !== child) node.setChildPointer(slot, copy);
  return copy;
}

function insertAtPath(tree: Tree, path: Path, key: Key, size: number): ItemPlace {
  if (blockAt(path, 0).freeSpace < size + ITEM.SIZE) makeRoom(tree, path, key, size + ITEM.SIZE);
  const leaf = blockAt(path, 0);
  const slot = slotAt(path, 0);
  const at = leaf.insertItem(slot, key, size);
  if (slot === 0) fixParentKeys(path, 0, key);
  return { view: leaf.view, at, size };
}

/** Splits the path's leaf so that `need` bytes fit where the path then stands. */
function makeRoom(tree: Tree, path: Path, key: Key, need: number): void {
  const leaf = blockAt(path, 0);
  const slot = slotAt(path, 0);
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
    path.blocks[0] = tree.readChild(blockAt(path, 1), slotAt(path, 1) + 1);
    path.slots[1] = slotAt(path, 1) + 1;
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
  const leaf = blockAt(path, 0);
  const right = tree.store.allocateBlock(tree, 0, leaf.key(at));
  right.appendItems(leaf, at, leaf.count);
  leaf.removeItems(at, leaf.count);
  insertChild(tree, path, 1, right.key(0), right, true);
}

/** Puts the path on a new empty leaf after or before its present one. */
function startLeaf(tree: Tree, path: Path, key: Key, after: boolean): void {
  const fresh = tree.store.allocateBlock(tree, 0, key);
  insertChild(tree, path, 1, key, fresh, after);
  if (after) path.slots[1] = slotAt(path, 1) + 1;
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
  if (level === path.blocks.length) growRoot(tree, path);
  if (blockAt(path, level).count === blockAt(path, level).pointerCapacity) splitNode(tree, path, level);
  const node = blockAt(path, level);
  const slot = slotAt(path, level) + (after ? 1 : 0);
  node.insertPointer(slot, key, child);
  if (slot === 0) fixParentKeys(path, level, key);
}

function growRoot(tree: Tree, path: Path): void {
  const level = path.blocks.length;
  if (level >= MAX_LEVEL) throw corrupt(`tree ${tree.id}`, `no tree needs more than ${MAX_LEVEL} levels`);
  const old = blockAt(path, level - 1);
  const firstKey = old.key(0);
  const root = tree.store.allocateBlock(tree, level, firstKey);
  root.insertPointer(0, firstKey, old);
  path.blocks[level] = root;
  path.slots[level] = 0;
  tree.setRoot(root);
}

/** Splits a full node; a node that grows at its end keeps nearly all of its pointers. */
function splitNode(tree: Tree, path: Path, level: number): void {
  const node = blockAt(path, level);
  const slot = slotAt(path, level);
  const at = slot === node.count - 1 ? node.count - 1 : node.count >>> 1;
  const right = tree.store.allocateBlock(tree, level, node.key(at));
  right.appendPointers(node, at, node.count);
  node.removePointers(at, node.count);
  insertChild(tree, path, level + 1, right.key(0), right, true);
  if (slot < at) return;
  path.blocks[level] = right;
  path.slots[level] = slot - at;
  path.slots[level + 1] = slotAt(path, level + 1) + 1;
}

/** Removes the items from the path's slot up to `end`, and what thereby becomes empty or nearly so. */
function removeAtPath(tree: Tree, path: Path, end: number): void {
  const leaf = blockAt(path, 0);
  const slot = slotAt(path, 0);
  leaf.removeItems(slot, end);
  if (leaf.count === 0) {
    if (path.blocks.length > 1) removeChild(tree, path, 1, leaf);
    return;
  }
  if (slot === 0) fixParentKeys(path, 0, leaf.key(0));
  const capacity = leaf.bytes.length - HEADER.SIZE;
  if (leaf.freeSpace > capacity * (2 / 3)) mergeWithSibling(tree, path, 0);
}

/** Drops the path's pointer at `level` together with the child it points at. */
function removeChild(tree: Tree, path: Path, level: number, child: TreeBlock): void {
  const node = blockAt(path, level);
  const slot = slotAt(path, level);
  node.removePointers(slot, slot + 1);
  tree.store.freeBlock(tree, child);
  if (node.count > 0) {
    if (slot === 0) fixParentKeys(path, level, node.key(0));
    if (node.count * 3 < node.pointerCapacity) mergeWithSibling(tree, path, level);
  } else if (level + 1 < path.blocks.length) {
    removeChild(tree, path, level + 1, node);
  } else {
    tree.setRoot(tree.store.allocateBlock(tree, 0, node.key(0)));
    tree.store.freeBlock(tree, node);
  }
}

/** Joins a sparse block with a neighbour if both fit into one; lowers a root that has one child left. */
function mergeWithSibling(tree: Tree, path: Path, level: number): void {
  const block = blockAt(path, level);
  if (level + 1 === path.blocks.length) {
    if (level > 0 && block.count === 1) lowerRoot(tree, block);
    return;
  }
  const parent = blockAt(path, level + 1);
  const slot = slotAt(path, level + 1);
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
  for (let above = level + 1; above < path.blocks.length; above++) {
    blockAt(path, above).setKey(slotAt(path, above), key);
    if (slotAt(path, above) !== 0) return;
  }
}

function standsOn(path: Path, key: Key): boolean {
  const leaf = blockAt(path, 0);
  const slot = slotAt(path, 0);
  return slot < leaf.count && leaf.compareKey(slot, key) === 0;
}

function blockAt(path: Path, level: number): TreeBlock {
  const block = path.blocks[level];
  invariant(block !== undefined, 'a path reaches from leaf to root');
  return block;
}

function slotAt(path: Path, level: number): number {
  return path.slots[level] ?? 0;
}
