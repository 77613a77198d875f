/**
 * The contents of one regular file: reading, writing, and what is written but not yet on disk.
 *
 * Writes collect as dirty sectors in memory (write-back) and become extents when the filesystem
 * commits or too much is dirty. Whatever a reader sees is dirty data over what the disk has.
 *
 * Invariants: a dirty sector is whole, its bytes past the end of the file are zero, and the
 * transaction has set space aside for it. Every operation may commit between its steps, which
 * flushes; so no step relies on what was dirty, or mapped, before it.
 */
import { corrupt, FsError, isFsError, isZero, roundDown, roundUp } from '../../bytes/index.js';
import { INCOMPAT_NO_HOLES } from '../../format/index.js';
import { type ExtentContext, newExtentContext } from '../../fscrypt/index.js';
import type { Inode } from '../inode.js';
import { DirtySectors, type FileRange } from './dirty-sectors.js';
import { ITEMS_PER_EXTENT } from './drop-range.js';
import { dataAfter, type FileExtentInfo, holeAfter, listExtents } from './extent-map.js';
import { ExtentReader } from './extent-reader.js';
import { type ExtentList, extentAt, extentAtOrAfter, holdsData, isInline } from './file-extents.js';
import { fillNextGap, flushNext } from './flush.js';
import { preallocate, punchHole } from './holes.js';
import { ReadWindow } from './read-window.js';
import { truncate } from './truncate.js';

/** Files end below 2^53, where numbers stop being exact, and at a whole sector. */
export const MAX_FILE_SIZE = 2 ** 53 - 65536;
/** Bytes accepted before the next look at the limit of dirty data. */
const WRITE_STEP = 1024 * 1024;

export class FileData {
  readonly inode: Inode;
  readonly sectorsize: number;
  readonly list: ExtentList;
  readonly dirty: DirtySectors;
  readonly borrowed = new Map<number, ExtentContext>();
  /** Without the feature `no-holes`: from here on gaps up to the end of the file need hole items. */
  gapsFrom: number | undefined;
  /** Whether a small file may become an inline extent. */
  mayInline = true;
  /** Ranges that were given new extents, and that the log does not have yet; of the transaction {@link unloggedIn}. */
  private unloggedRanges: FileRange[] = [];
  private unloggedIn = 0;
  private readonly reader: ExtentReader;
  private readonly window: ReadWindow;
  private keyGeneration = 0;
  private knownInline: boolean | undefined;
  private preparedContext: ExtentContext | undefined;

  constructor(inode: Inode) {
    this.inode = inode;
    this.sectorsize = inode.filesystem.transaction.volume.sectorsize;
    this.list = { tree: inode.subvolume.tree, ino: inode.ino, sectorsize: this.sectorsize };
    this.dirty = new DirtySectors(this.sectorsize);
    this.reader = new ExtentReader(inode, this.list);
    this.window = new ReadWindow(this.reader, this.sectorsize, inode.filesystem.readWindows);
    const isNew = inode.item.generation === inode.filesystem.transaction.transid;
    if (isNew && inode.item.size === 0) this.knownInline = false;
  }

  /** Bytes in the file. */
  get size(): number {
    return this.inode.item.size;
  }

  get noHoles(): boolean {
    return (this.inode.filesystem.transaction.volume.superblock.incompatFlags & INCOMPAT_NO_HOLES) !== 0n;
  }

  /** Whether the next {@link flush} has something to do. */
  get isDirty(): boolean {
    return this.dirty.size > 0 || this.gapsFrom !== undefined;
  }

  /** Whether the file is one inline extent on disk; what is dirty may be about to change that. */
  get isInline(): boolean {
    if (this.knownInline === undefined) {
      const first = extentAt(this.list, 0);
      this.knownInline = first !== undefined && isInline(first.extent);
    }
    return this.knownInline;
  }

  // --- reading ---

