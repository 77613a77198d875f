/**
 * The running transaction of an open volume.
 *
 * There is always exactly one. Everything that changes goes into it; {@link Transaction.commit}
 * makes it durable as a whole and begins the next. A failure between the first change and the
 * commit aborts it: nothing of it reaches the disk, and the volume is read-only from then on.
 */
import { type Clock, FsError, invariant, type RandomSource, systemClock, systemRandom } from '../bytes/index.js';
import {
  COMPAT_RO_FREE_SPACE_TREE,
  COMPAT_RO_FREE_SPACE_TREE_VALID,
  EXTENT_DATA_REF_KEY,
  INCOMPAT_SKINNY_METADATA,
  type InlineRef,
  isSubvolumeTree,
  type Key,
  MAX_EXTENT_SIZE,
} from '../format/index.js';
import { type BlockPointer, type BlockStore, type Tree, TreeBlock } from '../tree/index.js';
import { LOG_WAITS, type Volume } from '../volume/index.js';
import { BlockCache } from './block-cache.js';
import { wrappedOffset } from './block-contents.js';
import { ChecksumTree } from './checksums.js';
import { writeTransaction } from './commit.js';
import { allocateBlock, copyOnWrite, freeBlock } from './copy-on-write.js';
import { RunningLog } from './log/running-log.js';
import { bookkeepingFaults } from './opening-checks.js';
import { DATA_EXTENT } from './references/pending-extent.js';
import { type ExtentUse, References } from './references/references.js';
import { commitNeed, type Dirty, globalReserve, operationNeed, type ReservationView } from './reservation.js';
import type { SubvolumeTree } from './rooted-tree.js';
import { addChunk } from './space/add-chunk.js';
import type { SpaceType } from './space/block-group.js';
import { unallocatedBytes } from './space/chunk-allocation.js';
import { FreeSpaceTree } from './space/free-space-tree.js';
import { Space } from './space/space.js';
import { Trees } from './trees.js';
import { unfinishedJobs } from './unfinished-jobs.js';

/** Dirty tree blocks beyond this many bytes ask for a commit at the end of an operation. */
const DIRTY_LIMIT = 32 * 1024 * 1024;
/** So do this many pending references. */
const PENDING_LIMIT = 10_000;

export interface TransactionOptions {
  readonly readOnly?: boolean;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

export interface Reservation {
  /** The operation gives back more than it takes: it may use the global reserve. */
  readonly freeing?: boolean;
  /** References it changes beside those that changing its items brings with it. */
  readonly references?: number;
}

export class Transaction implements BlockStore {
  readonly volume: Volume;
  readonly nodesize: number;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly blocks: BlockCache;
  trees: Trees;
  readonly freeSpaceTree: FreeSpaceTree | undefined;
  readonly space: Space;
  references: References;
  checksums: ChecksumTree;
  /** Transaction id that everything changed now carries. */
  transid: number;
  /** Writes back what the filesystem holds in memory; called before a commit's first step. */
  prepareCommit: () => void = () => undefined;
  /** Lets go of what belonged to a transaction that was given up; called when the last commit can be read again. */
  afterAbort: () => void = () => undefined;
  /** How much {@link prepareCommit} would write back. */
  countDirty: () => Dirty = () => ({ inodes: 0, sectors: 0 });
  /** The superblock says something new that no tree shows, such as a feature bit or the label. */
  superblockChanged = false;
  /** What fsync made durable of this transaction, if it did. */
  readonly log: RunningLog;
  private reservedData = 0;
  /** Data whose extents went, and whose checksums go when the batch is applied. */
  private uncheckedData: { start: number; end: number }[] = [];
  private committing = false;
  private aborted: string | undefined;

  /** Opens the trees of a volume. @throws FsError EUCLEAN, EIO if they cannot be read */
  constructor(volume: Volume, options: TransactionOptions = {}) {
    this.volume = volume;
    this.nodesize = volume.nodesize;
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? systemRandom;
    this.blocks = new BlockCache(volume.nodesize);
    this.transid = volume.superblock.generation + 1;
    this.trees = new Trees(this, volume);
    if (options.readOnly || volume.device.readOnly) volume.readOnlyReasons.push('it was opened for reading only');
    volume.readOnlyReasons.push(...unfinishedJobs(this.trees));
    this.checksums = this.openChecksums();
    const kept = hasValidFreeSpaceTree(volume) ? this.trees.freeSpaceTree : undefined;
    this.freeSpaceTree = kept && new FreeSpaceTree(kept, volume.sectorsize);
    this.space = new Space(volume, this);
    this.references = new References(this);
    this.log = new RunningLog(this);
    if (this.writable || this.waitsForReplay) volume.readOnlyReasons.push(...bookkeepingFaults(this));
  }

