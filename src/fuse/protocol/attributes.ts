/** Attributes of inodes as replies carry them. */
import { writeId } from '../../bytes/index.js';
import type { Attributes } from '../../filesystem/index.js';
import { FS_TREE_OBJECTID } from '../../format/index.js';
import { ATTR, ATTR_OUT, ENTRY_OUT, STATX, STATX_OUT } from './layouts.js';
import type { Reply } from './reply.js';

/** Seconds for which the kernel may believe what it was told: nobody else changes the volume. */
export const CACHE_SECONDS = 86_400;
const BLOCK_SIZE = 4096;
/** The upper half of a shown inode number counts these per subvolume. */
const SUBVOLUME_STEP = 256;
/** The same, in bits of the whole number. */
const SUBVOLUME_SHIFT = 40n;
const TWO_32 = 0x1_0000_0000;
/** STATX_BASIC_STATS and STATX_BTIME of statx(2). */
const STATX_ALL = 0x7ff | 0x800;

/**
 * Writes the inode number that programs see. Numbers repeat in every snapshot, but a mount has one
 * device number only; so the subvolume's id goes into the upper bits.
 */
export function putIno(reply: Reply, at: number, subvolumeId: number, ino: number): void {
  const above = subvolumeId === FS_TREE_OBJECTID ? 0 : subvolumeId * SUBVOLUME_STEP;
  reply.u32(at, ino % TWO_32);
  reply.u32(at + 4, (Math.floor(ino / TWO_32) + above) % TWO_32);
}

/** The inode behind a number that {@link putIno} wrote. */
export function inodeShownAs(shown: bigint): { root: number; ino: number } {
  const root = Number(shown >> SUBVOLUME_SHIFT);
  return { root: root === 0 ? FS_TREE_OBJECTID : root, ino: Number(shown & ((1n << SUBVOLUME_SHIFT) - 1n)) };
}

function putAttr(reply: Reply, at: number, attributes: Attributes): void {
  const { view } = reply;
  putIno(reply, at + ATTR.ino, attributes.root, attributes.ino);
  reply.u64(at + ATTR.size, attributes.size);
  reply.u64(at + ATTR.blocks, attributes.blocks);
  writeId(view, at + ATTR.atime, attributes.atime.sec);
  writeId(view, at + ATTR.mtime, attributes.mtime.sec);
  writeId(view, at + ATTR.ctime, attributes.ctime.sec);
  reply.u32(at + ATTR.atimensec, attributes.atime.nsec);
  reply.u32(at + ATTR.mtimensec, attributes.mtime.nsec);
  reply.u32(at + ATTR.ctimensec, attributes.ctime.nsec);
  reply.u32(at + ATTR.mode, attributes.mode);
  reply.u32(at + ATTR.nlink, attributes.nlink);
  reply.u32(at + ATTR.uid, attributes.uid);
  reply.u32(at + ATTR.gid, attributes.gid);
  reply.u32(at + ATTR.rdev, attributes.rdev);
  reply.u32(at + ATTR.blksize, BLOCK_SIZE);
}

/** Appends the answer to GETATTR and SETATTR. */
export function appendAttributes(reply: Reply, attributes: Attributes): void {
  const at = reply.append(ATTR_OUT.SIZE);
  reply.u64(at + ATTR_OUT.attrValid, CACHE_SECONDS);
  putAttr(reply, at + ATTR_OUT.attr, attributes);
}

/** Fills an entry: what a name leads to. */
export function putEntry(reply: Reply, at: number, nodeid: number, attributes: Attributes, nameSeconds: number): void {
  reply.u64(at + ENTRY_OUT.nodeid, nodeid);
  reply.u64(at + ENTRY_OUT.entryValid, nameSeconds);
  reply.u64(at + ENTRY_OUT.attrValid, CACHE_SECONDS);
  putAttr(reply, at + ENTRY_OUT.attr, attributes);
}

/** Appends the answer that there is no such name. */
export function appendNoEntry(reply: Reply, nameSeconds: number): void {
  const at = reply.append(ENTRY_OUT.SIZE);
  reply.u64(at + ENTRY_OUT.entryValid, nameSeconds);
}

/** Appends the answer to STATX. */
export function appendStatx(reply: Reply, attributes: Attributes): void {
  const { view } = reply;
  const at = reply.append(STATX_OUT.SIZE);
  reply.u64(at + STATX_OUT.attrValid, CACHE_SECONDS);
  const stat = at + STATX_OUT.stat;
  reply.u32(stat + STATX.mask, STATX_ALL);
  reply.u32(stat + STATX.blksize, BLOCK_SIZE);
  reply.u32(stat + STATX.nlink, attributes.nlink);
  reply.u32(stat + STATX.uid, attributes.uid);
  reply.u32(stat + STATX.gid, attributes.gid);
  view.setUint16(stat + STATX.mode, attributes.mode, true);
  putIno(reply, stat + STATX.ino, attributes.root, attributes.ino);
  reply.u64(stat + STATX.size, attributes.size);
  reply.u64(stat + STATX.blocks, attributes.blocks);
  const times = { atime: attributes.atime, btime: attributes.otime, ctime: attributes.ctime, mtime: attributes.mtime };
  for (const name of ['atime', 'btime', 'ctime', 'mtime'] as const) {
    writeId(view, stat + STATX[name], times[name].sec);
    reply.u32(stat + STATX[name] + 8, times[name].nsec);
  }
  reply.u32(stat + STATX.rdevMajor, (attributes.rdev >>> 8) & 0xfff);
  reply.u32(stat + STATX.rdevMinor, (attributes.rdev & 0xff) | ((attributes.rdev >>> 12) & 0xfff00));
}