  /**
   * Reads from `offset` on, as far as the file goes.
   *
   * @param readsAhead - small pieces are read; false where the caller reads ahead itself. Bytes of `into` past the
   * end of the file are then undefined
   * @returns bytes read; 0 at or past the end
   * @throws FsError EIO (no good copy), EUCLEAN, ENOKEY
   */
  read(offset: number, into: Uint8Array, readsAhead = true): number {
    const length = Math.min(into.length, this.size - offset);
    if (length <= 0) return 0;
    if (this.keyGeneration !== this.inode.filesystem.keyring.generation) this.forget();
    const end = offset + length;
    for (let position = offset; position < end; ) {
      const runEnd = this.dirty.runEnd(position, end);
      const part = into.subarray(position - offset, runEnd - offset);
      if (this.dirty.has(position)) this.dirty.read(position, part);
      else if (readsAhead) this.window.read(position, part, this.size);
      else this.readSectors(position, part, into.subarray(position - offset));
      position = runEnd;
    }
    return length;
  }

  /** Reads whole sectors straight into `room`, which begins with `part` and may go on; else by way of a window. */
  private readSectors(position: number, part: Uint8Array, room: Uint8Array): void {
    const whole = roundUp(part.length, this.sectorsize);
    if (position % this.sectorsize === 0 && whole <= room.length) this.reader.read(position, room.subarray(0, whole));
    else this.window.read(position, part, this.size);
  }

  /** Drops what was read ahead, after a change of extents or of keys. @param isInline - the file now, if it is known */
  forget(isInline?: boolean): void {
    this.window.drop();
    this.knownInline = isInline;
    this.keyGeneration = this.inode.filesystem.keyring.generation;
  }

  /** One sector as on disk, zero past the end of the file. */
  private readSector(start: number): Uint8Array {
    const sector = new Uint8Array(this.sectorsize);
    if (start >= this.size) return sector;
    this.reader.read(start, sector);
    if (start + sector.length > this.size) sector.fill(0, this.size - start);
    return sector;
  }

  // --- writing ---

  /**
   * Writes `bytes` at `offset`, lengthening the file as needed. They are in memory until the next
   * commit, but space for them is already set aside.
   *
   * @returns bytes written: fewer than asked when space ran out on the way
   * @throws FsError ENOSPC, EFBIG, EROFS, ENOKEY, EIO and EUCLEAN (the rest of a sector cannot be read)
   */
  write(offset: number, bytes: Uint8Array): number {
    const { inode } = this;
    this.assertWritable(offset, offset + bytes.length);
    for (let done = 0; done < bytes.length; done += WRITE_STEP) {
      const part = bytes.subarray(done, done + WRITE_STEP);
      try {
        this.accept(offset + done, part);
      } catch (error) {
        if (done === 0 || !isFsError(error, 'ENOSPC')) throw error;
        return done;
      }
      inode.touch('contents');
      if (inode.filesystem.writeback.isMuch(1)) inode.filesystem.writeback.settle(inode);
    }
    return bytes.length;
  }

  private accept(offset: number, bytes: Uint8Array): void {
    const { sectorsize } = this;
    const end = offset + bytes.length;
    const first = roundDown(offset, sectorsize);
    const last = roundUp(end, sectorsize);
    this.withSpace(last - first + 2 * sectorsize, () => {
      this.thawInline();
      if (offset > this.size) this.clearTail();
      if (offset !== first) this.completeSector(first);
      if (end !== last) this.completeSector(last - sectorsize);
      this.dirty.put(offset, bytes);
      this.growTo(end);
    });
  }

  /**
   * Runs `work`, which may make up to `bytes` of sectors dirty.
   *
   * @throws FsError ENOSPC before `work`
   */
  withSpace(bytes: number, work: () => void): void {
    const { filesystem } = this.inode;
    const { transaction } = filesystem;
    transaction.reserve(ITEMS_PER_EXTENT);
    transaction.reserveData(bytes);
    const before = this.dirty.size;
    try {
      work();
    } finally {
      const used = this.dirty.size - before;
      filesystem.writeback.bytes += used;
      transaction.releaseData(bytes - used);
      if (used > 0) this.inode.markDirty();
    }
  }