  /** Why nothing may be written; empty when it may. */
  get readOnlyReasons(): readonly string[] {
    return this.volume.readOnlyReasons;
  }

  /** What made a transaction be given up, and the volume read-only; undefined if nothing did. */
  get failure(): string | undefined {
    return this.aborted;
  }

  get writable(): boolean {
    return this.readOnlyReasons.length === 0;
  }

  /** Nothing but a log that waits for its replay keeps the volume from being written. */
  get waitsForReplay(): boolean {
    return this.readOnlyReasons.length === 1 && this.readOnlyReasons[0] === LOG_WAITS;
  }

  get rootTree(): Tree {
    return this.trees.rootTree;
  }

  get chunkTree(): Tree {
    return this.trees.chunkTree;
  }

  get devTree(): Tree {
    return this.trees.devTree;
  }

  get extentTree(): Tree {
    return this.trees.extentTree;
  }

  get blockGroupTree(): Tree {
    return this.trees.blockGroupTree ?? this.trees.extentTree;
  }

  get uuidTree(): Tree | undefined {
    return this.trees.uuidTree;
  }

  /** @throws FsError ENOENT if there is no such subvolume */
  subvolumeTree(id: number): SubvolumeTree {
    return this.trees.subvolume(id);
  }

  // --- blocks: the port of the trees ---

  cachedBlock(tree: Tree, bytenr: number): TreeBlock | undefined {
    const known = this.blocks.get(bytenr);
    return known?.dirty || (known !== undefined && mayBeOf(tree, known)) ? known : undefined;
  }

  readBlock(tree: Tree, pointer: BlockPointer, firstKey?: Key): TreeBlock {
    const { bytenr, generation, level } = pointer;
    const known = this.cachedBlock(tree, bytenr);
    if (known?.generation === generation && known.level === level && firstKey === undefined) return known;
    const expect = { generation, level, owner: tree.id, ...(firstKey && { firstKey }) };
    const block = new TreeBlock(this.volume.readMetadata(bytenr, expect));
    this.blocks.addClean(block);
    return block;
  }

  allocateBlock(tree: Tree, level: number, firstKey: Key): TreeBlock {
    return allocateBlock(this, tree, level, firstKey);
  }

  copyOnWrite(tree: Tree, block: TreeBlock): TreeBlock {
    return copyOnWrite(this, tree, block);
  }

  freeBlock(tree: Tree, block: TreeBlock): void {
    freeBlock(this, tree, block);
  }

  /** @throws FsError EROFS with the reason */
  assertWritable(): void {
    const [reason] = this.readOnlyReasons;
    if (reason !== undefined) throw new FsError('EROFS', `the volume is read-only: ${reason}`);
  }

  isChunkTree(tree: Tree): boolean {
    return tree === this.trees.chunkTree;
  }

  get fsid(): Uint8Array {
    return this.volume.metadataUuid;
  }

  get chunkTreeUuid(): Uint8Array {
    return this.trees.chunkTreeUuid;
  }

  get skinnyMetadata(): boolean {
    return (this.volume.superblock.incompatFlags & INCOMPAT_SKINNY_METADATA) !== 0n;
  }

  // --- what applying references brings about ---

  extentInserted(bytenr: number, length: number): void {
    this.space.extentInserted(bytenr, length);
  }

  extentFreed(bytenr: number, length: number, isData: boolean): void {
    if (isData) this.forgetChecksums(bytenr, length);
    this.space.extentFreed(bytenr, length);
  }

  extentDiscarded(bytenr: number, length: number, isData: boolean): void {
    if (isData) this.forgetChecksums(bytenr, length);
    // The log on disk may lead there.
    if (this.log.holdsExtent(bytenr)) this.space.pin(bytenr, length);
    else this.space.release(bytenr, length);
  }

