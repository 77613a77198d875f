/** The ioctls of lsattr and chattr, and of file versions. */
import { FsError } from '../../bytes/index.js';
import type { Inode } from '../../filesystem/index.js';
import {
  INODE_APPEND,
  INODE_COMPRESS,
  INODE_DIRSYNC,
  INODE_ENCRYPT,
  INODE_IMMUTABLE,
  INODE_NOATIME,
  INODE_NOCOMPRESS,
  INODE_NODATACOW,
  INODE_NODUMP,
  INODE_SYNC,
} from '../../format/index.js';
import { type Ioctl, NOTHING } from './ioctl-call.js';

/** FS_*_FL of linux include/uapi/linux/fs.h, and the bit of an inode item that each stands for. */
const FLAGS: readonly (readonly [number, bigint])[] = [
  [0x4, INODE_COMPRESS],
  [0x8, INODE_SYNC],
  [0x10, INODE_IMMUTABLE],
  [0x20, INODE_APPEND],
  [0x40, INODE_NODUMP],
  [0x80, INODE_NOATIME],
  [0x400, INODE_NOCOMPRESS],
  [0x800, INODE_ENCRYPT],
  [0x10000, INODE_DIRSYNC],
  [0x800000, INODE_NODATACOW],
];

/** FS_XFLAG_* and the same bits. */
const XFLAGS: readonly (readonly [number, bigint])[] = [
  [0x8, INODE_IMMUTABLE],
  [0x10, INODE_APPEND],
  [0x20, INODE_SYNC],
  [0x40, INODE_NOATIME],
  [0x80, INODE_NODUMP],
];

/** Bits that mean something to whoever asks for them. What would forbid writing, or change its form, is refused. */
const CHANGEABLE = INODE_SYNC | INODE_NODUMP | INODE_NOATIME | INODE_DIRSYNC;

const FSXATTR_SIZE = 28;

function shown(inode: Inode, table: typeof FLAGS): number {
  return table.reduce((flags, [bit, inodeBit]) => ((inode.item.flags & inodeBit) !== 0n ? flags | bit : flags), 0);
}

function change(inode: Inode, wanted: number, table: typeof FLAGS): void {
  const known = table.reduce((bits, [bit]) => bits | bit, 0);
  const isKept = ([bit, inodeBit]: readonly [number, bigint]): boolean =>
    (CHANGEABLE & inodeBit) !== 0n || ((wanted & bit) !== 0) === ((inode.item.flags & inodeBit) !== 0n);
  if ((wanted & ~known) !== 0 || !table.every(isKept)) {
    throw new FsError('EOPNOTSUPP', `${inode.describe()} cannot have the flags 0x${wanted.toString(16)}`);
  }
  inode.filesystem.assertWritable(inode.subvolume);
  for (const [bit, inodeBit] of table) {
    if ((CHANGEABLE & inodeBit) === 0n) continue;
    inode.item.flags = (wanted & bit) !== 0 ? inode.item.flags | inodeBit : inode.item.flags & ~inodeBit;
  }
  inode.touch('attributes');
}

export const getFlags: Ioctl = ({ inode }) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(shown(inode, FLAGS));
  return bytes;
};

export const setFlags: Ioctl = ({ inode, input }) => {
  if (input.length < 4) throw new FsError('EINVAL', 'flags have four bytes');
  change(inode, input.readUInt32LE(), FLAGS);
  return NOTHING;
};

export const getXflags: Ioctl = ({ inode }) => {
  const bytes = Buffer.alloc(FSXATTR_SIZE);
  bytes.writeUInt32LE(shown(inode, XFLAGS));
  return bytes;
};

export const setXflags: Ioctl = ({ inode, input }) => {
  if (input.length < FSXATTR_SIZE) throw new FsError('EINVAL', `the argument has ${FSXATTR_SIZE} bytes`);
  change(inode, input.readUInt32LE(), XFLAGS);
  return NOTHING;
};

export const getVersion: Ioctl = ({ inode }) => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(inode.item.generation % 2 ** 32);
  return bytes;
};
