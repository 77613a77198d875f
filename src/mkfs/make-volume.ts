/**
 * Making a new volume on one device, with the defaults and the layout of mkfs.btrfs 6.2: metadata
 * and system chunks DUP, data single, no holes, skinny metadata, free-space tree.
 *
 * Differs from mkfs.btrfs: everything is written in one transaction, so the volume begins at
 * generation 1 and its free-space tree holds no leftovers of temporary block groups.
 */
import {
  type Clock,
  FsError,
  invariant,
  type RandomSource,
  randomUuid,
  systemClock,
  systemRandom,
  viewOf,
} from '../bytes/index.js';
import { checksumAlgorithm } from '../checksum/index.js';
import type { BlockDevice } from '../device/index.js';
import {
  BACKUP_ROOTS,
  type BackupRoot,
  CHUNK_TREE_OBJECTID,
  COMPAT_CONTEXT_IN_ITEM,
  COMPAT_CONTEXT_TRAILING,
  COMPAT_RO_FREE_SPACE_TREE,
  COMPAT_RO_FREE_SPACE_TREE_VALID,
  CSUM_TREE_OBJECTID,
  checkBlock,
  DEV_TREE_OBJECTID,
  type DevItem,
  EXTENT_TREE_OBJECTID,
  encodeKey,
  FS_TREE_OBJECTID,
  INCOMPAT_ENCRYPT,
  INCOMPAT_EXTENDED_IREF,
  INCOMPAT_MIXED_BACKREF,
  INCOMPAT_NO_HOLES,
  INCOMPAT_SKINNY_METADATA,
  KEY,
  LABEL_SIZE,
  MAX_NODESIZE,
  MIN_NODESIZE,
  ROOT_TREE_DIR_OBJECTID,
  ROOT_TREE_OBJECTID,
  SUPER,
  SUPER_FLAG_WRITTEN,
  SUPER_MAGIC,
  type Superblock,
  UUID_SIZE,
} from '../format/index.js';
import { SECTORSIZE, Volume } from '../volume/index.js';
import { encodeTree } from './blocks.js';
import { newChunks, usableSize } from './layout.js';
import { chunkItem, type PlannedTree, planTrees, rootOf, usedBytes, type VolumeIdentity } from './trees.js';
import { wipeSignatures } from './wipe.js';

/** Smallest device that mkfs.btrfs 6.2 takes, in bytes. */
export const MIN_VOLUME_SIZE = 114_294_784;

const DEFAULT_NODESIZE = 16384;
const FIRST_GENERATION = 1;
const DEVID = 1;
const NEWLINE = 0x0a;

/** Where new extents of encrypted files keep their context; see docs/FORMAT.md. */
export type ExtentContextPlace = 'item' | 'trailing';

export interface NewVolumeOptions {
  /** At most 255 bytes of UTF-8 on one line. */
  readonly label?: string;
  /** Of the volume; 16 bytes. Random by default, as is the device's. */
  readonly uuid?: Uint8Array;
  readonly deviceUuid?: Uint8Array;
  /** 0 crc32c (the default), 1 xxhash64, 2 sha256, 3 blake2b. */
  readonly checksumType?: number;
  /** Bytes of a tree block: 4096 to 65536, a power of two. 16384 by default. */
  readonly nodesize?: number;
  /**
   * The volume can hold encrypted directories, with contexts in this place. Without it encryption
   * is off and every btrfs kernel can mount the volume.
   */
  readonly extentContext?: ExtentContextPlace;
  readonly random?: RandomSource;
  readonly clock?: Clock;
}

/** What was made. */
export interface NewVolume {
  readonly uuid: Uint8Array;
  readonly totalBytes: number;
  readonly nodesize: number;
}

/**
 * Makes an empty volume over the whole device; what was there is lost. Durable on return.
 *
 * The superblock is written last: until then the device holds no volume.
 *
 * @throws FsError EINVAL for a device too small or an option that no volume can have, before
 *   anything is written; EROFS, EIO, ENOSPC from the device
 */
