/** Modes and device numbers, as `struct stat` has them. */
import { FT_BLKDEV, FT_CHRDEV, FT_DIR, FT_FIFO, FT_REG_FILE, FT_SOCK, FT_SYMLINK } from '../format/index.js';

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
/** Everything of a mode that chmod can change. */
export const S_IALLUGO = 0o7777;

const FILE_TYPES: ReadonlyMap<number, number> = new Map([
  [S_IFREG, FT_REG_FILE],
  [S_IFDIR, FT_DIR],
  [S_IFLNK, FT_SYMLINK],
  [S_IFCHR, FT_CHRDEV],
  [S_IFBLK, FT_BLKDEV],
  [S_IFIFO, FT_FIFO],
  [S_IFSOCK, FT_SOCK],
]);

/** The type of a directory entry (FT_*) for a mode; undefined if the mode has no type that exists. */
export function fileTypeOf(mode: number): number | undefined {
  return FILE_TYPES.get(mode & S_IFMT);
}

/** Whether contents (or names, or a target) of such an inode are encrypted in an encrypted directory. */
export function canBeEncrypted(mode: number): boolean {
  return [S_IFREG, S_IFDIR, S_IFLNK].includes(mode & S_IFMT);
}

/** Whether the inode is a device, and so has a device number. */
export function isDevice(mode: number): boolean {
  return [S_IFCHR, S_IFBLK].includes(mode & S_IFMT);
}

const MINOR_BITS = 20;

/** From `struct stat` (glibc's makedev, 32 bits) to the kernel's own form on disk: major << 20 | minor. */
export function toDiskDevice(rdev: number): number {
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return ((major << MINOR_BITS) | minor) >>> 0;
}

/** The way back from {@link toDiskDevice}. */
export function fromDiskDevice(rdev: number): number {
  const low = rdev % 0x1_0000_0000;
  const major = low >>> MINOR_BITS;
  const minor = low & 0xfffff;
  return ((minor & 0xff) | (major << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}
