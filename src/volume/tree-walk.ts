/**
 * A plain walk over the items of a tree, for what must be known before `tree/` can work.
 *
 * Levels fall by one from parent to child and no block is entered twice, so that a hostile tree
 * ends the walk no later than a sound one.
 */
import { corrupt, viewOf } from '../bytes/index.js';
import { compareKeyAt, decodeKeyPtr, HEADER, ITEM, KEY, KEY_PTR, type Key } from '../format/index.js';
import type { BlockExpectation, Volume } from './volume.js';

export interface TreeLocation {
  readonly bytenr: number;
  readonly level: number;
  readonly generation: number;
  readonly owner: number;
}

/** Bounds, both included; without one the walk reaches that end of the tree. */
export interface KeyRange {
  readonly from?: Key;
  readonly to?: Key;
}

export interface LeafItem {
  readonly view: DataView;
  readonly keyAt: number;
  readonly type: number;
  readonly at: number; // first byte of the item's data
  readonly size: number;
}

/** Calls `visit` for each item of the range, in order. @throws FsError EUCLEAN or EIO */
export function visitLeaves(
  volume: Volume,
  root: TreeLocation,
  range: KeyRange,
  visit: (item: LeafItem) => void,
): void {
  const entered = new Set<number>();
  const enter = (bytenr: number, expect: BlockExpectation, level: number): void => {
    if (entered.has(bytenr)) throw corrupt(`block ${bytenr} of tree ${root.owner}`, 'has two parents in one tree');
    entered.add(bytenr);
    const view = viewOf(volume.readMetadata(bytenr, expect));
    if (level === 0) {
      visitItems(view, range, visit);
      return;
    }
    for (const child of childrenIn(view, range)) {
      const { key: firstKey, generation } = child;
      enter(child.blockptr, { firstKey, generation, level: level - 1, owner: root.owner }, level - 1);
    }
  };
  enter(root.bytenr, { generation: root.generation, level: root.level, owner: root.owner }, root.level);
}

function* childrenIn(view: DataView, range: KeyRange): Generator<ReturnType<typeof decodeKeyPtr>> {
  const nritems = view.getUint32(HEADER.nritems, true);
  for (let slot = 0; slot < nritems; slot++) {
    const at = HEADER.SIZE + slot * KEY_PTR.SIZE;
    if (range.to !== undefined && compareKeyAt(view, at, range.to) > 0) return;
    const endsBefore =
      range.from !== undefined && slot + 1 < nritems && compareKeyAt(view, at + KEY_PTR.SIZE, range.from) <= 0;
    if (!endsBefore) yield decodeKeyPtr(view, at);
  }
}

function visitItems(view: DataView, range: KeyRange, visit: (item: LeafItem) => void): void {
  const nritems = view.getUint32(HEADER.nritems, true);
  for (let slot = 0; slot < nritems; slot++) {
    const keyAt = HEADER.SIZE + slot * ITEM.SIZE;
    if (range.from !== undefined && compareKeyAt(view, keyAt, range.from) < 0) continue;
    if (range.to !== undefined && compareKeyAt(view, keyAt, range.to) > 0) return;
    visit({
      view,
      keyAt,
      type: view.getUint8(keyAt + KEY.type),
      at: HEADER.SIZE + view.getUint32(keyAt + ITEM.offset, true),
      size: view.getUint32(keyAt + ITEM.size, true),
    });
  }
}
