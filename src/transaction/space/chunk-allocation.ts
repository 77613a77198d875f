/**
 * Making and removing chunks: the tie between logical space and the device.
 *
 * One chunk is recorded in five places that must agree after every commit: the chunk item, a
 * device extent per stripe, the device item's `bytes_used` (in the chunk tree and the superblock),
 * the block group item, and the free-space tree. System chunks are in the superblock's array too.
 */
import { corrupt, FsError, roundDown, roundUp, viewOf } from '../../bytes/index.js';
import {
  BLOCK_GROUP_DATA,
  BLOCK_GROUP_ITEM,
  BLOCK_GROUP_ITEM_KEY,
  CHUNK_ITEM_KEY,
  CHUNK_TREE_OBJECTID,
  type Chunk,
  chunkSize,
  DEV_EXTENT,
  DEV_EXTENT_KEY,
  DEV_ITEM,
  DEV_ITEM_KEY,
  DEV_ITEMS_OBJECTID,
  DEVICE_RANGE_RESERVED,
  decodeDevExtent,
  EXTENT_TREE_OBJECTID,
  encodeBlockGroupItem,
  encodeChunk,
  encodeDevExtent,
  encodeDevItem,
  encodeKey,
  FIRST_CHUNK_TREE_OBJECTID,
  KEY,
  Key,
  STRIPE_LEN,
  SYS_CHUNK_ARRAY_SIZE,
} from '../../format/index.js';
import type { Tree } from '../../tree/index.js';
import { copyCount, type Volume } from '../../volume/index.js';
import { BlockGroup, type SpaceType } from './block-group.js';
import type { FreeSpaceTree } from './free-space-tree.js';
import type { Space } from './space.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** A chunk smaller than this is not worth its records. */
const SMALLEST_CHUNK = MIB;
const SMALLEST_SYSTEM_CHUNK = 64 * 1024;

export interface ChunkHost {
  readonly volume: Volume;
  readonly space: Space;
  readonly chunkTree: Tree;
  readonly devTree: Tree;
  readonly blockGroupTree: Tree;
  readonly freeSpaceTree: FreeSpaceTree | undefined;
  readonly chunkTreeUuid: Uint8Array;
}

/** A stretch of the device that no chunk uses. Physical bytes. */
export interface Hole {
  readonly start: number;
  readonly length: number;
}

/** Adds a chunk of `type`. False when the device has no room for one. */
export function allocateChunk(host: ChunkHost, type: SpaceType): boolean {
  const flags = flagsFor(host, type);
  const copies = copyCount(flags);
  const place = choosePlace(host, type, copies);
  if (place === undefined) return false;
  const logical = nextLogical(host.volume);
  if (!Number.isSafeInteger(logical + place.length)) return false;
  const { devItem } = host.volume.superblock;
  const stripes = Array.from({ length: copies }, (_, copy) => ({
    devid: devItem.devid,
    offset: place.start + copy * place.length,
    devUuid: devItem.uuid,
  }));
  const chunk: Chunk = {
    length: place.length,
    owner: EXTENT_TREE_OBJECTID,
    stripeLen: STRIPE_LEN,
    type: flags,
    ioAlign: STRIPE_LEN,
    ioWidth: STRIPE_LEN,
    sectorSize: host.volume.sectorsize,
    subStripes: 1,
    stripes,
  };
  recordChunk(host, logical, chunk);
  recordGroup(host, logical, chunk);
  return true;
}

/** Removes the chunk of a group in which nothing is used, pinned or allocated. */
export function removeChunk(host: ChunkHost, group: BlockGroup): void {
  const stripes = host.volume.chunkMap.find(group.start)?.chunk.stripes ?? [];
  host.freeSpaceTree?.removeGroup(group);
  host.blockGroupTree.remove(new Key(group.start, BLOCK_GROUP_ITEM_KEY, group.length));
  for (const stripe of stripes) host.devTree.remove(new Key(stripe.devid, DEV_EXTENT_KEY, stripe.offset));
  host.chunkTree.remove(new Key(FIRST_CHUNK_TREE_OBJECTID, CHUNK_ITEM_KEY, group.start));
  changeDeviceUse(host, -stripes.length * group.length);
  host.space.removeGroup(group);
  host.volume.removeChunk(group.start);
}

/** Bytes of the device that no chunk uses, in holes large enough for one. */
export function unallocatedBytes(host: ChunkHost): number {
  return holes(host).reduce((sum, hole) => sum + hole.length, 0);
}

function flagsFor(host: ChunkHost, type: SpaceType): bigint {
  const group = host.space.groupsOf(type).at(-1);
  if (group !== undefined) return group.flags;
  // A balance can remove the last data group; a volume always has blocks in groups of the other types.
  if (type !== 'data') throw corrupt('chunk tree', `no block group holds ${type}`);
  return BLOCK_GROUP_DATA;
}

