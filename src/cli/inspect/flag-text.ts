/** Sets of flags as words. */
import * as format from '../../format/index.js';
import { profileName } from '../../volume/index.js';

type FlagNames = readonly (readonly [bigint, string])[];

const INODE_FLAGS: FlagNames = [
  [format.INODE_NODATASUM, 'NODATASUM'],
  [format.INODE_NODATACOW, 'NODATACOW'],
  [format.INODE_READONLY, 'READONLY'],
  [format.INODE_NOCOMPRESS, 'NOCOMPRESS'],
  [format.INODE_PREALLOC, 'PREALLOC'],
  [format.INODE_SYNC, 'SYNC'],
  [format.INODE_IMMUTABLE, 'IMMUTABLE'],
  [format.INODE_APPEND, 'APPEND'],
  [format.INODE_NODUMP, 'NODUMP'],
  [format.INODE_NOATIME, 'NOATIME'],
  [format.INODE_DIRSYNC, 'DIRSYNC'],
  [format.INODE_COMPRESS, 'COMPRESS'],
  [format.INODE_ENCRYPT, 'ENCRYPT'],
];

const GROUP_TYPES: FlagNames = [
  [format.BLOCK_GROUP_DATA, 'DATA'],
  [format.BLOCK_GROUP_METADATA, 'METADATA'],
  [format.BLOCK_GROUP_SYSTEM, 'SYSTEM'],
];

const EXTENT_FLAGS: FlagNames = [
  [format.EXTENT_FLAG_DATA, 'DATA'],
  [format.EXTENT_FLAG_TREE_BLOCK, 'TREE_BLOCK'],
  [format.BLOCK_FLAG_FULL_BACKREF, 'FULL_BACKREF'],
];

const HEADER_FLAGS: FlagNames = [
  [format.HEADER_FLAG_WRITTEN, 'WRITTEN'],
  [format.HEADER_FLAG_RELOC, 'RELOC'],
];

const QGROUP_FLAGS: FlagNames = [
  [format.QGROUP_STATUS_FLAG_RESCAN, 'SCANNING'],
  [format.QGROUP_STATUS_FLAG_INCONSISTENT, 'INCONSISTENT'],
];

function names(flags: bigint, known: FlagNames): string[] {
  return known.filter(([bit]) => (flags & bit) !== 0n).map(([, name]) => name);
}

export function inodeFlagText(flags: bigint): string {
  return names(flags, INODE_FLAGS).join('|') || 'none';
}

export function rootFlagText(flags: bigint): string {
  return (flags & format.ROOT_SUBVOL_RDONLY) === 0n ? 'none' : 'RDONLY';
}

/** Type and profile of a chunk or block group. */
export function groupFlagText(flags: bigint): string {
  return [...names(flags, GROUP_TYPES), profileName(flags)].join('|');
}

export function extentFlagText(flags: bigint): string {
  return names(flags, EXTENT_FLAGS).join('|');
}

export function headerFlagText(flags: bigint): string {
  return names(flags, HEADER_FLAGS).join('|');
}

export function qgroupFlagText(flags: bigint): string {
  const state = (flags & format.QGROUP_STATUS_FLAG_ON) === 0n ? 'OFF' : 'ON';
  return [state, ...names(flags, QGROUP_FLAGS)].join('|');
}
