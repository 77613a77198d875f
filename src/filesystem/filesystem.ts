/**
 * The filesystem of an open volume: what a user means by files, directories, names and policies.
 *
 * Every operation takes inodes and names, not paths, checks all it can before its first change,
 * reserves the space it may need, and is durable after the next {@link Filesystem.commit}. Names
 * are bytes. An error between an operation's first change and its end turns the volume read-only.
 */
import { FsError } from '../bytes/index.js';
import { FIRST_FREE_OBJECTID, FS_TREE_OBJECTID } from '../format/index.js';
import type { Keyring, Policy } from '../fscrypt/index.js';
import type { Reservation, Transaction } from '../transaction/index.js';
import { type AttributeChanges, type Attributes, attributesOf, setAttributes } from './attributes.js';
import { type Creation, createNode, createSymlink, createUnnamed } from './create.js';
import type { ReadWindow } from './data/read-window.js';
import { type DirectoryEntry, readDirectory } from './directory.js';
import { fsync } from './fsync.js';
import type { Inode } from './inode.js';
import { type ContextLayout, enableEncryption, findLayout, rememberLayout } from './layout.js';
import { linkInode } from './link.js';
import { replayLog } from './log-replay.js';
import { defaultSubvolumeId, find, lookup, parentOf } from './lookup.js';
import { S_IFDIR, S_IFMT, S_IFREG } from './mode.js';
import { closeInode, finishOrphans, openInode } from './orphans.js';
import { setPolicy } from './policies.js';
import { type Nameless, removeDirectory, unlinkName } from './remove.js';
import { exchangeNames, renameName } from './rename.js';
import { Subvolume } from './subvolume.js';
import { readTarget } from './symlink.js';
import { Writeback } from './writeback.js';
import { listXattrs, readXattr } from './xattr-items.js';
import { getXattr, removeXattr, setXattr, type XattrMode } from './xattrs.js';

export interface FilesystemOptions {
  readonly keyring: Keyring;
  /** Whether directories are shown with the links that programs expect, not the single one on disk: link-count.ts. */
  readonly countsLinks?: boolean;
}

export type RenameMode = 'replace' | 'noreplace' | 'exchange';

export class Filesystem {
  readonly transaction: Transaction;
  readonly keyring: Keyring;
  readonly countsLinks: boolean;
  readonly writeback: Writeback;
  /** What was read ahead, the files read last at the end; `data/` keeps few. */
  readonly readWindows = new Set<ReadWindow>();
  private readonly subvolumes = new Map<number, Subvolume>();
  private knownLayout: ContextLayout | undefined;

  private constructor(transaction: Transaction, options: FilesystemOptions) {
    this.transaction = transaction;
    this.keyring = options.keyring;
    this.countsLinks = options.countsLinks ?? false;
    this.writeback = new Writeback(this);
    transaction.prepareCommit = () => this.writeback.all();
    transaction.afterAbort = () => this.forgetAll();
    transaction.countDirty = () => this.writeback.amount;
  }

  /** Opens the filesystem; a writable one first replays its log, and finishes what was being deleted. */
  static open(transaction: Transaction, options: FilesystemOptions): Filesystem {
    const filesystem = new Filesystem(transaction, options);
    if (transaction.waitsForReplay) replayLog(filesystem);
    if (transaction.writable) finishOrphans(filesystem);
    return filesystem;
  }

  // --- inodes and names ---

  /** @throws FsError ENOENT if there is no subvolume of this id */
  subvolume(id: number): Subvolume {
    let subvolume = this.subvolumes.get(id);
    if (subvolume === undefined) {
      subvolume = new Subvolume(this, this.transaction.subvolumeTree(id));
      this.subvolumes.set(id, subvolume);
    }
    return subvolume;
  }

  /** Forgets a subvolume that is gone, with its inodes. */
  forgetSubvolume(id: number): void {
    const subvolume = this.subvolumes.get(id);
    if (subvolume === undefined) return;
    for (const inode of [...subvolume.cachedInodes()]) {
      inode.loadedData?.dropDirty(0, Number.POSITIVE_INFINITY);
      this.writeback.inodes.delete(inode);
      subvolume.forget(inode);
    }
    this.subvolumes.delete(id);
  }

  /** The top directory of the default subvolume. */
  root(): Inode {
    return this.subvolume(defaultSubvolumeId(this) ?? FS_TREE_OBJECTID).inode(FIRST_FREE_OBJECTID);
  }

  /** @throws FsError ENOENT */
  inode(subvolumeId: number, ino: number): Inode {
    return this.subvolume(subvolumeId).inode(ino);
  }

  /** The inode itself, or the one in its stead if it has left the cache since. @throws FsError ENOENT */
  current(inode: Inode): Inode {
    if (inode.isDetached) return this.inode(inode.subvolume.id, inode.ino);
    inode.isRecent = true;
    return inode;
  }

  /**
   * Finds an entry; `.` and `..` included.
   *
   * @param name - as shown: in its no-key form where the directory's key is missing
   * @throws FsError ENOENT, ENOTDIR, ENAMETOOLONG, ENOKEY (a subvolume in a directory without its key), EUCLEAN
   */
  lookup(directory: Inode, name: Uint8Array): Inode {
    return lookup(this.current(directory), name);
  }

