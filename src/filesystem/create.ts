/** Making inodes: files, directories, special files and symlinks, plain or encrypted as their directory is. */
import { FsError, invariant } from '../bytes/index.js';
import {
  encodeInodeItem,
  FSCRYPT_INODE_CTX_KEY,
  INODE_COMPRESS,
  INODE_ENCRYPT,
  INODE_ITEM,
  INODE_ITEM_KEY,
  INODE_NOCOMPRESS,
  INODE_NODATACOW,
  INODE_NODATASUM,
  type InodeItem,
  Key,
} from '../format/index.js';
import { encodeInodeContext, type InodeContext, newInodeContext } from '../fscrypt/index.js';
import type { Transaction } from '../transaction/index.js';
import type { Tree } from '../tree/index.js';
import { type InheritedXattrs, inheritedXattrs } from './acl.js';
import { addEntry, addName, checkRoomForEntry, nextSequence } from './entries.js';
import type { Inode } from './inode.js';
import { assertChangeable } from './lookup.js';
import {
  canBeEncrypted,
  fileTypeOf,
  isDevice,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
  toDiskDevice,
} from './mode.js';
import { assertCanName, checkNewName, findShown, storedName } from './names.js';
import { noteNewName } from './new-names.js';
import { insertOrphan } from './orphan-items.js';
import { insertTarget, storedTarget } from './symlink.js';
import { writeXattr } from './xattr-items.js';

export interface Creation {
  /** File type and permission bits. */
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** As in `struct stat`; of devices only. */
  readonly rdev?: number;
}

/** Items of a new inode and its name: item, ref, context, dir item, dir index, directory's item, target. */
const ITEMS_OF_CREATION = 7;

/** What a new inode takes from the directory it is made in. */
interface Inheritance {
  readonly mode: number;
  readonly gid: number;
  readonly flags: bigint;
  readonly xattrs: InheritedXattrs['xattrs'];
  readonly context: InodeContext | undefined;
}

/**
 * Makes any inode but a symlink.
 *
 * @throws FsError EEXIST, ENOTDIR, ENAMETOOLONG, EROFS, EPERM, ENOKEY, EINVAL, ENOSPC
 */
export function createNode(directory: Inode, name: Uint8Array, creation: Creation): Inode {
  if (fileTypeOf(creation.mode) === undefined || (creation.mode & S_IFMT) === S_IFLNK) {
    throw new FsError('EINVAL', `mode 0${creation.mode.toString(8)} is of no type that can be made`);
  }
  const stored = nameForCreation(directory, name);
  const inheritance = inherit(directory, creation);
  return directory.filesystem.change(ITEMS_OF_CREATION + inheritance.xattrs.length, () => {
    const inode = insertInode(directory, creation, inheritance);
    nameInode(directory, inode, stored);
    return inode;
  });
}

/**
 * Makes a regular file without a name, which {@link linkInode} may give it as long as it is open.
 *
 * @throws FsError ENOTDIR, ENOENT, EROFS, ENOKEY, ENOSPC
 */
export function createUnnamed(directory: Inode, creation: Creation): Inode {
  assertCanHold(directory);
  assertChangeable(directory);
  assertCanName(directory);
  const inheritance = inherit(directory, creation);
  return directory.filesystem.change(ITEMS_OF_CREATION + inheritance.xattrs.length, () => {
    const inode = insertInode(directory, creation, inheritance);
    inode.item.nlink = 0;
    inode.isUnnamed = true;
    insertOrphan(inode);
    inode.markDirty();
    return inode;
  });
}

/** @throws FsError as {@link createNode}, and ENOENT for an empty target */
export function createSymlink(directory: Inode, name: Uint8Array, target: Uint8Array, owner: Creation['owner']): Inode {
  const stored = nameForCreation(directory, name);
  const creation = { mode: S_IFLNK | 0o777, owner };
  const inheritance = inherit(directory, creation);
  const bytes = storedTarget(directory, inheritance.context, target);
  return directory.filesystem.change(ITEMS_OF_CREATION, () => {
    const inode = insertInode(directory, creation, inheritance);
    nameInode(directory, inode, stored);
    insertTarget(inode, bytes);
    return inode;
  });
}

/** Checks that a name can be made in a directory, and gives its stored form. */
export function nameForCreation(directory: Inode, name: Uint8Array): Uint8Array {
  if (!directory.isDirectory) throw new FsError('ENOTDIR', `${directory.describe()} is no directory`);
  checkNewName(name);
  assertCanHold(directory);
  if (findShown(directory, name) !== undefined)
    throw new FsError('EEXIST', `${directory.describe()} has such an entry`);
  assertChangeable(directory);
  const stored = storedName(directory, name);
  checkRoomForEntry(directory, stored);
  return stored;
}

