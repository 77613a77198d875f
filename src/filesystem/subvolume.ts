/** One open subvolume: its tree, and the inodes of it that are in memory. */
import { FsError } from '../bytes/index.js';
import {
  decodeInodeItem,
  FIRST_FREE_OBJECTID,
  INODE_ITEM_KEY,
  type InodeItem,
  Key,
  LAST_FREE_OBJECTID,
} from '../format/index.js';
import type { SubvolumeTree } from '../transaction/index.js';
import type { Filesystem } from './filesystem.js';
import { Inode } from './inode.js';

/** Inodes kept in memory whether in use or not: enough for every directory on the way of a deep walk. */
const KEPT_INODES = 2048;
/** As many come in before the next look at which of them can go. */
const SWEEP_INTERVAL = 512;

export class Subvolume {
  readonly filesystem: Filesystem;
  readonly tree: SubvolumeTree;
  /** The longest unused first, more or less. Dirty and open ones stay whatever their number. */
  private readonly inodes = new Map<number, Inode>();
  private nextIno: number | undefined;
  private sweepAt = KEPT_INODES + SWEEP_INTERVAL;

  constructor(filesystem: Filesystem, tree: SubvolumeTree) {
    this.filesystem = filesystem;
    this.tree = tree;
  }

  get id(): number {
    return this.tree.id;
  }

  get readOnly(): boolean {
    return this.tree.readOnly;
  }

  /** The inode of this number. @throws FsError ENOENT if there is none */
  inode(ino: number): Inode {
    const cached = this.inodes.get(ino);
    if (cached !== undefined) {
      cached.isRecent = true;
      return cached;
    }
    const cursor = this.tree.get(new Key(ino, INODE_ITEM_KEY, 0));
    if (cursor === undefined) throw new FsError('ENOENT', `subvolume ${this.id} has no inode ${ino}`);
    const inode = new Inode(this, ino, decodeInodeItem(cursor.view, cursor.at));
    // Changed in this transaction, nobody remembers how.
    if (inode.item.transid === this.filesystem.transaction.transid) inode.needCommit();
    return this.keep(inode);
  }

  /** Takes a new inode, whose item the caller has inserted. */
  addInode(ino: number, item: InodeItem): Inode {
    const inode = new Inode(this, ino, item);
    inode.needCommit();
    return this.keep(inode);
  }

  /** Inodes in memory, in no particular order. */
  cachedInodes(): Iterable<Inode> {
    return this.inodes.values();
  }

  cachedInode(ino: number): Inode | undefined {
    return this.inodes.get(ino);
  }

  forget(inode: Inode): void {
    inode.isDetached = true;
    if (this.inodes.get(inode.ino) === inode) this.inodes.delete(inode.ino);
  }

  /** A number no inode of the subvolume has, here or in the last commit. */
  allocateIno(): number {
    const ino = this.unusedIno();
    if (!Number.isSafeInteger(ino)) throw new FsError('ENOSPC', `subvolume ${this.id} has no inode numbers left`);
    this.nextIno = ino + 1;
    return ino;
  }

  /** Called before an inode goes, whose number a log must not give to another. @returns the next number */
  unusedIno(): number {
    this.nextIno ??= this.highestIno() + 1;
    return this.nextIno;
  }

  private highestIno(): number {
    const cursor = this.tree.seekAtOrBefore(new Key(LAST_FREE_OBJECTID, 0, 0));
    return cursor.valid ? Math.max(cursor.keyObjectid, FIRST_FREE_OBJECTID) : FIRST_FREE_OBJECTID;
  }

  private keep(inode: Inode): Inode {
    this.inodes.set(inode.ino, inode);
    if (this.inodes.size > this.sweepAt) this.sweep(inode);
    return inode;
  }

  /** Drops clean inodes not used since the last time; all are looked at once. */
  private sweep(newest: Inode): void {
    for (const inode of this.inodes.values()) {
      if (this.inodes.size <= KEPT_INODES || inode === newest) break;
      this.inodes.delete(inode.ino);
      const isKept = inode.isRecent || inode.isDirty || inode.openCount > 0;
      inode.isRecent = false;
      if (isKept) this.inodes.set(inode.ino, inode);
      else inode.isDetached = true;
    }
    this.sweepAt = Math.max(this.inodes.size, KEPT_INODES) + SWEEP_INTERVAL;
  }
}
