/**
 * One inode of an open volume: its item, its encryption context, and who uses it.
 *
 * Changes collect in memory (`markDirty`) and reach the tree when the filesystem commits; file
 * contents are the business of `data/`.
 */
import { invariant, type Timespec } from '../bytes/index.js';
import { encodeInodeItem, FSCRYPT_INODE_CTX_KEY, INODE_ENCRYPT, INODE_ITEM_KEY, type InodeItem, Key } from '../format/index.js';
import { type InodeContext, type KeyHold, type Keyring, type Policy, parseInodeContext } from '../fscrypt/index.js';
import { FileData } from './data/file-data.js';
import type { Filesystem } from './filesystem.js';
import { inheritedPolicy } from './policies.js';
import type { Subvolume } from './subvolume.js';

/** File type bits of a mode, as in `struct stat`. */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_IXGRP = 0o0010;

export class Inode {
  readonly subvolume: Subvolume;
  readonly ino: number;
  /** Decoded; call {@link markDirty} or {@link touch} after changing it. */
  readonly item: InodeItem;
  /** How many open files use it. An open inode outlives its last name. */
  openCount = 0;
  /** Changed since it was last written to its tree. */
  isDirty = false;
  /** Dropped from the cache: a later use must ask for the inode anew. */
  isDetached = false;
  /** Set once its last item is gone from the tree. */
  isDeleted = false;
  /** The use of its key while it is open, which outlives the key's removal. */
  hold: KeyHold | undefined;
  /** Highest DIR_INDEX offset in use, once known. */
  lastSequence: number | undefined;
  private knownContext: InodeContext | undefined;
  private contextBytes: Uint8Array | null | undefined;
  private knownPolicy: Policy | undefined;
  private knownData: FileData | undefined;

  constructor(subvolume: Subvolume, ino: number, item: InodeItem) {
    this.subvolume = subvolume;
    this.ino = ino;
    this.item = item;
  }

  get filesystem(): Filesystem {
    return this.subvolume.filesystem;
  }

  get isDirectory(): boolean {
    return (this.item.mode & S_IFMT) === S_IFDIR;
  }

  get isRegular(): boolean {
    return (this.item.mode & S_IFMT) === S_IFREG;
  }

  get isSymlink(): boolean {
    return (this.item.mode & S_IFMT) === S_IFLNK;
  }

  /** Whether its contents (of a directory: its names) are ciphertext. */
  get encrypted(): boolean {
    return (this.item.flags & INODE_ENCRYPT) !== 0n;
  }

  /**
   * Its own fscrypt context: of an encrypted directory or symlink, and in the `item` layout of a regular file.
   *
   * @throws FsError EUCLEAN or EINVAL for bytes that are no context of version 2
   */
  get context(): InodeContext | undefined {
    if (!this.encrypted) return undefined;
    if (this.knownContext === undefined) {
      const bytes = this.readContextBytes();
      if (bytes !== null) this.knownContext = parseInodeContext(bytes);
    }
    return this.knownContext;
  }

  /**
   * The policy that new extents, and names in a directory, are encrypted by: its own, or for a
   * regular file without a context (layout `trailing`) that of its directory or its extents.
   *
   * @throws FsError as {@link context}
   */
  get policy(): Policy | undefined {
    if (!this.encrypted) return undefined;
    this.knownPolicy ??= this.context?.policy ?? (this.isRegular ? inheritedPolicy(this) : undefined);
    return this.knownPolicy;
  }

  /** Makes a new or formerly plain inode encrypted in memory; the caller stores the context, if it has one. */
  adoptPolicy(policy: Policy, context: InodeContext | undefined): void {
    this.item.flags |= INODE_ENCRYPT;
    this.knownPolicy = policy;
    this.knownContext = context;
  }

  /** Contents of a regular file. */
  get data(): FileData {
    invariant(this.isRegular, `inode ${this.ino} is a regular file`);
    this.knownData ??= new FileData(this);
    return this.knownData;
  }

  /** The contents if something has used them already: what may hold dirty bytes. */
  get loadedData(): FileData | undefined {
    return this.knownData;
  }

  /** Lets go of what was read or decrypted; nothing may be dirty. */
  dropData(): void {
    this.knownData = undefined;
  }

  /** Where the ciphers of its contents come from: the key it holds while open, or the keyring. */
  get keys(): Pick<Keyring, 'contentsCipher' | 'filenamesCipher'> {
    return this.hold ?? this.filesystem.keyring;
  }

  /** The inode's item will be written at the next commit. */
  markDirty(): void {
    invariant(!this.isDetached, `inode ${this.ino} is in use but no longer cached`);
    if (this.isDirty || this.isDeleted) return;
    this.isDirty = true;
    this.filesystem.dirtyInodes.add(this);
  }

  /** Notes a change now: ctime, with `contents` also mtime, and the change counter. */
  touch(what: 'attributes' | 'contents'): void {
    const now: Timespec = this.filesystem.transaction.clock.now();
    this.item.ctime = now;
    if (what === 'contents') this.item.mtime = now;
    this.item.sequence += 1;
    this.markDirty();
  }

  /** Writes the item into its tree. Part of a commit, which has room for it. */
  write(): void {
    this.isDirty = false;
    if (this.isDeleted) return;
    this.item.transid = this.filesystem.transaction.transid;
    const place = this.subvolume.tree.change(new Key(this.ino, INODE_ITEM_KEY, 0));
    invariant(place !== undefined, `${this.describe()} has an item`);
    encodeInodeItem(place.view, place.at, this.item);
  }

  /** For messages. */
  describe(): string {
    return `inode ${this.ino} of subvolume ${this.subvolume.id}`;
  }

  private readContextBytes(): Uint8Array | null {
    this.contextBytes ??= this.subvolume.tree.get(new Key(this.ino, FSCRYPT_INODE_CTX_KEY, 0))?.bytes() ?? null;
    return this.contextBytes;
  }
}
