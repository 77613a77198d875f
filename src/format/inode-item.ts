/**
 * Inode item: what `stat` shows, and the inode's flags.
 *
 * On disk: `struct btrfs_inode_item`. Key: (inode, INODE_ITEM, 0). A root item begins with one.
 */
import { readU53, readU64, type Timespec, writeU53, writeU64 } from '../bytes/index.js';
import { decodeTimespec, encodeTimespec } from './timespec.js';

export const INODE_ITEM = {
  generation: 0,
  transid: 8,
  size: 16,
  nbytes: 24,
  blockGroup: 32,
  nlink: 40,
  uid: 44,
  gid: 48,
  mode: 52,
  rdev: 56,
  flags: 64,
  sequence: 72,
  reserved: 80,
  atime: 112,
  ctime: 124,
  mtime: 136,
  otime: 148,
  SIZE: 160,
} as const;

export const INODE_NODATASUM = 1n << 0n;
export const INODE_NODATACOW = 1n << 1n;
export const INODE_READONLY = 1n << 2n;
export const INODE_NOCOMPRESS = 1n << 3n;
export const INODE_PREALLOC = 1n << 4n;
export const INODE_SYNC = 1n << 5n;
export const INODE_IMMUTABLE = 1n << 6n;
export const INODE_APPEND = 1n << 7n;
export const INODE_NODUMP = 1n << 8n;
export const INODE_NOATIME = 1n << 9n;
export const INODE_DIRSYNC = 1n << 10n;
export const INODE_COMPRESS = 1n << 11n;
export const INODE_ENCRYPT = 1n << 12n;
/** Set in the inode that a root item embeds. */
export const INODE_ROOT_ITEM_INIT = 1n << 31n;
/** In the upper half, where unknown bits only forbid writing. */
export const INODE_RO_VERITY = 1n << 32n;

export interface InodeItem {
  generation: number; // transaction that created the inode
  transid: number; // transaction of the last change
  size: number; // bytes; of a directory, twice the sum of its name lengths
  nbytes: number; // bytes of extents, holes left out
  blockGroup: number; // 0
  nlink: number;
  uid: number;
  gid: number;
  mode: number; // type and permission bits as in `struct stat`
  rdev: number; // the kernel's device number: major << 20 | minor
  flags: bigint; // INODE_* bits
  sequence: number; // counts changes
  atime: Timespec;
  ctime: Timespec;
  mtime: Timespec;
  otime: Timespec; // creation
}

export function decodeInodeItem(view: DataView, at: number): InodeItem {
  return {
    generation: readU53(view, at + INODE_ITEM.generation),
    transid: readU53(view, at + INODE_ITEM.transid),
    size: readU53(view, at + INODE_ITEM.size),
    nbytes: readU53(view, at + INODE_ITEM.nbytes),
    blockGroup: readU53(view, at + INODE_ITEM.blockGroup),
    nlink: view.getUint32(at + INODE_ITEM.nlink, true),
    uid: view.getUint32(at + INODE_ITEM.uid, true),
    gid: view.getUint32(at + INODE_ITEM.gid, true),
    mode: view.getUint32(at + INODE_ITEM.mode, true),
    rdev: readU53(view, at + INODE_ITEM.rdev),
    flags: readU64(view, at + INODE_ITEM.flags),
    sequence: readU53(view, at + INODE_ITEM.sequence),
    atime: decodeTimespec(view, at + INODE_ITEM.atime),
    ctime: decodeTimespec(view, at + INODE_ITEM.ctime),
    mtime: decodeTimespec(view, at + INODE_ITEM.mtime),
    otime: decodeTimespec(view, at + INODE_ITEM.otime),
  };
}

export function encodeInodeItem(view: DataView, at: number, inode: InodeItem): void {
  writeU53(view, at + INODE_ITEM.generation, inode.generation);
  writeU53(view, at + INODE_ITEM.transid, inode.transid);
  writeU53(view, at + INODE_ITEM.size, inode.size);
  writeU53(view, at + INODE_ITEM.nbytes, inode.nbytes);
  writeU53(view, at + INODE_ITEM.blockGroup, inode.blockGroup);
  view.setUint32(at + INODE_ITEM.nlink, inode.nlink, true);
  view.setUint32(at + INODE_ITEM.uid, inode.uid, true);
  view.setUint32(at + INODE_ITEM.gid, inode.gid, true);
  view.setUint32(at + INODE_ITEM.mode, inode.mode, true);
  writeU53(view, at + INODE_ITEM.rdev, inode.rdev);
  writeU64(view, at + INODE_ITEM.flags, inode.flags);
  writeU53(view, at + INODE_ITEM.sequence, inode.sequence);
  encodeTimespec(view, at + INODE_ITEM.atime, inode.atime);
  encodeTimespec(view, at + INODE_ITEM.ctime, inode.ctime);
  encodeTimespec(view, at + INODE_ITEM.mtime, inode.mtime);
  encodeTimespec(view, at + INODE_ITEM.otime, inode.otime);
}
