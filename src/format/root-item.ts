/**
 * Root item: where a tree's root block is and, for a subvolume, its identity and history.
 *
 * On disk: `struct btrfs_root_item`. Key: (tree id, ROOT_ITEM, 0), a snapshot's offset being the
 * transaction that made it. Kernels before 3.6 wrote only the first 239 bytes.
 */
import { readU53, readU64, type Timespec, writeU53, writeU64 } from '../bytes/index.js';
import { readBytes, writeBytes } from './byte-fields.js';
import { UUID_SIZE } from './constants.js';
import { decodeInodeItem, encodeInodeItem, type InodeItem } from './inode-item.js';
import { decodeKey, encodeKey, type Key } from './key.js';
import { decodeTimespec, encodeTimespec } from './timespec.js';

export const ROOT_ITEM = {
  inode: 0,
  generation: 160,
  rootDirid: 168,
  bytenr: 176,
  byteLimit: 184,
  bytesUsed: 192,
  lastSnapshot: 200,
  flags: 208,
  refs: 216,
  dropProgress: 220,
  dropLevel: 237,
  level: 238,
  generationV2: 239,
  uuid: 247,
  parentUuid: 263,
  receivedUuid: 279,
  ctransid: 295,
  otransid: 303,
  stransid: 311,
  rtransid: 319,
  ctime: 327,
  otime: 339,
  stime: 351,
  rtime: 363,
  reserved: 375,
  SIZE: 439,
} as const;

/** Bytes of a root item of a kernel before 3.6. */
export const LEGACY_ROOT_ITEM_SIZE = ROOT_ITEM.generationV2;

export const ROOT_SUBVOL_RDONLY = 1n << 0n;
/** A subvolume that is being deleted. */
export const ROOT_SUBVOL_DEAD = 1n << 48n;

export interface RootItem {
  inode: InodeItem;
  generation: number; // of the root block
  rootDirid: number; // FIRST_FREE_OBJECTID in subvolumes
  bytenr: number; // logical address of the root block
  byteLimit: number;
  bytesUsed: number; // blocks times their size
  lastSnapshot: number; // transaction of the last snapshot taken of or as this tree
  flags: bigint; // ROOT_SUBVOL_* bits
  refs: number; // 0 while a deleted subvolume is being dropped
  dropProgress: Key;
  dropLevel: number;
  level: number; // of the root block
  /** All that follows holds only while this equals `generation`. */
  generationV2: number;
  uuid: Uint8Array;
  parentUuid: Uint8Array;
  receivedUuid: Uint8Array;
  ctransid: number; // transaction of the last change
  otransid: number; // of creation
  stransid: number; // at the sender, of a received subvolume
  rtransid: number; // of reception
  ctime: Timespec;
  otime: Timespec;
  stime: Timespec;
  rtime: Timespec;
}

/** Decodes a root item of `size` bytes; what the older, shorter form lacks reads as zero. */
export function decodeRootItem(view: DataView, at: number, size: number = ROOT_ITEM.SIZE): RootItem {
  if (size >= ROOT_ITEM.SIZE) return decodeWhole(view, at);
  const padded = new Uint8Array(ROOT_ITEM.SIZE);
  padded.set(readBytes(view, at, Math.min(size, LEGACY_ROOT_ITEM_SIZE)));
  return decodeWhole(new DataView(padded.buffer), 0);
}

function decodeWhole(view: DataView, at: number): RootItem {
  return {
    inode: decodeInodeItem(view, at + ROOT_ITEM.inode),
    generation: readU53(view, at + ROOT_ITEM.generation),
    rootDirid: readU53(view, at + ROOT_ITEM.rootDirid),
    bytenr: readU53(view, at + ROOT_ITEM.bytenr),
    byteLimit: readU53(view, at + ROOT_ITEM.byteLimit),
    bytesUsed: readU53(view, at + ROOT_ITEM.bytesUsed),
    lastSnapshot: readU53(view, at + ROOT_ITEM.lastSnapshot),
    flags: readU64(view, at + ROOT_ITEM.flags),
    refs: view.getUint32(at + ROOT_ITEM.refs, true),
    dropProgress: decodeKey(view, at + ROOT_ITEM.dropProgress),
    dropLevel: view.getUint8(at + ROOT_ITEM.dropLevel),
    level: view.getUint8(at + ROOT_ITEM.level),
    generationV2: readU53(view, at + ROOT_ITEM.generationV2),
    uuid: readBytes(view, at + ROOT_ITEM.uuid, UUID_SIZE),
    parentUuid: readBytes(view, at + ROOT_ITEM.parentUuid, UUID_SIZE),
    receivedUuid: readBytes(view, at + ROOT_ITEM.receivedUuid, UUID_SIZE),
    ctransid: readU53(view, at + ROOT_ITEM.ctransid),
    otransid: readU53(view, at + ROOT_ITEM.otransid),
    stransid: readU53(view, at + ROOT_ITEM.stransid),
    rtransid: readU53(view, at + ROOT_ITEM.rtransid),
    ctime: decodeTimespec(view, at + ROOT_ITEM.ctime),
    otime: decodeTimespec(view, at + ROOT_ITEM.otime),
    stime: decodeTimespec(view, at + ROOT_ITEM.stime),
    rtime: decodeTimespec(view, at + ROOT_ITEM.rtime),
  };
}

export function encodeRootItem(view: DataView, at: number, root: RootItem): void {
  encodeInodeItem(view, at + ROOT_ITEM.inode, root.inode);
  writeU53(view, at + ROOT_ITEM.generation, root.generation);
  writeU53(view, at + ROOT_ITEM.rootDirid, root.rootDirid);
  writeU53(view, at + ROOT_ITEM.bytenr, root.bytenr);
  writeU53(view, at + ROOT_ITEM.byteLimit, root.byteLimit);
  writeU53(view, at + ROOT_ITEM.bytesUsed, root.bytesUsed);
  writeU53(view, at + ROOT_ITEM.lastSnapshot, root.lastSnapshot);
  writeU64(view, at + ROOT_ITEM.flags, root.flags);
  view.setUint32(at + ROOT_ITEM.refs, root.refs, true);
  encodeKey(view, at + ROOT_ITEM.dropProgress, root.dropProgress);
  view.setUint8(at + ROOT_ITEM.dropLevel, root.dropLevel);
  view.setUint8(at + ROOT_ITEM.level, root.level);
  writeU53(view, at + ROOT_ITEM.generationV2, root.generationV2);
  writeBytes(view, at + ROOT_ITEM.uuid, root.uuid);
  writeBytes(view, at + ROOT_ITEM.parentUuid, root.parentUuid);
  writeBytes(view, at + ROOT_ITEM.receivedUuid, root.receivedUuid);
  writeU53(view, at + ROOT_ITEM.ctransid, root.ctransid);
  writeU53(view, at + ROOT_ITEM.otransid, root.otransid);
  writeU53(view, at + ROOT_ITEM.stransid, root.stransid);
  writeU53(view, at + ROOT_ITEM.rtransid, root.rtransid);
  encodeTimespec(view, at + ROOT_ITEM.ctime, root.ctime);
  encodeTimespec(view, at + ROOT_ITEM.otime, root.otime);
  encodeTimespec(view, at + ROOT_ITEM.stime, root.stime);
  encodeTimespec(view, at + ROOT_ITEM.rtime, root.rtime);
}
