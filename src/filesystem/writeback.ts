/** Inodes and file data that wait in memory to be written into the running transaction. */
import { isFsError } from '../bytes/index.js';
import type { Dirty } from '../transaction/index.js';
import type { Filesystem } from './filesystem.js';
import type { Inode } from './inode.js';

/** Dirty bytes, and dirty inodes, beyond which data is written without waiting for a commit. */
const DIRTY_LIMIT = 16 * 1024 * 1024;
const MAX_DIRTY_INODES = 1024;
/** Inode items written in one step when there are too many dirty ones. */
const INODES_PER_STEP = 32;

export class Writeback {
  /** Inodes whose item, or data, waits for the next commit. */
  readonly inodes = new Set<Inode>();
  /** Bytes of file data written but not yet on disk; `data/` keeps count. */
  bytes = 0;
  private readonly filesystem: Filesystem;
  /** Dirty inodes are being written: what that makes dirty in turn waits. */
  private isSettling = false;

  constructor(filesystem: Filesystem) {
    this.filesystem = filesystem;
  }

  /** How much {@link all} would write. */
  get amount(): Dirty {
    const { sectorsize } = this.filesystem.transaction.volume;
    return { inodes: this.inodes.size, sectors: Math.ceil(this.bytes / sectorsize) };
  }

  /** Called for every inode whose item changes. */
  add(inode: Inode): void {
    inode.isDirty = true;
    this.inodes.add(inode);
  }

  /** Whether this share of the memory meant for dirty data is in use. */
  isMuch(share: number, settled = 0): boolean {
    return this.bytes > share * DIRTY_LIMIT || this.inodes.size - settled > share * MAX_DIRTY_INODES;
  }

  /**
   * Writes dirty inodes with their data into the running transaction, `first` and then the longest
   * dirty ones, until half of the memory meant for them is free.
   *
   * @throws FsError EIO, ENOSPC, ENOKEY
   */
  settle(first?: Inode): void {
    if (this.isSettling) return;
    this.isSettling = true;
    try {
      this.settleSome(first === undefined ? [...this.inodes] : [first, ...this.inodes]);
    } finally {
      this.isSettling = false;
    }
  }

  /** After a step of changes: for what finds no room now, the commit will ask again, and say so. */
  settleIfMany(): void {
    if (this.inodes.size <= MAX_DIRTY_INODES) return;
    try {
      this.settle();
    } catch (error) {
      if (!isFsError(error, 'ENOSPC')) throw error;
    }
  }

  /** The first step of a commit: data first, because writing it changes inodes. @throws FsError EIO, ENOSPC, ENOKEY */
  all(): void {
    const wasSettling = this.isSettling;
    this.isSettling = true;
    try {
      for (const inode of [...this.inodes]) inode.loadedData?.flush();
    } finally {
      this.isSettling = wasSettling;
    }
    if (this.inodes.size === 0) return;
    this.filesystem.transaction.change(() => {
      for (const inode of this.inodes) {
        inode.write();
        inode.isDirty = false;
      }
    });
    this.inodes.clear();
  }

  private settleSome(waiting: readonly Inode[]): void {
    const settled: Inode[] = [];
    for (const inode of waiting) {
      if (settled.length > 0 && !this.isMuch(1 / 2, settled.length)) break;
      inode.loadedData?.flush();
      if (inode.isDirty) settled.push(inode);
    }
    for (let at = 0; at < settled.length; at += INODES_PER_STEP) {
      const step = settled.slice(at, at + INODES_PER_STEP);
      this.filesystem.change(step.length, () => {
        for (const inode of step) this.writeInode(inode);
      });
    }
  }

  /** Writes an inode's item. With no data waiting, the inode then need not stay in memory for the commit. */
  private writeInode(inode: Inode): void {
    inode.write();
    if (inode.loadedData?.isDirty === true) return;
    inode.isDirty = false;
    this.inodes.delete(inode);
  }
}
