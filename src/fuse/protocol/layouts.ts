/** Where the fields of FUSE messages are: byte offsets in the structures of linux include/uapi/linux/fuse.h. */

/** Begins every request. The offsets of the other structures of requests count from its end. */
export const IN_HEADER = {
  len: 0,
  opcode: 4,
  unique: 8,
  nodeid: 16,
  uid: 24,
  gid: 28,
  pid: 32,
  totalExtlen: 36,
  SIZE: 40,
} as const;

/** Begins every reply and notice. */
export const OUT_HEADER = { len: 0, error: 4, unique: 8, SIZE: 16 } as const;

export const INIT_IN = { major: 0, minor: 4, maxReadahead: 8, flags: 12, flags2: 16 } as const;
export const INIT_OUT = {
  major: 0,
  minor: 4,
  maxReadahead: 8,
  flags: 12,
  maxBackground: 16,
  congestionThreshold: 18,
  maxWrite: 20,
  timeGran: 24,
  maxPages: 28,
  mapAlignment: 30,
  flags2: 32,
  SIZE: 64,
} as const;

export const ATTR = {
  ino: 0,
  size: 8,
  blocks: 16,
  atime: 24,
  mtime: 32,
  ctime: 40,
  atimensec: 48,
  mtimensec: 52,
  ctimensec: 56,
  mode: 60,
  nlink: 64,
  uid: 68,
  gid: 72,
  rdev: 76,
  blksize: 80,
  flags: 84,
  SIZE: 88,
} as const;

export const ENTRY_OUT = {
  nodeid: 0,
  generation: 8,
  entryValid: 16,
  attrValid: 24,
  entryValidNsec: 32,
  attrValidNsec: 36,
  attr: 40,
  SIZE: 128,
} as const;

export const ATTR_OUT = { attrValid: 0, attrValidNsec: 8, attr: 16, SIZE: 104 } as const;

export const SETATTR_IN = {
  valid: 0,
  fh: 8,
  size: 16,
  lockOwner: 24,
  atime: 32,
  mtime: 40,
  ctime: 48,
  atimensec: 56,
  mtimensec: 60,
  ctimensec: 64,
  mode: 68,
  uid: 76,
  gid: 80,
  SIZE: 88,
} as const;

export const FORGET_ONE = { nodeid: 0, nlookup: 8, SIZE: 16 } as const;
export const BATCH_FORGET_IN = { count: 0, SIZE: 8 } as const;
export const MKNOD_IN = { mode: 0, rdev: 4, umask: 8, SIZE: 16 } as const;
export const MKDIR_IN = { mode: 0, umask: 4, SIZE: 8 } as const;
export const RENAME_IN = { newdir: 0, SIZE: 8 } as const;
export const RENAME2_IN = { newdir: 0, flags: 8, SIZE: 16 } as const;
export const LINK_IN = { oldnodeid: 0, SIZE: 8 } as const;
export const OPEN_IN = { flags: 0, openFlags: 4, SIZE: 8 } as const;
export const CREATE_IN = { flags: 0, mode: 4, umask: 8, openFlags: 12, SIZE: 16 } as const;
export const OPEN_OUT = { fh: 0, openFlags: 8, SIZE: 16 } as const;
export const RELEASE_IN = { fh: 0, SIZE: 24 } as const;
export const READ_IN = { fh: 0, offset: 8, size: 16, SIZE: 40 } as const;
export const WRITE_IN = { fh: 0, offset: 8, size: 16, writeFlags: 20, SIZE: 40 } as const;
export const WRITE_OUT = { size: 0, SIZE: 8 } as const;
export const SETXATTR_IN = { size: 0, flags: 4, setxattrFlags: 8, SIZE: 16 } as const;
export const GETXATTR_IN = { size: 0, SIZE: 8 } as const;
export const GETXATTR_OUT = { size: 0, SIZE: 8 } as const;
export const FALLOCATE_IN = { fh: 0, offset: 8, length: 16, mode: 24, SIZE: 32 } as const;
export const LSEEK_IN = { fh: 0, offset: 8, whence: 16, SIZE: 24 } as const;
export const LSEEK_OUT = { offset: 0, SIZE: 8 } as const;
export const COPY_FILE_RANGE_IN = {
  fhIn: 0,
  offIn: 8,
  nodeidOut: 16,
  fhOut: 24,
  offOut: 32,
  len: 40,
  flags: 48,
  SIZE: 56,
} as const;
/** The answer to COPY_FILE_RANGE_64: bytes copied. */
export const COPY_FILE_RANGE_OUT = { bytesCopied: 0, SIZE: 8 } as const;

export const IOCTL_IN = { fh: 0, flags: 8, cmd: 12, arg: 16, inSize: 24, outSize: 28, SIZE: 32 } as const;
export const IOCTL_OUT = { result: 0, flags: 4, inIovs: 8, outIovs: 12, SIZE: 16 } as const;

export const STATFS_OUT = {
  blocks: 0,
  bfree: 8,
  bavail: 16,
  files: 24,
  ffree: 32,
  bsize: 40,
  namelen: 44,
  frsize: 48,
  SIZE: 80,
} as const;

export const DIRENT = { ino: 0, off: 8, namelen: 16, type: 20, SIZE: 24 } as const;

/** The answer to STATX; `stat` is a {@link STATX}. */
export const STATX_OUT = { attrValid: 0, attrValidNsec: 8, flags: 12, stat: 32, SIZE: 288 } as const;
export const STATX = {
  mask: 0,
  blksize: 4,
  attributes: 8,
  nlink: 16,
  uid: 20,
  gid: 24,
  mode: 28,
  ino: 32,
  size: 40,
  blocks: 48,
  attributesMask: 56,
  atime: 64,
  btime: 80,
  ctime: 96,
  mtime: 112,
  rdevMajor: 128,
  rdevMinor: 132,
  devMajor: 136,
  devMinor: 140,
} as const;

export const INVAL_INODE_OUT = { ino: 0, off: 8, len: 16, SIZE: 24 } as const;
export const INVAL_ENTRY_OUT = { parent: 0, namelen: 8, flags: 12, SIZE: 16 } as const;