/** Where on the device the next chunk goes: `copies` stripes of `length` bytes from `start` on. */
function choosePlace(host: ChunkHost, type: SpaceType, copies: number): Hole | undefined {
  const wanted = largestChunk(host.volume.superblock.totalBytes, type);
  const smallest = type === 'system' ? SMALLEST_SYSTEM_CHUNK : SMALLEST_CHUNK;
  let best: Hole | undefined;
  for (const hole of holes(host)) {
    const length = Math.min(wanted, roundDown(Math.floor(hole.length / copies), STRIPE_LEN));
    if (length >= smallest && length > (best?.length ?? 0)) best = { start: hole.start, length };
  }
  return best;
}

/** The kernel's limits. @see linux fs/btrfs/volumes.c init_alloc_chunk_ctl_policy_regular */
function largestChunk(totalBytes: number, type: SpaceType): number {
  const tenth = roundUp(Math.floor(totalBytes / 10), 16 * MIB);
  if (type === 'system') return Math.min(32 * MIB, tenth);
  if (type === 'data') return Math.min(GIB, tenth);
  return Math.min(totalBytes > 50 * GIB ? GIB : 256 * MIB, tenth);
}

/** The part of the device that no chunk uses, whole stripes, in ascending order. */
export function holes(host: ChunkHost): Hole[] {
  const { devid, totalBytes } = host.volume.superblock.devItem;
  const found: Hole[] = [];
  let end = DEVICE_RANGE_RESERVED;
  const addHole = (to: number) => {
    const start = roundUp(end, STRIPE_LEN);
    if (to - start >= STRIPE_LEN) found.push({ start, length: roundDown(to - start, STRIPE_LEN) });
  };
  const cursor = host.devTree.seek(new Key(devid, DEV_EXTENT_KEY, 0));
  for (; cursor.isItemOf(devid, DEV_EXTENT_KEY); cursor.next()) {
    const start = cursor.keyOffset;
    const { length } = decodeDevExtent(cursor.view, cursor.at);
    if (start < end && end > DEVICE_RANGE_RESERVED) throw corrupt(cursor.describe(), 'device extents overlap');
    addHole(start);
    end = start + length;
  }
  addHole(totalBytes);
  return found;
}

function nextLogical(volume: Volume): number {
  let end = 0;
  for (const { logical, chunk } of volume.chunkMap) end = Math.max(end, logical + chunk.length);
  return roundUp(end, STRIPE_LEN);
}

function recordChunk(host: ChunkHost, logical: number, chunk: Chunk): void {
  const bytes = new Uint8Array(chunkSize(chunk.stripes.length));
  encodeChunk(viewOf(bytes), 0, chunk);
  const key = new Key(FIRST_CHUNK_TREE_OBJECTID, CHUNK_ITEM_KEY, logical);
  host.volume.addChunk({ logical, chunk });
  host.chunkTree.insert(key, bytes);
  for (const stripe of chunk.stripes) {
    const extent = new Uint8Array(DEV_EXTENT.SIZE);
    encodeDevExtent(viewOf(extent), 0, {
      chunkTree: CHUNK_TREE_OBJECTID,
      chunkObjectid: FIRST_CHUNK_TREE_OBJECTID,
      chunkOffset: logical,
      length: chunk.length,
      chunkTreeUuid: host.chunkTreeUuid,
    });
    host.devTree.insert(new Key(stripe.devid, DEV_EXTENT_KEY, stripe.offset), extent);
  }
  changeDeviceUse(host, chunk.stripes.length * chunk.length);
}

function recordGroup(host: ChunkHost, logical: number, chunk: Chunk): void {
  const group = new BlockGroup(logical, chunk.length, chunk.type, 0, FIRST_CHUNK_TREE_OBJECTID);
  const item = new Uint8Array(BLOCK_GROUP_ITEM.SIZE);
  encodeBlockGroupItem(viewOf(item), 0, { used: 0, chunkObjectid: group.chunkObjectid, flags: group.flags });
  host.blockGroupTree.insert(new Key(logical, BLOCK_GROUP_ITEM_KEY, chunk.length), item);
  host.freeSpaceTree?.addGroup(group);
  host.space.addGroup(group);
  if (group.type === 'system') appendSystemChunk(host, logical, chunk);
}

function changeDeviceUse(host: ChunkHost, by: number): void {
  const { devItem } = host.volume.superblock;
  devItem.bytesUsed += by;
  const bytes = new Uint8Array(DEV_ITEM.SIZE);
  encodeDevItem(viewOf(bytes), 0, devItem);
  host.chunkTree.replace(new Key(DEV_ITEMS_OBJECTID, DEV_ITEM_KEY, devItem.devid), bytes);
}

/** The superblock's array finds the chunk tree itself, so every system chunk is in it. */
function appendSystemChunk(host: ChunkHost, logical: number, chunk: Chunk): void {
  const { superblock } = host.volume;
  const old = superblock.sysChunkArray;
  const array = new Uint8Array(old.length + KEY.SIZE + chunkSize(chunk.stripes.length));
  if (array.length > SYS_CHUNK_ARRAY_SIZE)
    throw new FsError('EFBIG', 'the superblock has no room for another system chunk');
  array.set(old);
  encodeKey(viewOf(array), old.length, new Key(FIRST_CHUNK_TREE_OBJECTID, CHUNK_ITEM_KEY, logical));
  encodeChunk(viewOf(array), old.length + KEY.SIZE, chunk);
  superblock.sysChunkArray = array;
}