  /** Forgets dirty sectors that begin in [start, end), with the space set aside for them unless an extent took it. */
  dropDirty(start: number, end: number, spaceIsUsed = false): void {
    const { filesystem } = this.inode;
    const bytes = this.dirty.remove(start, end);
    filesystem.writeback.bytes -= bytes;
    if (!spaceIsUsed) filesystem.transaction.releaseData(bytes);
  }

  /** Makes the sector at `start` dirty as it is, so that part of it can be overwritten. Within {@link withSpace}. */
  completeSector(start: number): void {
    if (!this.dirty.has(start)) this.dirty.put(start, this.readSector(start));
  }

  /** An inline extent must be alone in its file: its bytes become dirty before anything joins them. */
  thawInline(): void {
    if (this.isInline) this.completeSector(0);
  }

  /** Zeros what the disk may hold behind the end of the file in its last sector, before the file grows past it. */
  clearTail(): void {
    const { size } = this;
    const start = roundDown(size, this.sectorsize);
    if (start === size || this.dirty.has(start)) return;
    const placed = extentAt(this.list, start);
    if (placed === undefined || !holdsData(placed.extent)) return;
    const sector = new Uint8Array(this.sectorsize);
    this.reader.read(start, sector);
    if (isZero(sector.subarray(size - start))) return;
    sector.fill(0, size - start);
    this.dirty.put(start, sector);
  }

  /** Zeros file bytes [start, end) of one sector, unless the disk has zeros there anyway. */
  zeroPart(start: number, end: number): void {
    const sector = roundDown(start, this.sectorsize);
    if (start >= end) return;
    this.withSpace(this.sectorsize, () => {
      if (!this.dirty.has(sector)) {
        const placed = extentAt(this.list, sector);
        if (placed === undefined || !holdsData(placed.extent)) return;
        this.completeSector(sector);
      }
      this.dirty.zero(start, end);
    });
  }

  /** Moves the end of the file, if `size` is past it. The old last sector is clean behind it already. */
  growTo(size: number): void {
    const { item } = this.inode;
    if (size <= item.size) return;
    if (!this.noHoles) this.gapsFrom = Math.min(this.gapsFrom ?? size, roundUp(item.size, this.sectorsize));
    item.size = size;
    this.inode.markDirty();
  }

  /**
   * Writes what is dirty to new extents in the running transaction. A commit makes it durable.
   *
   * @throws FsError EIO, ENOSPC (for metadata), ENOKEY
   */
  flush(): void {
    while (this.dirty.size > 0) flushNext(this);
    while (this.gapsFrom !== undefined) fillNextGap(this);
  }

  /**
   * Writes what is dirty, and an inline extent, as regular extents: sharing and preallocation next to it
   * demand that. Also a commit on the way does so, or it would make the extent inline again.
   */
  leaveInline(): void {
    this.mayInline = false;
    try {
      if (this.isInline) this.withSpace(this.sectorsize, () => this.completeSector(0));
      this.flush();
    } finally {
      this.mayInline = true;
    }
  }

  // --- the log ---

  /** Whether a log can tell of the contents: as extents within the file, with holes as gaps between them. */
  get isLoggable(): boolean {
    return this.noHoles && !this.isInline && !this.hasExtentsFrom(roundUp(this.size, this.sectorsize));
  }

  /** Ranges with new extents of the running transaction that its log does not have yet. */
  get unlogged(): readonly FileRange[] {
    return this.unloggedIn === this.inode.filesystem.transaction.transid ? this.unloggedRanges : [];
  }