  batchApplied(): void {
    const ranges = this.uncheckedData;
    this.uncheckedData = [];
    for (const { start, end } of ranges) this.checksums.remove(start, end - start);
    this.space.writeFreeSpace();
  }

  /** A batch goes up in address, so neighbours that are freed together cost one change of the checksum tree. */
  private forgetChecksums(start: number, length: number): void {
    const last = this.uncheckedData.at(-1);
    if (last?.end === start) last.end += length;
    else this.uncheckedData.push({ start, end: start + length });
  }

  // --- reservations ---

  /**
   * Makes sure that an operation can be carried out and committed. To be called before its first
   * change; may itself add a chunk or commit.
   *
   * @param items - upper bound of the tree items it inserts, changes or removes
   * @throws FsError ENOSPC, EROFS
   */
  reserve(items: number, reservation: Reservation = {}): void {
    this.assertWritable();
    if (this.hasRoomFor(items, reservation) || this.committing) return;
    if (this.addChunk('metadata') && this.hasRoomFor(items, reservation)) return;
    this.commit();
    if (this.hasRoomFor(items, reservation)) return;
    if (this.addChunk('metadata') && this.hasRoomFor(items, reservation)) return;
    throw new FsError('ENOSPC', 'no space left for metadata on the volume');
  }

  /** Promises room for dirty data. @throws FsError ENOSPC, EROFS */
  reserveData(bytes: number): void {
    this.assertWritable();
    const fits = () => this.hasRoom('data', this.reservedData + bytes);
    // Where there is plenty of room, what is written together is to lie together.
    if (this.space.isScattered('data') && this.unallocatedBytes > this.volume.superblock.totalBytes / 2)
      this.addChunk('data');
    while (!fits() && this.addChunk('data'));
    if (!fits() && this.space.pinned('data') + this.references.pendingCount > 0) this.commit();
    while (!fits() && this.addChunk('data'));
    if (!fits()) throw new FsError('ENOSPC', 'no space left on the volume');
    this.reservedData += bytes;
  }

  /** Gives back room promised by {@link reserveData} that was not used. */
  releaseData(bytes: number): void {
    if (!this.writable) return;
    this.reservedData -= bytes;
    invariant(this.reservedData >= 0, 'no more data space is given back than was reserved');
  }

  /** Bytes promised by {@link reserveData} and not yet allocated. */
  get reservedDataBytes(): number {
    return this.reservedData;
  }

  /** Bytes of the device in no chunk. */
  get unallocatedBytes(): number {
    return unallocatedBytes(this);
  }

  // --- data extents ---

  /**
   * Takes up to `bytes` of data space reserved before, in one piece.
   *
   * The extent needs its first reference ({@link addDataReference}) in the same operation.
   */
  allocateData(bytes: number): { bytenr: number; length: number } {
    const wanted = Math.min(bytes, MAX_EXTENT_SIZE);
    const { start, length } = this.space.allocateUpTo('data', wanted, this.volume.sectorsize);
    this.reservedData = Math.max(0, this.reservedData - length);
    this.references.addNewData(start, length);
    return { bytenr: start, length };
  }

  /** @param offset - key offset minus extent offset of the file extent item; may be negative */
  addDataReference(bytenr: number, diskNumBytes: number, rootId: number, ino: number, offset: number): void {
    this.references.changeData(bytenr, diskNumBytes, dataReference(rootId, ino, offset), 1);
  }

  /** Frees the extent, with its checksums, when its last reference goes. */
  dropDataReference(bytenr: number, diskNumBytes: number, rootId: number, ino: number, offset: number): void {
    this.references.changeData(bytenr, diskNumBytes, dataReference(rootId, ino, offset), -1);
  }

  dataExtentUse(bytenr: number, diskNumBytes: number): ExtentUse {
    return this.references.use(bytenr, diskNumBytes, DATA_EXTENT);
  }

  /** References of a data extent as the extent tree has them, without what is pending. */
  dataReferences(bytenr: number, diskNumBytes: number): InlineRef[] {
    return this.references.dataReferences(bytenr, diskNumBytes);
  }

  insertChecksums(bytenr: number, sums: Uint8Array): void {
    this.checksums.insert(bytenr, sums);
  }