  /** As {@link lookup}; undefined if there is no such entry. */
  find(directory: Inode, name: Uint8Array): Inode | undefined {
    return find(this.current(directory), name);
  }

  /** The directory above; the top of the default subvolume and of the volume is its own. */
  parent(directory: Inode): Inode {
    return parentOf(this.current(directory));
  }

  /**
   * Entries in the order of their making, `.` and `..` left out. Changes meanwhile are allowed.
   *
   * @param from - lowest {@link DirectoryEntry.offset} wanted
   */
  readDirectory(directory: Inode, from = 0): Iterable<DirectoryEntry> {
    return readDirectory(this.current(directory), from);
  }

  // --- changes of names ---

  /** @param mode - permission bits. @throws FsError EEXIST, ENOKEY, ENOTDIR, ENAMETOOLONG, ENOSPC, EROFS */
  create(directory: Inode, name: Uint8Array, mode: number, owner: Creation['owner']): Inode {
    return createNode(this.current(directory), name, { mode: S_IFREG | (mode & ~S_IFMT), owner });
  }

  /**
   * Makes a regular file without a name (O_TMPFILE). To be opened at once: when it is closed
   * without having been given a name by {@link link}, it goes.
   */
  createUnnamed(directory: Inode, mode: number, owner: Creation['owner']): Inode {
    return createUnnamed(this.current(directory), { mode: S_IFREG | (mode & ~S_IFMT), owner });
  }

  mkdir(directory: Inode, name: Uint8Array, mode: number, owner: Creation['owner']): Inode {
    return createNode(this.current(directory), name, { mode: S_IFDIR | (mode & ~S_IFMT), owner });
  }

  /**
   * Makes a fifo, socket or device node, or, as mknod(2) does, a regular file.
   *
   * @param mode - with file type bits
   * @param rdev - as in `struct stat`
   */
  mknod(directory: Inode, name: Uint8Array, mode: number, owner: Creation['owner'], rdev = 0): Inode {
    return createNode(this.current(directory), name, { mode, owner, rdev });
  }

  symlink(directory: Inode, name: Uint8Array, target: Uint8Array, owner: Creation['owner']): Inode {
    return createSymlink(this.current(directory), name, target, owner);
  }

  /** Gives an inode one more name. @throws FsError EPERM (directory), EXDEV, EMLINK, EEXIST, ENOKEY */
  link(inode: Inode, directory: Inode, name: Uint8Array): void {
    linkInode(this.current(inode), this.current(directory), name);
  }

  /** Removes a name, and the inode with its last one unless it is open. @throws FsError EISDIR, ENOENT */
  unlink(directory: Inode, name: Uint8Array, onNameless?: Nameless): void {
    unlinkName(this.current(directory), name, onNameless);
  }

  /** @returns what was removed, a directory or the top of a subvolume. @throws FsError ENOTEMPTY, ENOTDIR, ENOENT */
  rmdir(directory: Inode, name: Uint8Array, onNameless?: Nameless): Inode {
    return removeDirectory(this.current(directory), name, onNameless);
  }

  /** @throws FsError EXDEV, EINVAL (below itself), ENOTEMPTY, EEXIST (`noreplace`), ENOTDIR, EISDIR, ENOKEY */
  rename(
    from: Inode,
    oldName: Uint8Array,
    to: Inode,
    newName: Uint8Array,
    mode: RenameMode = 'replace',
    onNameless?: Nameless,
  ): void {
    if (mode === 'exchange') exchangeNames(this.current(from), oldName, this.current(to), newName);
    else renameName(this.current(from), oldName, this.current(to), newName, mode, onNameless);
  }

  // --- attributes ---

  /** The target, in its no-key form without the key. @throws FsError EINVAL if it is no symlink */
  readlink(inode: Inode): Uint8Array {
    return readTarget(this.current(inode));
  }

  stat(inode: Inode): Attributes {
    return attributesOf(this.current(inode));
  }

  setAttributes(inode: Inode, changes: AttributeChanges): void {
    setAttributes(this.current(inode), changes);
  }

  /** @throws FsError ENODATA */
  getXattr(inode: Inode, name: Uint8Array): Uint8Array {
    return getXattr(this.current(inode), name);
  }

  /** The value of an attribute; undefined if there is none of this name. */
  findXattr(inode: Inode, name: Uint8Array): Uint8Array | undefined {
    return readXattr(this.current(inode), name);
  }

  /** Names of all extended attributes. */
  listXattr(inode: Inode): Uint8Array[] {
    return listXattrs(this.current(inode));
  }

  /** @throws FsError EEXIST (`create`), ENODATA (`replace`), ERANGE, E2BIG, ENOSPC, EOPNOTSUPP (unknown namespace) */
  setXattr(inode: Inode, name: Uint8Array, value: Uint8Array, mode: XattrMode = 'either'): void {
    setXattr(this.current(inode), name, value, mode);
  }

