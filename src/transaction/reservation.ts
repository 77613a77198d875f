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
/** Bytes that writing back one dirty inode, or one dirty sector as an extent, adds to its tree at most. */
const BYTES_PER_WRITE_BACK = 320;
/** References that an extent of one sector changes: its own, and that of the extent it replaces. */
const REFERENCES_PER_SECTOR = 2;
/** Blocks every commit copies: paths of the root, extent, free-space, device and checksum trees. */
const BLOCKS_PER_COMMIT = 24;
/** More than the steps in which space is freed ask for: deleting must work on a full volume. */
const SMALLEST_RESERVE_BLOCKS = 128;
const LARGEST_RESERVE = 64 * 1024 * 1024;

/** What waits in memory. */
export interface Dirty {
  /** Inodes whose items the commit writes. */
  readonly inodes: number;
  /** Sectors of file data. Scattered ones become an extent each. */
  readonly sectors: number;
}

export interface ReservationView {
  readonly nodesize: number;
  readonly pendingReferences: number;
  /** Trees that a commit changes in places which the pending references choose. */
  readonly accountingTrees: readonly Tree[];
  readonly metadataTotal: number;
  readonly dirty: Dirty;
  /** Bytes of the subvolume trees that is written back to. */
  readonly subvolumeBytes: number;
}

/** Bytes the commit of everything pending may need at worst. */
export function commitNeed(view: ReservationView): number {
  const { nodesize } = view;
  const pendingReferences = view.pendingReferences + view.dirty.sectors * REFERENCES_PER_SECTOR;
  const existing = accountingBytes(view);
  const copies = Math.min(existing, pendingReferences * 2 * nodesize);
  const growth = Math.ceil((pendingReferences * BYTES_PER_REFERENCE * 2) / nodesize) * nodesize;
  return copies + growth + writeBackNeed(view) + BLOCKS_PER_COMMIT * nodesize;
}

/** Bytes that writing back what the filesystem holds in memory may need at worst. */
function writeBackNeed({ nodesize, dirty, subvolumeBytes }: ReservationView): number {
  const places = dirty.inodes + dirty.sectors;
  const copies = Math.min(subvolumeBytes, places * 2 * nodesize);
  return copies + Math.ceil((places * BYTES_PER_WRITE_BACK * 2) / nodesize) * nodesize;
}

/** Bytes an operation that touches `items` items may need at worst. */
export function operationNeed(view: ReservationView, items: number): number {
  return items * BLOCKS_PER_ITEM * view.nodesize;
}

/** Bytes left to operations that free space. */
export function globalReserve(view: ReservationView): number {
  const smallest = SMALLEST_RESERVE_BLOCKS * view.nodesize;
  const wanted = smallest + accountingBytes(view);
  return Math.min(wanted, LARGEST_RESERVE, Math.max(smallest, view.metadataTotal / 4));
}

function accountingBytes(view: ReservationView): number {
  return view.accountingTrees.reduce(
    (sum, tree) => sum + (tree instanceof RootedTree ? tree.rootItem.bytesUsed : 0),
    0,
  );
}
