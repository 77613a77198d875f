/**
 * Room for metadata, judged before an operation's first change.
 *
 * Copy-on-write needs space even to delete, and running out in the middle of an operation would
 * abort the transaction. So every operation says beforehand how many items it touches, and is
 * refused (ENOSPC) unless the worst case fits, the commit of everything pending included. Part of
 * the space (the global reserve) is left to operations that free space, so that deleting works on a
 * full volume.
 */
import type { Tree } from '../tree/index.js';
import { RootedTree } from './rooted-tree.js';

/** Blocks an operation may copy or split per item it touches: a path, and a neighbour now and then. */
const BLOCKS_PER_ITEM = 4;
/** Bytes a pending reference adds to the extent tree and the free-space tree together, at most. */
const BYTES_PER_REFERENCE = 160;
/** Bytes that writing back one dirty inode adds to its tree, its new extent included, at most. */
const BYTES_PER_DIRTY_INODE = 640;
/** Blocks every commit copies: paths of the root, extent, free-space, device and checksum trees. */
const BLOCKS_PER_COMMIT = 24;
const SMALLEST_RESERVE_BLOCKS = 32;
const LARGEST_RESERVE = 64 * 1024 * 1024;

export interface ReservationView {
  readonly nodesize: number;
  readonly pendingReferences: number;
  /** Trees that a commit changes in places which the pending references choose. */
  readonly accountingTrees: readonly Tree[];
  readonly metadataTotal: number;
  /** Inodes in memory whose items, or data, the commit writes back. */
  readonly dirtyInodes: number;
  /** Bytes of the subvolume trees those may be in. */
  readonly subvolumeBytes: number;
}

/** Bytes the commit of everything pending may need at worst. */
export function commitNeed(view: ReservationView): number {
  const { nodesize, pendingReferences } = view;
  const existing = accountingBytes(view);
  const copies = Math.min(existing, pendingReferences * 2 * nodesize);
  const growth = Math.ceil((pendingReferences * BYTES_PER_REFERENCE * 2) / nodesize) * nodesize;
  return copies + growth + writeBackNeed(view) + BLOCKS_PER_COMMIT * nodesize;
}

/** Bytes that writing back what the filesystem holds in memory may need at worst. */
function writeBackNeed({ nodesize, dirtyInodes, subvolumeBytes }: ReservationView): number {
  const copies = Math.min(subvolumeBytes, dirtyInodes * 2 * nodesize);
  return copies + Math.ceil((dirtyInodes * BYTES_PER_DIRTY_INODE * 2) / nodesize) * nodesize;
}

/** Bytes an operation that touches `items` items may need at worst. */
export function operationNeed(view: ReservationView, items: number): number {
  return items * BLOCKS_PER_ITEM * view.nodesize;
}

/** Bytes left to operations that free space. */
export function globalReserve(view: ReservationView): number {
  const smallest = SMALLEST_RESERVE_BLOCKS * view.nodesize;
  const wanted = Math.max(smallest, accountingBytes(view));
  return Math.min(wanted, LARGEST_RESERVE, Math.max(smallest, view.metadataTotal / 8));
}

function accountingBytes(view: ReservationView): number {
  return view.accountingTrees.reduce(
    (sum, tree) => sum + (tree instanceof RootedTree ? tree.rootItem.bytesUsed : 0),
    0,
  );
}