  removeXattr(inode: Inode, name: Uint8Array): void {
    removeXattr(this.current(inode), name);
  }

  // --- encryption ---

  /** Where new extents of encrypted files keep their context; undefined where encryption is off. */
  get layout(): ContextLayout | undefined {
    this.knownLayout ??= findLayout(this);
    return this.knownLayout;
  }

  /** Turns encryption on for a volume without it. Durable on return. @throws FsError EEXIST, EROFS */
  enableEncryption(layout: ContextLayout): void {
    enableEncryption(this, layout);
    this.knownLayout = layout;
    this.commit();
  }

  /**
   * Encrypts an empty directory: what is made in it from now on.
   *
   * @param asOwner - false for a user who neither owns the directory nor has CAP_FOWNER
   * @param mayNameAbsentKey - CAP_FOWNER: the key may be added later
   * @throws FsError EROFS, EACCES, ENOTDIR, EEXIST, ENOTEMPTY, EINVAL, ENOKEY, EOPNOTSUPP, checked in this order
   */
  setPolicy(directory: Inode, policy: Policy, asOwner = true, mayNameAbsentKey = true): void {
    setPolicy(this.current(directory), policy, asOwner, mayNameAbsentKey);
  }

  /** The policy and nonce of an encrypted inode. @throws FsError ENODATA if it is plain */
  policy(inode: Inode): { policy: Policy; nonce: Uint8Array | undefined } {
    const { policy, context } = this.current(inode);
    if (policy === undefined) throw new FsError('ENODATA', `${inode.describe()} has no encryption policy`);
    return { policy, nonce: context?.nonce };
  }

  /**
   * Removes a key: what is dirty is written first, what was decrypted with it is dropped.
   *
   * @returns as {@link Keyring.status}: `incompletelyRemoved` while open files use it
   */
  removeKey(identifier: Uint8Array): 'absent' | 'present' | 'incompletelyRemoved' {
    if (this.writeback.inodes.size > 0) this.commit();
    this.keyring.remove(identifier);
    for (const subvolume of this.subvolumes.values()) {
      for (const inode of subvolume.cachedInodes()) {
        inode.lastName = undefined;
        if (inode.openCount === 0) inode.dropData();
      }
    }
    return this.keyring.status(identifier);
  }

  // --- open files ---

  /**
   * Keeps an inode, and for an encrypted file its key, for as long as a file is open.
   *
   * @param directory - the one it was found in
   * @throws FsError ENOKEY, EPERM (its policy is not its directory's)
   */
  openInode(inode: Inode, directory?: Inode): Inode {
    return openInode(this.current(inode), directory);
  }

  /** Undoes one {@link openInode}; the last one deletes an inode that has no name left. */
  closeInode(inode: Inode): void {
    closeInode(inode);
  }

  // --- transactions ---

  /** @throws FsError EROFS, saying why */
  assertWritable(subvolume: Subvolume): void {
    if (!this.transaction.writable) {
      throw new FsError('EROFS', `the volume is read-only: ${this.transaction.readOnlyReasons.join('; ')}`);
    }
    if (subvolume.readOnly) throw new FsError('EROFS', `subvolume ${subvolume.id} is read-only`);
  }

  /**
   * Runs one step of changes, which `work` must be sure to finish: what can fail has been checked.
   * The items of the inodes it changes are written by the next commit, if not before.
   *
   * @param items - upper bound of tree items inserted, changed or removed, those of inodes included
   * @throws FsError ENOSPC, EROFS before `work`; an error of `work` itself turns the volume read-only
   */
  change<T>(items: number, work: () => T, options: Reservation = {}): T {
    const { transaction } = this;
    transaction.reserve(items, options);
    const result = transaction.change(work);
    if (transaction.needsCommit) transaction.commit();
    else this.writeback.settleIfMany();
    return result;
  }

  /** Makes everything done so far durable: file data, inodes, trees, superblock. @throws FsError EROFS, EIO */
  commit(): void {
    this.transaction.commit();
  }

  /**
   * Commits if there is anything to commit; on a volume that is read-only there is nothing.
   *
   * @throws FsError EIO, also when an earlier failure lost what had not been durable
   */
  sync(): void {
    const { failure, writable } = this.transaction;
    if (failure !== undefined) throw new FsError('EIO', failure);
    if (writable) this.commit();
  }

  /** Makes what was written to one inode durable. @throws FsError EIO, EROFS, ENOSPC, ENOKEY */
  fsync(inode: Inode): void {
    fsync(this.current(inode));
  }

  /** Makes everything durable and lets go of the inodes. The device stays open; it is the caller's. */
  close(): void {
    if (this.transaction.writable) this.commit();
    this.forgetAll();
  }

  /** The layout is from now on written in the volume, even before it holds an encrypted extent. */
  rememberLayout(): void {
    rememberLayout(this);
  }

  /** Also when a transaction failed: what is in memory belongs to it and must not be seen any more. */
  private forgetAll(): void {
    this.writeback.bytes = 0;
    for (const id of [...this.subvolumes.keys()]) this.forgetSubvolume(id);
  }
}