  /** The checksums of `length` bytes from `bytenr` on, end to end; undefined unless every sector has one. */
  checksumsOf(bytenr: number, length: number): Uint8Array | undefined {
    return this.checksums.copyOf(bytenr, length);
  }

  removeChecksums(bytenr: number, length: number): void {
    this.checksums.remove(bytenr, length);
  }

  /** Whether a log of so much can be replayed without a chunk more or a commit on the way. */
  hasRoomToReplay(amount: Dirty): boolean {
    return this.hasRoom('metadata', commitNeed(this.reservationView(amount), 0));
  }

  // --- the life of a transaction ---

  get hasChanges(): boolean {
    if (this.blocks.dirtyCount > 0 || this.references.pendingCount > 0 || this.superblockChanged) return true;
    return this.trees.changed().length > 0;
  }

  /** So much is pending that the filesystem had better commit at the end of the operation. */
  get needsCommit(): boolean {
    return this.blocks.dirtyCount * this.nodesize > DIRTY_LIMIT || this.references.pendingCount > PENDING_LIMIT;
  }

  /**
   * Runs the changing part of an operation: from its first change to its last. An error in it
   * aborts the transaction.
   */
  change<T>(operation: () => T): T {
    this.assertWritable();
    try {
      return operation();
    } catch (error) {
      this.abort(error);
      throw error;
    }
  }

  /** Makes everything changed so far durable. Returns when it would survive a power cut. @throws FsError EIO, EROFS */
  commit(): void {
    if (this.committing) return;
    this.committing = true;
    try {
      this.prepareCommit();
      if (!this.hasChanges) return;
      this.change(() => writeTransaction(this));
      this.beginNext();
    } finally {
      this.committing = false;
    }
  }

  /**
   * Gives up the running transaction: the volume is again as the last commit left it, and read-only
   * from now on. Trees asked for before are stale.
   */
  abort(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.aborted ??= `an operation failed half-way (${why}); open it again to go on from the last commit`;
    this.volume.readOnlyReasons.push(this.aborted);
    this.blocks.clear();
    this.superblockChanged = false;
    this.log.forget();
    this.references = new References(this);
    this.trees = new Trees(this, this.volume);
    this.checksums = this.openChecksums();
    this.afterAbort();
  }

  private openChecksums(): ChecksumTree {
    return new ChecksumTree(this.trees.checksumTree, this.volume.sectorsize, this.volume.checksum.size);
  }

  private beginNext(): void {
    this.blocks.becomeClean();
    this.space.releasePinned();
    this.log.end();
    this.superblockChanged = false;
    this.transid++;
  }

  private reservationView(dirty: Dirty): ReservationView {
    return {
      nodesize: this.nodesize,
      pendingReferences: this.references.pendingCount,
      accountingBytes: this.trees.accountingBytes,
      metadataTotal: this.space.total('metadata'),
      dirty,
      subvolumeBytes: this.trees.subvolumeBytes,
    };
  }

  private hasRoomFor(items: number, { freeing = false, references = 0 }: Reservation): boolean {
    const view = this.reservationView(this.countDirty());
    const kept = freeing ? 0 : globalReserve(view);
    return this.hasRoom('metadata', operationNeed(view, items) + commitNeed(view, references) + kept);
  }

  /** A volume whose free space cannot be trusted is written no more. */
  private hasRoom(type: SpaceType, bytes: number): boolean {
    return this.change(() => this.space.hasRoom(type, bytes));
  }

  private addChunk(type: SpaceType): boolean {
    return this.change(() => addChunk(this, type));
  }
}

/** Damage can make two trees share a block that only one of them means. */
function mayBeOf(tree: Tree, { owner }: TreeBlock): boolean {
  return owner === tree.id || (isSubvolumeTree(tree.id) && isSubvolumeTree(owner));
}

function dataReference(root: number, objectid: number, offset: number): InlineRef {
  return { type: EXTENT_DATA_REF_KEY, root, objectid, offset: wrappedOffset(offset), count: 1 };
}

function hasValidFreeSpaceTree(volume: Volume): boolean {
  const both = COMPAT_RO_FREE_SPACE_TREE | COMPAT_RO_FREE_SPACE_TREE_VALID;
  return (volume.superblock.compatRoFlags & both) === both;
}
