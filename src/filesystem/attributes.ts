/** What `stat` shows of an inode, and changing it. */
import { FsError, isFsError, roundUp, type Timespec } from '../bytes/index.js';
import { accessAclOf, chmodAcl, POSIX_ACL_ACCESS } from './acl.js';
import type { Inode } from './inode.js';
import { shownLinks } from './link-count.js';
import { assertChangeable } from './lookup.js';
import { fromDiskDevice, S_IALLUGO, S_ISGID, S_ISUID, S_IXGRP } from './mode.js';
import { assertKey } from './policies.js';
import { readTarget } from './symlink.js';
import { writeXattr } from './xattr-items.js';

const BLOCK = 512;
/** The inode and its access ACL. */
const ITEMS_OF_ATTRIBUTES = 2;

export interface Attributes {
  readonly ino: number;
  /** Id of the subvolume: inode numbers repeat in others. */
  readonly root: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. Of an encrypted symlink: of the target as {@link Filesystem.readlink} gives it. */
  readonly size: number;
  /** As in `struct stat`. */
  readonly rdev: number;
  /** Of 512 bytes. */
  readonly blocks: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
  /** Creation. */
  readonly otime: Timespec;
  readonly encrypted: boolean;
}

export interface AttributeChanges {
  /** Permission bits. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atime?: Timespec;
  readonly mtime?: Timespec;
  /** Bytes; of regular files. */
  readonly size?: number;
}

export function attributesOf(inode: Inode): Attributes {
  const { item, ino, subvolume } = inode;
  const { mode, uid, gid, atime, mtime, ctime, otime } = item;
  return {
    ino,
    root: subvolume.id,
    mode,
    nlink: subvolume.filesystem.countsLinks ? shownLinks(inode) : item.nlink,
    uid,
    gid,
    size: inode.isSymlink && inode.encrypted ? targetLength(inode) : item.size,
    rdev: fromDiskDevice(item.rdev),
    blocks: roundUp(item.nbytes, subvolume.filesystem.transaction.volume.sectorsize) / BLOCK,
    atime,
    mtime,
    ctime,
    otime,
    encrypted: inode.encrypted,
  };
}

/** POSIX wants the length of what readlink gives. A damaged target does not keep the inode from being listed. */
function targetLength(inode: Inode): number {
  try {
    return readTarget(inode).length;
  } catch (error) {
    if (!isFsError(error, 'EUCLEAN')) throw error;
    return inode.item.size;
  }
}

/** @throws FsError EROFS, EPERM, ENOSPC; with a size EISDIR, EINVAL, ENOKEY, EFBIG */
export function setAttributes(inode: Inode, changes: AttributeChanges): void {
  if (changes.size !== undefined) assertHasSize(inode);
  assertChangeable(inode);
  if (changes.size !== undefined) truncate(inode, changes.size);
  const acl = changes.mode === undefined ? undefined : accessAclOf(inode);
  inode.filesystem.change(ITEMS_OF_ATTRIBUTES, () => {
    changeOwner(inode, changes);
    const { mode, atime, mtime } = changes;
    if (mode !== undefined) {
      inode.item.mode = inode.item.mode - (inode.item.mode & S_IALLUGO) + (mode & S_IALLUGO);
      if (acl !== undefined) writeXattr(inode, POSIX_ACL_ACCESS, chmodAcl(acl, mode));
    }
    inode.touch('attributes');
    if (atime !== undefined) inode.item.atime = atime;
    if (mtime !== undefined) inode.item.mtime = mtime;
  });
}

function assertHasSize(inode: Inode): void {
  if (inode.isDirectory) throw new FsError('EISDIR', `${inode.describe()} is a directory`);
  if (!inode.isRegular) throw new FsError('EINVAL', `${inode.describe()} is no regular file`);
}

function truncate(inode: Inode, size: number): void {
  assertKey(inode);
  inode.data.truncate(size);
}

/** A new owner takes the set-id bits away, as chown(2) says. */
function changeOwner({ item, isDirectory }: Inode, { uid, gid }: AttributeChanges): void {
  if (uid === undefined && gid === undefined) return;
  item.uid = uid ?? item.uid;
  item.gid = gid ?? item.gid;
  if (isDirectory) return;
  item.mode &= ~S_ISUID;
  if ((item.mode & S_IXGRP) !== 0) item.mode &= ~S_ISGID;
}