export function makeVolume(device: BlockDevice, options: NewVolumeOptions = {}): NewVolume {
  checkNewVolume(device.size, options);
  const nodesize = options.nodesize ?? DEFAULT_NODESIZE;
  const label = encodeLabel(options.label ?? '');
  const checksum = checksumAlgorithm(options.checksumType ?? 0);
  const random = options.random ?? systemRandom;
  const identity = newIdentity(device, nodesize, random, options);
  const plan = planTrees(identity);
  const superblock = newSuperblock(identity, plan, options, label);

  const volume = new Volume(device, superblock, new Uint8Array(SUPER.SIZE), checksum);
  for (const chunk of identity.chunks) volume.addChunk(chunk);
  wipeSignatures(device);
  writeTrees(volume, identity, plan);
  volume.flush();
  volume.writeSupers(superblock);
  volume.flush();
  return { uuid: superblock.fsid, totalBytes: superblock.totalBytes, nodesize };
}

/**
 * Judges what a volume is to be made of, before anything is touched.
 *
 * @param size - bytes of the device
 * @throws FsError EINVAL
 */
export function checkNewVolume(size: number, options: NewVolumeOptions = {}): void {
  if (usableSize(size) < MIN_VOLUME_SIZE) {
    throw new FsError('EINVAL', `${size} bytes are too few for a volume, ${MIN_VOLUME_SIZE} (109 MiB) are needed`);
  }
  const nodesize = options.nodesize ?? DEFAULT_NODESIZE;
  const isPowerOfTwo = Number.isInteger(Math.log2(nodesize));
  if (!isPowerOfTwo || nodesize < MIN_NODESIZE || nodesize > MAX_NODESIZE) {
    const text = `it is a power of two from ${MIN_NODESIZE} to ${MAX_NODESIZE}`;
    throw new FsError('EINVAL', `a node size of ${nodesize}: ${text}`);
  }
  for (const id of [options.uuid, options.deviceUuid]) {
    if (id !== undefined && id.length !== UUID_SIZE) throw new FsError('EINVAL', `a UUID has ${UUID_SIZE} bytes`);
  }
  encodeLabel(options.label ?? '');
  checksumAlgorithm(options.checksumType ?? 0);
}

function encodeLabel(text: string): Uint8Array {
  const label = Buffer.from(text);
  if (label.length >= LABEL_SIZE) throw new FsError('EINVAL', `a label has at most ${LABEL_SIZE - 1} bytes`);
  if (label.includes(NEWLINE) || label.includes(0)) throw new FsError('EINVAL', 'a label is one line of text');
  return label;
}

function newIdentity(
  device: BlockDevice,
  nodesize: number,
  random: RandomSource,
  options: NewVolumeOptions,
): VolumeIdentity & { readonly fsid: Uint8Array } {
  const totalBytes = usableSize(device.size);
  const fsid = options.uuid ?? randomUuid(random);
  const uuid = options.deviceUuid ?? randomUuid(random);
  const chunks = newChunks(totalBytes, { devid: DEVID, uuid });
  return {
    fsid,
    nodesize,
    generation: FIRST_GENERATION,
    chunkTreeUuid: randomUuid(random),
    subvolumeUuid: randomUuid(random),
    devItem: newDevItem(fsid, uuid, totalBytes, chunks),
    chunks,
    now: (options.clock ?? systemClock).now(),
  };
}

function newDevItem(fsid: Uint8Array, uuid: Uint8Array, totalBytes: number, chunks: VolumeIdentity['chunks']): DevItem {
  return {
    devid: DEVID,
    totalBytes,
    bytesUsed: chunks.reduce((sum, { chunk }) => sum + chunk.length * chunk.stripes.length, 0),
    ioAlign: SECTORSIZE,
    ioWidth: SECTORSIZE,
    sectorSize: SECTORSIZE,
    type: 0,
    generation: 0,
    startOffset: 0,
    devGroup: 0,
    seekSpeed: 0,
    bandwidth: 0,
    uuid,
    fsid,
  };
}