/** @throws FsError ENOTDIR, or ENOENT for a directory that was removed while open */
function assertCanHold(directory: Inode): void {
  if (!directory.isDirectory) throw new FsError('ENOTDIR', `${directory.describe()} is no directory`);
  if (directory.item.nlink === 0) throw new FsError('ENOENT', `${directory.describe()} has been removed`);
}

/** As linux fs/btrfs/inode.c does in btrfs_create_new_inode, inode_init_owner and btrfs_inherit_iflags. */
function inherit(directory: Inode, { mode, owner }: Creation): Inheritance {
  const isSetgid = (directory.item.mode & S_ISGID) !== 0;
  const isDirectory = (mode & S_IFMT) === S_IFDIR;
  const { mode: maskedMode, xattrs } = inheritedXattrs(directory, mode);
  return {
    mode: isSetgid && isDirectory ? maskedMode | S_ISGID : maskedMode,
    gid: isSetgid ? directory.item.gid : owner.gid,
    flags: inheritedFlags(directory, mode),
    xattrs,
    context: inheritedContext(directory, mode),
  };
}

function inheritedFlags(directory: Inode, mode: number): bigint {
  const isRegular = (mode & S_IFMT) === S_IFREG;
  if (directory.encrypted) return canBeEncrypted(mode) ? INODE_ENCRYPT : 0n;
  let flags = directory.item.flags & (INODE_COMPRESS | INODE_NOCOMPRESS | INODE_NODATACOW);
  if (isRegular && (flags & INODE_NODATACOW) !== 0n) flags |= INODE_NODATASUM;
  return flags;
}

/** The context a new inode of this mode gets in `directory`. In layout `trailing` regular files have none. */
export function inheritedContext(directory: Inode, mode: number): InodeContext | undefined {
  if (!directory.encrypted || !canBeEncrypted(mode)) return undefined;
  const { policy, filesystem } = directory;
  if (policy === undefined)
    throw new FsError('ENOKEY', `${directory.describe()} has no encryption policy that can be read`);
  if (filesystem.layout === 'trailing' && (mode & S_IFMT) === S_IFREG) return undefined;
  return newInodeContext(policy, filesystem.transaction.random);
}

/** Inserts a new inode with all of its own items but a name. */
function insertInode(directory: Inode, creation: Creation, { xattrs, ...inheritance }: Inheritance): Inode {
  const { subvolume, filesystem, policy } = directory;
  const ino = subvolume.allocateIno();
  const item = newInodeItem(directory, creation, inheritance);
  insertInodeItem(subvolume.tree, ino, item);
  const inode = subvolume.addInode(ino, item);
  inode.hasXattrs = false;
  for (const xattr of xattrs) writeXattr(inode, xattr.name, xattr.value);
  if ((item.flags & INODE_ENCRYPT) !== 0n && policy !== undefined) {
    const { context } = inheritance;
    inode.adoptPolicy(policy, context);
    if (context !== undefined)
      subvolume.tree.insert(new Key(ino, FSCRYPT_INODE_CTX_KEY, 0), encodeInodeContext(context));
    filesystem.rememberLayout();
  }
  return inode;
}

/** Gives a new inode its first name. */
function nameInode(directory: Inode, inode: Inode, name: Uint8Array): void {
  const sequence = nextSequence(directory);
  addName(inode, { parent: directory.ino, sequence, name });
  const type = fileTypeOf(inode.item.mode);
  invariant(type !== undefined, 'a new inode has a type');
  addEntry(directory, { name, location: new Key(inode.ino, INODE_ITEM_KEY, 0), type }, sequence);
  noteNewName(inode, { parent: directory.ino, sequence, name });
  inode.checkedParent = directory.ino;
}

function newInodeItem(
  directory: Inode,
  creation: Creation,
  { mode, gid, flags }: Omit<Inheritance, 'xattrs'>,
): InodeItem {
  const owner = { uid: creation.owner.uid, gid };
  const item = freshInodeItem(directory.filesystem.transaction, mode, owner, flags);
  if (isDevice(mode)) item.rdev = toDiskDevice(creation.rdev ?? 0);
  return item;
}

/** The item of an inode made now: empty, with one name. */
export function freshInodeItem(
  { transid, clock }: Transaction,
  mode: number,
  { uid, gid }: Creation['owner'],
  flags: bigint,
): InodeItem {
  const now = clock.now();
  return {
    generation: transid,
    transid,
    size: 0,
    nbytes: 0,
    blockGroup: 0,
    nlink: 1,
    uid,
    gid,
    mode,
    rdev: 0,
    flags,
    sequence: 0,
    atime: now,
    ctime: now,
    mtime: now,
    otime: now,
  };
}

export function insertInodeItem(tree: Tree, ino: number, item: InodeItem): void {
  const { view, at } = tree.insertEmpty(new Key(ino, INODE_ITEM_KEY, 0), INODE_ITEM.SIZE);
  encodeInodeItem(view, at, item);
}
