/**
 * Numbers of the FUSE protocol, version 7.45, by the names of linux include/uapi/linux/fuse.h
 * without their `FUSE_` prefix.
 */

export const KERNEL_VERSION = 7;
/** The newest minor version spoken here, and the oldest: the one with `FUSE_SETXATTR_EXT`. */
export const KERNEL_MINOR_VERSION = 45;
export const OLDEST_MINOR_VERSION = 33;

export const ROOT_ID = 1;

export const OPCODE = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  IOCTL: 39,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
  COPY_FILE_RANGE_64: 53,
} as const;

/** `flags` of INIT. */
export const INIT_FLAG = {
  ASYNC_READ: 1 << 0,
  BIG_WRITES: 1 << 5,
  DONT_MASK: 1 << 6,
  HAS_IOCTL_DIR: 1 << 11,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  WRITEBACK_CACHE: 1 << 16,
  PARALLEL_DIROPS: 1 << 18,
  POSIX_ACL: 1 << 20,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  NO_OPENDIR_SUPPORT: 1 << 24,
  EXPLICIT_INVAL_DATA: 1 << 25,
  HANDLE_KILLPRIV_V2: 1 << 28,
  SETXATTR_EXT: 1 << 29,
  INIT_EXT: 1 << 30,
} as const;

/** `flags2` of INIT: bits 32 and up. */
export const INIT_FLAG2 = {
  DIRECT_IO_ALLOW_MMAP: 1 << 4,
  NO_EXPORT_SUPPORT: 1 << 6,
} as const;

/** Minor version with the notice that makes every cached name stale at once. */
export const MINOR_WITH_EPOCH = 44;

/** `valid` of SETATTR. */
export const FATTR = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  LOCKOWNER: 1 << 9,
  CTIME: 1 << 10,
  KILL_SUIDGID: 1 << 11,
} as const;

/** `open_flags` in the answer to OPEN. */
export const FOPEN_KEEP_CACHE = 1 << 1;
/** `open_flags` of OPEN and CREATE. */
export const OPEN_KILL_SUIDGID = 1 << 0;
export const WRITE_KILL_SUIDGID = 1 << 2;
export const SETXATTR_ACL_KILL_SGID = 1 << 0;

/** `error` of a message that answers no request. */
export const NOTIFY = { INVAL_INODE: 2, INVAL_ENTRY: 3, INC_EPOCH: 8 } as const;