function newSuperblock(
  volume: VolumeIdentity & { readonly fsid: Uint8Array },
  plan: readonly PlannedTree[],
  options: NewVolumeOptions,
  label: Uint8Array,
): Superblock {
  const { generation, nodesize, devItem, chunks } = volume;
  const root = rootOf(plan, ROOT_TREE_OBJECTID);
  const chunkRoot = rootOf(plan, CHUNK_TREE_OBJECTID);
  const bytesUsed = chunks.reduce((sum, chunk) => sum + usedBytes(plan, chunk, nodesize), 0);
  return {
    fsid: volume.fsid,
    bytenr: 0,
    flags: SUPER_FLAG_WRITTEN,
    magic: SUPER_MAGIC,
    generation,
    root: root.bytenr,
    chunkRoot: chunkRoot.bytenr,
    logRoot: 0,
    totalBytes: devItem.totalBytes,
    bytesUsed,
    rootDirObjectid: ROOT_TREE_DIR_OBJECTID,
    numDevices: 1,
    sectorsize: SECTORSIZE,
    nodesize,
    leafsize: nodesize,
    stripesize: SECTORSIZE,
    chunkRootGeneration: generation,
    ...featureFlags(options.extentContext),
    csumType: options.checksumType ?? 0,
    rootLevel: root.level,
    chunkRootLevel: chunkRoot.level,
    logRootLevel: 0,
    devItem,
    label,
    cacheGeneration: 0,
    uuidTreeGeneration: generation,
    metadataUuid: new Uint8Array(UUID_SIZE),
    sysChunkArray: systemChunkArray(chunks),
    backupRoots: newBackupRoots(volume, plan, bytesUsed),
  };
}

function featureFlags(
  extentContext: ExtentContextPlace | undefined,
): Pick<Superblock, 'compatFlags' | 'compatRoFlags' | 'incompatFlags'> {
  const compatRoFlags = COMPAT_RO_FREE_SPACE_TREE | COMPAT_RO_FREE_SPACE_TREE_VALID;
  const plain = INCOMPAT_MIXED_BACKREF | INCOMPAT_EXTENDED_IREF | INCOMPAT_SKINNY_METADATA | INCOMPAT_NO_HOLES;
  if (extentContext === undefined) return { compatFlags: 0n, compatRoFlags, incompatFlags: plain };
  const compatFlags = extentContext === 'item' ? COMPAT_CONTEXT_IN_ITEM : COMPAT_CONTEXT_TRAILING;
  return { compatFlags, compatRoFlags, incompatFlags: plain | INCOMPAT_ENCRYPT };
}

function systemChunkArray([, system]: VolumeIdentity['chunks']): Uint8Array {
  const { key, data } = chunkItem(system);
  const array = new Uint8Array(KEY.SIZE + data.length);
  encodeKey(viewOf(array), 0, key);
  array.set(data, KEY.SIZE);
  return array;
}

/** The first backup slot describes this first commit; the others were never filled. */
function newBackupRoots(volume: VolumeIdentity, plan: readonly PlannedTree[], bytesUsed: number): BackupRoot[] {
  const tree = (id: number) => ({ ...rootOf(plan, id), generation: volume.generation });
  const never = { bytenr: 0, generation: 0, level: 0 };
  const empty: BackupRoot = {
    tree: never,
    chunk: never,
    extent: never,
    fs: never,
    dev: never,
    csum: never,
    totalBytes: 0,
    bytesUsed: 0,
    numDevices: 0,
  };
  const backups = Array.from({ length: BACKUP_ROOTS }, () => empty);
  backups[0] = {
    tree: tree(ROOT_TREE_OBJECTID),
    chunk: tree(CHUNK_TREE_OBJECTID),
    extent: tree(EXTENT_TREE_OBJECTID),
    fs: tree(FS_TREE_OBJECTID),
    dev: tree(DEV_TREE_OBJECTID),
    csum: tree(CSUM_TREE_OBJECTID),
    totalBytes: volume.devItem.totalBytes,
    bytesUsed,
    numDevices: 1,
  };
  return backups;
}

function writeTrees(volume: Volume, identity: VolumeIdentity, plan: readonly PlannedTree[]): void {
  const stamp = {
    nodesize: volume.nodesize,
    metadataUuid: volume.metadataUuid,
    chunkTreeUuid: identity.chunkTreeUuid,
    generation: identity.generation,
    checksum: volume.checksum,
  };
  for (const { id, items, addresses } of plan) {
    for (const { bytenr, bytes } of encodeTree(id, items, addresses, stamp)) {
      invariant(bytes.length === volume.nodesize, 'a block has the size of a node');
      checkBlock(viewOf(bytes), volume.checkContext);
      volume.writeLogical(bytenr, bytes);
    }
  }
}
