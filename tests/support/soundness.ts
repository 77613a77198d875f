/** Whether a volume's books balance, by our own reading of its trees; `btrfs check` judges a sample. */
import assert from 'node:assert/strict';
import {
  decodeBlockGroupItem,
  EXTENT_ITEM_KEY,
  FREE_SPACE_BITMAP_KEY,
  FREE_SPACE_EXTENT_KEY,
  Key,
  METADATA_ITEM_KEY,
} from '../../src/format/index.js';
import type { Transaction } from '../../src/transaction/index.js';
import type { Tree } from '../../src/tree/index.js';

/**
 * Reads every block of every internal tree, and compares extents, free space and block groups.
 * Expects no free space in bitmap form.
 */
export function assertBooksBalance(transaction: Transaction): void {
  const { trees, space, volume } = transaction;
  for (const tree of [trees.rootTree, trees.chunkTree, trees.devTree, trees.checksumTree, trees.uuidTree]) {
    if (tree !== undefined) readWhole(tree);
  }
  const extents = extentsOf(transaction);
  const used = new Map<number, number>();
  const free: string[] = [];
  for (const group of space.groups) {
    let at = group.start;
    for (const extent of extents.filter(({ start }) => start >= group.start && start < group.end)) {
      assert.ok(extent.start >= at, `extent ${extent.start} overlaps the one before`);
      if (extent.start > at) free.push(`${at}+${extent.start - at}`);
      at = extent.start + extent.length;
      used.set(group.start, (used.get(group.start) ?? 0) + extent.length);
    }
    assert.ok(at <= group.end, `the last extent of block group ${group.start} leaves it`);
    if (at < group.end) free.push(`${at}+${group.end - at}`);
    const key = new Key(group.start, 192, group.length);
    const item = transaction.blockGroupTree.get(key);
    assert.ok(item, `block group ${group.start} has an item`);
    assert.equal(
      decodeBlockGroupItem(item.view, item.at).used,
      used.get(group.start) ?? 0,
      `use of block group ${group.start}`,
    );
  }
  const total = [...used.values()].reduce((sum, bytes) => sum + bytes, 0);
  assert.equal(volume.superblock.bytesUsed, total, 'bytes used of the superblock');
  if (trees.freeSpaceTree !== undefined) assert.deepEqual(recordedFree(trees.freeSpaceTree, space.groups), free);
}

function readWhole(tree: Tree): void {
  for (const cursor = tree.seek(new Key(0, 0, 0)); cursor.valid; cursor.next());
}

function extentsOf({ extentTree, nodesize }: Transaction): { start: number; length: number }[] {
  const extents: { start: number; length: number }[] = [];
  for (const cursor = extentTree.seek(new Key(0, 0, 0)); cursor.valid; cursor.next()) {
    const type = cursor.keyType;
    if (type === EXTENT_ITEM_KEY) extents.push({ start: cursor.keyObjectid, length: cursor.keyOffset });
    if (type === METADATA_ITEM_KEY) extents.push({ start: cursor.keyObjectid, length: nodesize });
  }
  return extents;
}

function recordedFree(tree: Tree, groups: readonly { start: number; end: number }[]): string[] {
  const runs: string[] = [];
  for (const cursor = tree.seek(new Key(0, 0, 0)); cursor.valid; cursor.next()) {
    const start = cursor.keyObjectid;
    assert.notEqual(cursor.keyType, FREE_SPACE_BITMAP_KEY, 'free space is kept as runs');
    const isOfGroup = groups.some((group) => start >= group.start && start < group.end);
    if (cursor.keyType === FREE_SPACE_EXTENT_KEY && isOfGroup) runs.push(`${start}+${cursor.keyOffset}`);
  }
  return runs;
}
