/**
 * One inode of an open volume: its item, its encryption context, and who uses it.
 *
 * Changes collect in memory (`markDirty`) and reach the tree when the filesystem commits; file
 * contents are the business of `data/`.
 */
import { corrupt, invariant, type Timespec } from '../bytes/index.js';
import {
  encodeInodeItem,
  FSCRYPT_INODE_CTX_KEY,
  INODE_ENCRYPT,
  INODE_ITEM_KEY,
  type InodeItem,
  Key,
} from '../format/index.js';
import { type InodeContext, type KeyHold, type Keyring, type Policy, parseInodeContext } from '../fscrypt/index.js';
import { FileData } from './data/file-data.js';
import type { Filesystem } from './filesystem.js';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from './mode.js';
import type { KeptNames, NewName } from './new-names.js';
import { inheritedPolicy } from './policies.js';
import type { Subvolume } from './subvolume.js';

export class Inode {
  readonly subvolume: Subvolume;
  readonly ino: number;
  /** Decoded; call {@link markDirty} or {@link touch} after changing it. */
  readonly item: InodeItem;
  /** How many open files use it. An open inode outlives its last name. */
  openCount = 0;
  /** Changed outside a step of changes, by writing data: the next commit writes it. */
  isDirty = false;
  /** The running transaction's log has all that was changed. */
  isLogged = false;
  /** The transaction in which it was changed in ways that only a commit can make durable. */
  commitNeededIn: number | undefined;
  /** Used since the cache last looked for inodes to drop. */
  isRecent = true;
  /** Dropped from the cache: a later use must ask for the inode anew. */
  isDetached = false;
  /**
   * Made without a name, which it may be given once: every other inode that has lost its names has lost
   * them for good.
   */
  isUnnamed = false;
  /** Set once its last item is gone from the tree. */
  isDeleted = false;
  /** The use of its key while it is open, which outlives the key's removal. */
  hold: KeyHold | undefined;
  /** The directory through which it was found and checked; see lookup.ts. */
  checkedParent: number | undefined;
  /** Of a directory: the stored name by which it was found there. */
  checkedName: Uint8Array | undefined;
  /** Whether it may have extended attributes, once known: most inodes have none and are asked often. */
  hasXattrs: boolean | undefined;
  /** Of an encrypted directory: the name asked for last and its stored form, under one generation of the keyring. */
  lastName: { readonly shown: Uint8Array; readonly stored: Uint8Array; readonly generation: number } | undefined;
  /** Highest DIR_INDEX offset in use, once known. */
  lastSequence: number | undefined;
  /** The name it was made with, and of a directory names it gave up, both lately: see new-names.ts. */
  newName: NewName | undefined;
  keptNames: KeptNames | undefined;
  /** Of a directory: see link-count.ts. */
  shownLinks: number | undefined;
  private reported: Set<string> | undefined;
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
    this.needCommit();
    this.item.flags |= INODE_ENCRYPT;
    this.knownPolicy = policy;
    this.knownContext = context;
  }

  /** Contents of a regular file. */
  get data(): FileData {
    if (!this.isRegular) invariant(false, `inode ${this.ino} is a regular file`);
    this.knownData ??= new FileData(this);
    return this.knownData;
  }

  /** The contents if something has used them already: what may hold dirty bytes. */
  get loadedData(): FileData | undefined {
    return this.knownData;
  }

  /** Lets go of what was read or decrypted; nothing may be dirty. */
  dropData(): void {
    // With it goes what says which of its extents the log does not have yet.
    if (this.knownData !== undefined && this.knownData.unlogged.length > 0) this.needCommit();
    this.knownData?.forget();
    this.knownData = undefined;
  }

  /** Where the ciphers of its contents come from: the key it holds while open, or the keyring. */
  get keys(): Pick<Keyring, 'assertCanEncrypt' | 'contentsCipher' | 'filenamesCipher'> {
    return this.hold ?? this.filesystem.keyring;
  }

  /** The inode's item will be written: with the step of changes under way, else at the next commit. */
  markDirty(): void {
    this.isLogged = false;
    if (this.isDetached) invariant(false, `inode ${this.ino} is in use but no longer cached`);
    if (!this.isDeleted) this.filesystem.writeback.add(this);
  }

  /** Notes a change that a log cannot tell: until the next commit, fsync commits. */
  needCommit(): void {
    this.commitNeededIn = this.filesystem.transaction.transid;
  }

  /** Notes a change now: ctime, with `contents` also mtime, and the change counter. */
  touch(what: 'attributes' | 'contents'): void {
    const now: Timespec = this.filesystem.transaction.clock.now();
    this.item.ctime = now;
    if (what === 'contents') this.item.mtime = now;
    this.item.sequence = (this.item.sequence + 1) % Number.MAX_SAFE_INTEGER;
    this.markDirty();
  }

  /** Writes the item into its tree. Part of a step of changes or a commit. */
  write(): void {
    if (this.isDeleted) return;
    this.item.transid = this.filesystem.transaction.transid;
    const place = this.subvolume.tree.change(new Key(this.ino, INODE_ITEM_KEY, 0));
    if (place === undefined) throw corrupt(this.describe(), 'its item is gone');
    encodeInodeItem(place.view, place.at, this.item);
  }

  /** Reports a fault of the inode the first time it is seen. */
  warnOnce(fault: string): void {
    this.reported ??= new Set();
    if (this.reported.has(fault)) return;
    this.reported.add(fault);
    this.filesystem.transaction.volume.warn(`${this.describe()} ${fault}`);
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
