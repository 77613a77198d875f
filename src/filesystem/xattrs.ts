/** Extended attributes: what names and values they may have, and what setting one entails. */
import { equalBytes, FsError } from '../bytes/index.js';
import { XATTR_NAME_MAX } from '../format/index.js';
import { checkedAcl, isAclName, modeOfAcl, POSIX_ACL_ACCESS } from './acl.js';
import type { Inode } from './inode.js';
import { assertChangeable } from './lookup.js';
import { checkRoomForXattr, readXattr, writeXattr } from './xattr-items.js';

/** The attribute's item and the inode's. */
const ITEMS_OF_XATTR = 2;
/** XATTR_SIZE_MAX of linux include/uapi/linux/limits.h. */
const XATTR_SIZE_MAX = 65536;
const NAMESPACES = ['user.', 'trusted.', 'security.'];
/** The one property that the kernel knows in its own namespace. */
const COMPRESSION_PROPERTY = 'btrfs.compression';

/** `either` makes or replaces, `create` only makes (EEXIST), `replace` only replaces (ENODATA). */
export type XattrMode = 'either' | 'create' | 'replace';

/** @throws FsError ENODATA */
export function getXattr(inode: Inode, name: Uint8Array): Uint8Array {
  const value = readXattr(inode, name);
  if (value === undefined) throw new FsError('ENODATA', `${inode.describe()} has no such attribute`);
  return value;
}

/** @throws FsError EEXIST, ENODATA, ERANGE, E2BIG, EINVAL, EACCES, EPERM, EOPNOTSUPP, ENOSPC, EROFS */
export function setXattr(inode: Inode, name: Uint8Array, value: Uint8Array, mode: XattrMode): void {
  checkXattrName(inode, name);
  if (value.length > XATTR_SIZE_MAX)
    throw new FsError('E2BIG', `an attribute has at most ${XATTR_SIZE_MAX} bytes, not ${value.length}`);
  assertChangeable(inode);
  const exists = readXattr(inode, name) !== undefined;
  if (exists && mode === 'create') throw new FsError('EEXIST', `${inode.describe()} has such an attribute`);
  if (!exists && mode === 'replace') throw new FsError('ENODATA', `${inode.describe()} has no such attribute`);
  if (isAclName(name)) {
    setAcl(inode, name, value, exists);
    return;
  }
  checkRoomForXattr(inode, name, value);
  inode.filesystem.change(ITEMS_OF_XATTR, () => {
    writeXattr(inode, name, value);
    inode.touch('attributes');
  });
}

/** @throws FsError ENODATA, EROFS */
export function removeXattr(inode: Inode, name: Uint8Array): void {
  checkXattrName(inode, name);
  assertChangeable(inode);
  getXattr(inode, name);
  inode.filesystem.change(ITEMS_OF_XATTR, () => {
    writeXattr(inode, name, undefined);
    inode.touch('attributes');
  });
}

/** An access ACL that says no more than a mode can becomes the mode. */
function setAcl(inode: Inode, name: Uint8Array, value: Uint8Array, exists: boolean): void {
  if (inode.isSymlink) throw new FsError('EOPNOTSUPP', 'a symlink has no access control list');
  const acl = checkedAcl(value);
  const isAccess = equalBytes(name, POSIX_ACL_ACCESS);
  if (!isAccess && !inode.isDirectory && acl !== undefined) {
    throw new FsError('EACCES', 'only a directory has a default access control list');
  }
  checkRoomForXattr(inode, name, value);
  const modeOf = isAccess && acl !== undefined ? modeOfAcl(acl) : undefined;
  const isStored = acl !== undefined && modeOf?.isWhole !== true;
  inode.filesystem.change(ITEMS_OF_XATTR, () => {
    if (modeOf !== undefined) inode.item.mode = inode.item.mode - (inode.item.mode & 0o777) + modeOf.mode;
    if (isStored) writeXattr(inode, name, value);
    else if (exists) writeXattr(inode, name, undefined);
    inode.touch('attributes');
  });
}

function checkXattrName(inode: Inode, name: Uint8Array): void {
  if (name.length === 0 || name.length > XATTR_NAME_MAX) {
    throw new FsError('ERANGE', `the name of an attribute has 1 to ${XATTR_NAME_MAX} bytes, not ${name.length}`);
  }
  if (name.includes(0)) throw new FsError('EINVAL', 'the name of an attribute cannot hold NUL');
  const text = Buffer.from(name).toString('latin1');
  const namespace = NAMESPACES.find((prefix) => text.startsWith(prefix));
  if (namespace === undefined) {
    if (isAclName(name) || text === COMPRESSION_PROPERTY) return;
    throw new FsError('EOPNOTSUPP', `attributes named ${JSON.stringify(text)} are not supported`);
  }
  if (text.length === namespace.length) throw new FsError('EINVAL', `${text} is no whole attribute name`);
  if (namespace === 'user.' && !inode.isRegular && !inode.isDirectory) {
    throw new FsError('EPERM', 'only files and directories have attributes of users');
  }
}