  noteUnlogged(start: number, end: number): void {
    const { transid } = this.inode.filesystem.transaction;
    if (this.unloggedIn !== transid) this.clearUnlogged();
    this.unloggedIn = transid;
    const last = this.unloggedRanges.at(-1);
    if (last?.end === start) this.unloggedRanges[this.unloggedRanges.length - 1] = { start: last.start, end };
    else this.unloggedRanges.push({ start, end });
  }

  clearUnlogged(): void {
    this.unloggedRanges = [];
  }

  // --- encryption ---

  /**
   * The context for a new extent, with a nonce never used before; undefined in a plain file.
   *
   * @throws FsError EUCLEAN if the policy is lost, EOPNOTSUPP if the volume has encryption off
   */
  takeContext(): ExtentContext | undefined {
    const prepared = this.preparedContext;
    this.preparedContext = undefined;
    return prepared ?? this.newContext();
  }

  private newContext(): ExtentContext | undefined {
    const { encrypted, filesystem, policy } = this.inode;
    if (!encrypted) return undefined;
    if (policy === undefined) throw corrupt(this.inode.describe(), 'an encrypted file has no policy');
    if (filesystem.layout === undefined) throw new FsError('EOPNOTSUPP', 'the volume has encryption turned off');
    return newExtentContext(policy, filesystem.layout, filesystem.transaction.random);
  }

  /** @throws FsError EROFS, EFBIG, and for an encrypted file ENOKEY: data that cannot be encrypted is not accepted */
  assertWritable(start: number, end: number): void {
    const { filesystem, subvolume } = this.inode;
    filesystem.assertWritable(subvolume);
    if (!(start >= 0 && end >= start)) throw new FsError('EINVAL', `bytes ${start} to ${end} are no range of a file`);
    if (end > MAX_FILE_SIZE)
      throw new FsError('EFBIG', `${this.inode.describe()}: files end at ${MAX_FILE_SIZE} bytes`);
    this.preparedContext ??= this.newContext();
    if (this.preparedContext !== undefined) this.inode.keys.assertCanEncrypt(this.preparedContext);
  }

  // --- size and layout ---

  /**
   * Sets the size. Shrinking gives space back step by step from the end, growing leaves a hole.
   *
   * @throws FsError EROFS, EFBIG, ENOSPC, ENOKEY (an encrypted file, unless to 0)
   */
  truncate(size: number): void {
    truncate(this, size);
  }

  /**
   * Makes bytes [offset, offset + length) zeros that use no space. The size stays.
   *
   * @throws FsError EROFS, EINVAL, ENOKEY, ENOSPC
   */
  punchHole(offset: number, length: number): void {
    punchHole(this, offset, length);
  }

  /** Makes bytes zeros with space set aside for them. @throws FsError as {@link preallocate} */
  zeroRange(offset: number, length: number, keepSize = false): void {
    punchHole(this, offset, length);
    preallocate(this, offset, length, keepSize);
  }

  /** Allocates space wherever the range has none. @throws FsError ENOSPC, EROFS, EINVAL, EFBIG, ENOKEY */
  preallocate(offset: number, length: number, keepSize = false): void {
    preallocate(this, offset, length, keepSize);
  }

  /**
   * The first byte at or after `offset` that is not in a hole.
   *
   * @throws FsError ENXIO if there is none before the end
   */
  dataAfter(offset: number): number {
    return dataAfter(this, offset);
  }

  /**
   * The first byte at or after `offset` that is in a hole, the end of the file at the latest.
   *
   * @throws FsError ENXIO past the end
   */
  holeAfter(offset: number): number {
    return holeAfter(this, offset);
  }

  /** What the file is made of on disk, in order; dirty data is left out. */
  extents(): IterableIterator<FileExtentInfo> {
    return listExtents(this);
  }

  /** Whether anything maps bytes from `offset` on. */
  hasExtentsFrom(offset: number): boolean {
    return extentAtOrAfter(this.list, offset) !== undefined;
  }
}
