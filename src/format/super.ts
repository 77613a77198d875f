/**
 * Superblock: what a volume is and where its trees begin.
 *
 * On disk: `struct btrfs_super_block`, 4096 bytes at 64 KiB, 64 MiB and 256 GiB of the device.
 * Each copy holds its own address and so its own checksum, over bytes 32 to 4095.
 */
import { corrupt, invariant, readId, readU53, readU64, writeId, writeU53, writeU64 } from '../bytes/index.js';
import { BACKUP_ROOT, type BackupRoot, decodeBackupRoot, encodeBackupRoot } from './backup-root.js';
import { readBytes, writeBytes } from './byte-fields.js';
import { UUID_SIZE } from './constants.js';
import { type DevItem, decodeDevItem, encodeDevItem } from './dev-item.js';

export const SUPER = {
  csum: 0,
  fsid: 32,
  bytenr: 48,
  flags: 56,
  magic: 64,
  generation: 72,
  root: 80,
  chunkRoot: 88,
  logRoot: 96,
  logRootTransid: 104,
  totalBytes: 112,
  bytesUsed: 120,
  rootDirObjectid: 128,
  numDevices: 136,
  sectorsize: 144,
  nodesize: 148,
  leafsize: 152,
  stripesize: 156,
  sysChunkArraySize: 160,
  chunkRootGeneration: 164,
  compatFlags: 172,
  compatRoFlags: 180,
  incompatFlags: 188,
  csumType: 196,
  rootLevel: 198,
  chunkRootLevel: 199,
  logRootLevel: 200,
  devItem: 201,
  label: 299,
  cacheGeneration: 555,
  uuidTreeGeneration: 563,
  metadataUuid: 571,
  reserved: 587,
  sysChunkArray: 811,
  backupRoots: 2859,
  padding: 3531,
  SIZE: 4096,
} as const;

/** `_BHRfS_M` */
export const SUPER_MAGIC = 0x4d5f53665248425fn;
export const LABEL_SIZE = 256;
export const SYS_CHUNK_ARRAY_SIZE = 2048;
export const BACKUP_ROOTS = 4;
const SUPER_OFFSETS = [64 * 1024, 64 * 1024 ** 2, 256 * 1024 ** 3] as const;

export const SUPER_FLAG_WRITTEN = 1n << 0n;
export const SUPER_FLAG_ERROR = 1n << 2n;
export const SUPER_FLAG_SEEDING = 1n << 32n;
export const SUPER_FLAG_METADUMP = 1n << 33n;
export const SUPER_FLAG_METADUMP_V2 = 1n << 34n;
export const SUPER_FLAG_CHANGING_FSID = 1n << 35n;
export const SUPER_FLAG_CHANGING_FSID_V2 = 1n << 36n;

export interface Superblock {
  fsid: Uint8Array;
  bytenr: number; // physical address of this copy
  flags: bigint; // SUPER_FLAG_* bits
  magic: bigint; // SUPER_MAGIC
  generation: number; // transaction that wrote it
  root: number; // logical address of the root tree's root
  chunkRoot: number;
  logRoot: number; // 0 when no log tree waits for replay
  totalBytes: number; // of all devices
  bytesUsed: number; // sum of all block groups' `used`
  rootDirObjectid: number; // ROOT_TREE_DIR_OBJECTID
  numDevices: number;
  sectorsize: number;
  nodesize: number;
  leafsize: number; // equal to nodesize
  stripesize: number;
  chunkRootGeneration: number;
  compatFlags: bigint;
  compatRoFlags: bigint;
  incompatFlags: bigint;
  csumType: number;
  rootLevel: number;
  chunkRootLevel: number;
  logRootLevel: number;
  devItem: DevItem; // of the device this copy is on
  label: Uint8Array; // without the zeros that follow it
  cacheGeneration: number; // of the old free-space caches, -1 for none; 0 with a free-space tree
  uuidTreeGeneration: number;
  metadataUuid: Uint8Array; // valid with INCOMPAT_METADATA_UUID
  sysChunkArray: Uint8Array; // the part in use
  backupRoots: BackupRoot[]; // BACKUP_ROOTS of them
}

/** Physical addresses where a device of `deviceSize` bytes has copies of the superblock. */
export function superMirrorOffsets(deviceSize: number): number[] {
  return SUPER_OFFSETS.filter((offset) => offset + SUPER.SIZE < deviceSize);
}

