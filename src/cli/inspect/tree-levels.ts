/**
 * The blocks of a tree, one level at a time from the root down, each level from left to right.
 *
 * Only one block of each level is in memory at a time; the upper ones are read again for each
 * level below them. A hostile tree ends the walk no later than a sound one: every block must keep
 * within the keys that its parent leaves it, so no block can be entered twice.
 */
import { corrupt, type FsError, isFsError, viewOf } from '../../bytes/index.js';
import { compareKeyAt, decodeKeyPtr, HEADER, ITEM, KEY_PTR, type Key } from '../../format/index.js';
import type { BlockExpectation, TreeLocation, Volume } from '../../volume/index.js';

/** Takes an error about one block or item; the walk goes on behind it. */
export type Report = (error: FsError) => void;

interface BlockPointer extends BlockExpectation {
  readonly bytenr: number;
  readonly level: number;
  readonly owner: number;
  /** The first key that is no longer the block's. */
  readonly end?: Key;
}

/** All blocks of a tree: the root, then the level below it, and so on to the leaves. */
export function* treeBlocks(volume: Volume, root: TreeLocation, report: Report): Generator<DataView> {
  for (let level = root.level; level >= 0; level--) yield* blocksOfLevel(volume, root, level, report);
}

/** The leaves alone. */
export function* treeLeaves(volume: Volume, root: TreeLocation, report: Report): Generator<DataView> {
  yield* blocksOfLevel(volume, root, 0, report);
}

/** Tells of bad blocks on the level itself only: those above it are told of with their own. */
function* blocksOfLevel(volume: Volume, pointer: BlockPointer, level: number, report: Report): Generator<DataView> {
  const view = readOrReport(volume, pointer, pointer.level === level ? report : () => {});
  if (view === undefined) return;
  if (pointer.level === level) {
    yield view;
    return;
  }
  for (const child of childrenOf(view, pointer)) yield* blocksOfLevel(volume, child, level, report);
}

function readOrReport(volume: Volume, pointer: BlockPointer, report: Report): DataView | undefined {
  try {
    const view = viewOf(volume.readMetadata(pointer.bytenr, pointer));
    checkEnd(view, pointer);
    return view;
  } catch (error) {
    if (!isFsError(error, 'EIO', 'EUCLEAN')) throw error;
    report(error);
    return undefined;
  }
}

function checkEnd(view: DataView, pointer: BlockPointer): void {
  const nritems = view.getUint32(HEADER.nritems, true);
  if (pointer.end === undefined || nritems === 0) return;
  const slotSize = pointer.level === 0 ? ITEM.SIZE : KEY_PTR.SIZE;
  if (compareKeyAt(view, HEADER.SIZE + (nritems - 1) * slotSize, pointer.end) >= 0) {
    throw corrupt(`block ${pointer.bytenr}`, `reaches past key ${pointer.end}, where its neighbour begins`);
  }
}

function* childrenOf(view: DataView, parent: BlockPointer): Generator<BlockPointer> {
  const nritems = view.getUint32(HEADER.nritems, true);
  let pointer = decodeKeyPtr(view, HEADER.SIZE);
  for (let slot = 1; slot <= nritems; slot++) {
    const next = slot < nritems ? decodeKeyPtr(view, HEADER.SIZE + slot * KEY_PTR.SIZE) : undefined;
    const { blockptr: bytenr, key: firstKey, generation } = pointer;
    const end = next?.key ?? parent.end;
    const child = { bytenr, firstKey, generation, level: parent.level - 1, owner: parent.owner };
    yield end === undefined ? child : { ...child, end };
    if (next !== undefined) pointer = next;
  }
}
