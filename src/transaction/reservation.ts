/**
 * Room for metadata, judged before an operation's first change.
 *
 * Copy-on-write needs space even to delete, and running out in the middle of an operation would
 * abort the transaction. So every operation says beforehand how many items it touches, and is
 * refused (ENOSPC) unless the worst case fits, the commit of everything pending included. Part of
 * the space (the global reserve) is left to operations that free space, so that deleting works on a
 * full volume.
 */
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

/** The running transaction as far as room depends on it. All in bytes but the references. */
export interface ReservationView {
  readonly nodesize: number;
  readonly pendingReferences: number;
  /** Size of the trees that a commit changes in places which the pending references choose. */
  readonly accountingBytes: number;
  readonly metadataTotal: number;
  readonly dirty: Dirty;
  /** Size of the subvolume trees that is written back to. */
  readonly subvolumeBytes: number;
}

/** Bytes the commit of everything pending, and `references` more, may need at worst. */
export function commitNeed(view: ReservationView, references: number): number {
  const { nodesize, dirty } = view;
  const pendingReferences = view.pendingReferences + references + dirty.sectors * REFERENCES_PER_SECTOR;
  const copies = Math.min(view.accountingBytes, pendingReferences * 2 * nodesize);
  const growth = Math.ceil((pendingReferences * BYTES_PER_REFERENCE * 2) / nodesize) * nodesize;
  return copies + growth + writeBackNeed(view, dirty) + BLOCKS_PER_COMMIT * nodesize;
}

/** Bytes that writing back what the filesystem holds in memory may need at worst. */
function writeBackNeed({ nodesize, subvolumeBytes }: ReservationView, dirty: Dirty): number {
  const places = dirty.inodes + dirty.sectors;
  const copies = Math.min(subvolumeBytes, places * 2 * nodesize);
  return copies + Math.ceil((places * BYTES_PER_WRITE_BACK * 2) / nodesize) * nodesize;
}

/** Bytes an operation that touches `items` items may need at worst. */
export function operationNeed({ nodesize }: ReservationView, items: number): number {
  return items * BLOCKS_PER_ITEM * nodesize;
}

/** Bytes left to operations that free space. */
export function globalReserve({ nodesize, accountingBytes, metadataTotal }: ReservationView): number {
  const smallest = SMALLEST_RESERVE_BLOCKS * nodesize;
  return Math.min(smallest + accountingBytes, LARGEST_RESERVE, Math.max(smallest, metadataTotal / 4));
}