/** Decodes without judging. @throws FsError EUCLEAN for a system chunk array larger than its place */
export function decodeSuper(view: DataView, at: number): Superblock {
  const arraySize = view.getUint32(at + SUPER.sysChunkArraySize, true);
  if (arraySize > SYS_CHUNK_ARRAY_SIZE) {
    throw corrupt('superblock', `system chunk array of ${arraySize} bytes, at most ${SYS_CHUNK_ARRAY_SIZE} fit`);
  }
  return {
    fsid: readBytes(view, at + SUPER.fsid, UUID_SIZE),
    bytenr: readU53(view, at + SUPER.bytenr),
    flags: readU64(view, at + SUPER.flags),
    magic: readU64(view, at + SUPER.magic),
    generation: readU53(view, at + SUPER.generation),
    root: readU53(view, at + SUPER.root),
    chunkRoot: readU53(view, at + SUPER.chunkRoot),
    logRoot: readU53(view, at + SUPER.logRoot),
    totalBytes: readU53(view, at + SUPER.totalBytes),
    bytesUsed: readU53(view, at + SUPER.bytesUsed),
    rootDirObjectid: readU53(view, at + SUPER.rootDirObjectid),
    numDevices: readU53(view, at + SUPER.numDevices),
    sectorsize: view.getUint32(at + SUPER.sectorsize, true),
    nodesize: view.getUint32(at + SUPER.nodesize, true),
    leafsize: view.getUint32(at + SUPER.leafsize, true),
    stripesize: view.getUint32(at + SUPER.stripesize, true),
    chunkRootGeneration: readU53(view, at + SUPER.chunkRootGeneration),
    compatFlags: readU64(view, at + SUPER.compatFlags),
    compatRoFlags: readU64(view, at + SUPER.compatRoFlags),
    incompatFlags: readU64(view, at + SUPER.incompatFlags),
    csumType: view.getUint16(at + SUPER.csumType, true),
    rootLevel: view.getUint8(at + SUPER.rootLevel),
    chunkRootLevel: view.getUint8(at + SUPER.chunkRootLevel),
    logRootLevel: view.getUint8(at + SUPER.logRootLevel),
    devItem: decodeDevItem(view, at + SUPER.devItem),
    label: readLabel(view, at + SUPER.label),
    cacheGeneration: readId(view, at + SUPER.cacheGeneration),
    uuidTreeGeneration: readU53(view, at + SUPER.uuidTreeGeneration),
    metadataUuid: readBytes(view, at + SUPER.metadataUuid, UUID_SIZE),
    sysChunkArray: readBytes(view, at + SUPER.sysChunkArray, arraySize),
    backupRoots: readBackupRoots(view, at + SUPER.backupRoots),
  };
}

/** Writes every field but the checksum; reserved bytes stay as they are. */
export function encodeSuper(view: DataView, at: number, superblock: Superblock): void {
  writeBytes(view, at + SUPER.fsid, superblock.fsid);
  writeU53(view, at + SUPER.bytenr, superblock.bytenr);
  writeU64(view, at + SUPER.flags, superblock.flags);
  writeU64(view, at + SUPER.magic, superblock.magic);
  writeU53(view, at + SUPER.generation, superblock.generation);
  writeU53(view, at + SUPER.root, superblock.root);
  writeU53(view, at + SUPER.chunkRoot, superblock.chunkRoot);
  writeU53(view, at + SUPER.logRoot, superblock.logRoot);
  writeU53(view, at + SUPER.totalBytes, superblock.totalBytes);
  writeU53(view, at + SUPER.bytesUsed, superblock.bytesUsed);
  writeU53(view, at + SUPER.rootDirObjectid, superblock.rootDirObjectid);
  writeU53(view, at + SUPER.numDevices, superblock.numDevices);
  view.setUint32(at + SUPER.sectorsize, superblock.sectorsize, true);
  view.setUint32(at + SUPER.nodesize, superblock.nodesize, true);
  view.setUint32(at + SUPER.leafsize, superblock.leafsize, true);
  view.setUint32(at + SUPER.stripesize, superblock.stripesize, true);
  view.setUint32(at + SUPER.sysChunkArraySize, superblock.sysChunkArray.length, true);
  writeU53(view, at + SUPER.chunkRootGeneration, superblock.chunkRootGeneration);
  writeU64(view, at + SUPER.compatFlags, superblock.compatFlags);
  writeU64(view, at + SUPER.compatRoFlags, superblock.compatRoFlags);
  writeU64(view, at + SUPER.incompatFlags, superblock.incompatFlags);
  view.setUint16(at + SUPER.csumType, superblock.csumType, true);
  view.setUint8(at + SUPER.rootLevel, superblock.rootLevel);
  view.setUint8(at + SUPER.chunkRootLevel, superblock.chunkRootLevel);
  view.setUint8(at + SUPER.logRootLevel, superblock.logRootLevel);
  encodeDevItem(view, at + SUPER.devItem, superblock.devItem);
  writePadded(view, at + SUPER.label, superblock.label, LABEL_SIZE);
  writeId(view, at + SUPER.cacheGeneration, superblock.cacheGeneration);
  writeU53(view, at + SUPER.uuidTreeGeneration, superblock.uuidTreeGeneration);
  writeBytes(view, at + SUPER.metadataUuid, superblock.metadataUuid);
  writePadded(view, at + SUPER.sysChunkArray, superblock.sysChunkArray, SYS_CHUNK_ARRAY_SIZE);
  superblock.backupRoots.forEach((backup, i) => {
    encodeBackupRoot(view, at + SUPER.backupRoots + i * BACKUP_ROOT.SIZE, backup);
  });
}

function readLabel(view: DataView, at: number): Uint8Array {
  const label = readBytes(view, at, LABEL_SIZE);
  const end = label.indexOf(0);
  return end < 0 ? label : label.subarray(0, end);
}

function readBackupRoots(view: DataView, at: number): BackupRoot[] {
  const backups: BackupRoot[] = [];
  for (let i = 0; i < BACKUP_ROOTS; i++) backups.push(decodeBackupRoot(view, at + i * BACKUP_ROOT.SIZE));
  return backups;
}

function writePadded(view: DataView, at: number, bytes: Uint8Array, size: number): void {
  invariant(bytes.length <= size, `${bytes.length} bytes fit a field of ${size}`);
  const field = new Uint8Array(size);
  field.set(bytes);
  writeBytes(view, at, field);
}
