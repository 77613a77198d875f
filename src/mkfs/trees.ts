/**
 * What the trees of a new volume hold.
 *
 * The trees describe each other's blocks (root items, extents, free space), so their items depend
 * on where all blocks lie, which in turn depends on how many blocks the items need: {@link planTrees}
 * repeats until nothing moves.
 */
import { invariant, type Timespec, viewOf } from '../bytes/index.js';
import {
  BLOCK_GROUP_ITEM,
  BLOCK_GROUP_ITEM_KEY,
  CHUNK_ITEM_KEY,
  CHUNK_TREE_OBJECTID,
  CSUM_TREE_OBJECTID,
  chunkSize,
  compareKeys,
  DATA_RELOC_TREE_OBJECTID,
  DEV_EXTENT,
  DEV_EXTENT_KEY,
  DEV_ITEM,
  DEV_ITEM_KEY,
  DEV_ITEMS_OBJECTID,
  DEV_TREE_OBJECTID,
  type DevItem,
  DIR_ITEM_KEY,
  EXTENT_FLAG_TREE_BLOCK,
  EXTENT_TREE_OBJECTID,
  encodeBlockGroupItem,
  encodeChunk,
  encodeDevExtent,
  encodeDevItem,
  encodeDirItem,
  encodeExtentItem,
  encodeFreeSpaceInfo,
  encodeInodeItem,
  encodeInodeRef,
  encodeRootItem,
  FIRST_CHUNK_TREE_OBJECTID,
  FIRST_FREE_OBJECTID,
  FREE_SPACE_EXTENT_KEY,
  FREE_SPACE_INFO,
  FREE_SPACE_INFO_KEY,
  FREE_SPACE_TREE_OBJECTID,
  FS_TREE_OBJECTID,
  FT_DIR,
  INODE_ITEM,
  INODE_ITEM_KEY,
  INODE_REF_KEY,
  INODE_ROOT_ITEM_INIT,
  type InodeItem,
  Key,
  MAX_OFFSET,
  METADATA_ITEM_KEY,
  nameHash,
  ROOT_ITEM,
  ROOT_ITEM_KEY,
  ROOT_TREE_DIR_OBJECTID,
  ROOT_TREE_OBJECTID,
  type RootItem,
  TREE_BLOCK_REF_KEY,
  UUID_KEY_SUBVOL,
  UUID_SIZE,
  UUID_TREE_OBJECTID,
  uuidKey,
} from '../format/index.js';
import { blockCount, type NewItem, splitIntoLeaves } from './blocks.js';
import type { NewChunk } from './layout.js';

/** What tells one new volume from another. */
export interface VolumeIdentity {
  readonly nodesize: number;
  readonly generation: number;
  readonly chunkTreeUuid: Uint8Array;
  /** Of the top-level subvolume. */
  readonly subvolumeUuid: Uint8Array;
  readonly devItem: DevItem;
  readonly chunks: readonly [data: NewChunk, system: NewChunk, metadata: NewChunk];
  readonly now: Timespec;
}

/** One tree of the plan: its items and the addresses of its blocks, the root's last. */
export interface PlannedTree {
  readonly id: number;
  readonly items: readonly NewItem[];
  readonly addresses: readonly number[];
}

const DEFAULT_NAME = Buffer.from('default');
const PARENT_NAME = Buffer.from('..');
const ZERO_TIME: Timespec = { sec: 0, nsec: 0 };
const DIRECTORY_MODE = 0o040755;

/** Trees in the order in which their blocks lie. */
const TREES = [
  CHUNK_TREE_OBJECTID,
  EXTENT_TREE_OBJECTID,
  FS_TREE_OBJECTID,
  DEV_TREE_OBJECTID,
  CSUM_TREE_OBJECTID,
  UUID_TREE_OBJECTID,
  FREE_SPACE_TREE_OBJECTID,
  DATA_RELOC_TREE_OBJECTID,
  ROOT_TREE_OBJECTID,
] as const;

/** Items and block addresses of every tree. */
export function planTrees(volume: VolumeIdentity): PlannedTree[] {
  let plan: PlannedTree[] = place(
    volume,
    TREES.map((id) => ({ id, items: [], addresses: [] })),
  );
  for (;;) {
    const known = plan;
    const next = place(
      volume,
      known.map(({ id }) => ({ id, items: itemsOf(id, volume, known), addresses: [] })),
    );
    if (next.every((tree, i) => tree.addresses.length === known[i]?.addresses.length)) return next;
    plan = next;
  }
}

/** Logical bytes in use in the block group that begins at `logical`. */
export function usedBytes(plan: readonly PlannedTree[], { logical, chunk }: NewChunk, nodesize: number): number {
  const inside = addressesOf(plan).filter(({ bytenr }) => bytenr >= logical && bytenr < logical + chunk.length);
  return inside.length * nodesize;
}

/** The address of a tree's root block. */
export function rootOf(plan: readonly PlannedTree[], id: number): { bytenr: number; level: number } {
  const addresses = plan.find((tree) => tree.id === id)?.addresses ?? [];
  const bytenr = addresses.at(-1);
  invariant(bytenr !== undefined, `tree ${id} is planned`);
  return { bytenr, level: addresses.length > 1 ? 1 : 0 };
}

/** Gives addresses from the start of the system group to the chunk tree, of the metadata group to the rest. */
function place(volume: VolumeIdentity, trees: PlannedTree[]): PlannedTree[] {
  const [, system, metadata] = volume.chunks;
  let nextSystem = system.logical;
  let nextMetadata = metadata.logical;
  return trees.map((tree) => {
    const count = blockCount(splitIntoLeaves(tree.items, volume.nodesize).length);
    const isChunkTree = tree.id === CHUNK_TREE_OBJECTID;
    const start = isChunkTree ? nextSystem : nextMetadata;
    if (isChunkTree) nextSystem += count * volume.nodesize;
    else nextMetadata += count * volume.nodesize;
    return { ...tree, addresses: Array.from({ length: count }, (_, i) => start + i * volume.nodesize) };
  });
}

interface PlacedBlock {
  readonly bytenr: number;
  readonly owner: number;
  readonly level: number;
}

function addressesOf(plan: readonly PlannedTree[]): PlacedBlock[] {
  return plan.flatMap(({ id, addresses }) =>
    addresses.map((bytenr, i) => ({
      bytenr,
      owner: id,
      level: addresses.length > 1 && i === addresses.length - 1 ? 1 : 0,
    })),
  );
}

function itemsOf(id: number, volume: VolumeIdentity, plan: readonly PlannedTree[]): NewItem[] {
  const items = unsortedItems(id, volume, plan);
  return items.sort((a, b) => compareKeys(a.key, b.key));
}

function unsortedItems(id: number, volume: VolumeIdentity, plan: readonly PlannedTree[]): NewItem[] {
  switch (id) {
    case ROOT_TREE_OBJECTID:
      return rootTreeItems(volume, plan);
    case CHUNK_TREE_OBJECTID:
      return chunkTreeItems(volume);
    case DEV_TREE_OBJECTID:
      return deviceTreeItems(volume);
    case EXTENT_TREE_OBJECTID:
      return extentTreeItems(volume, plan);
    case FREE_SPACE_TREE_OBJECTID:
      return freeSpaceItems(volume, plan);
    case FS_TREE_OBJECTID:
    case DATA_RELOC_TREE_OBJECTID:
      return topDirectoryItems(FIRST_FREE_OBJECTID, FIRST_FREE_OBJECTID, volume);
    case UUID_TREE_OBJECTID:
      return [{ key: uuidKey(volume.subvolumeUuid, UUID_KEY_SUBVOL), data: encodeId(FS_TREE_OBJECTID) }];
    default:
      return [];
  }
}

function rootTreeItems(volume: VolumeIdentity, plan: readonly PlannedTree[]): NewItem[] {
  const listed = plan.filter(({ id }) => id !== ROOT_TREE_OBJECTID && id !== CHUNK_TREE_OBJECTID);
  const roots = listed.map(({ id, addresses }) => rootItem(id, addresses.length, volume, plan));
  const location = new Key(FS_TREE_OBJECTID, ROOT_ITEM_KEY, MAX_OFFSET);
  const entry = { location, transid: 0, type: FT_DIR, name: DEFAULT_NAME, data: new Uint8Array(0) };
  return [
    ...roots,
    ...topDirectoryItems(ROOT_TREE_DIR_OBJECTID, ROOT_TREE_DIR_OBJECTID, volume),
    { key: new Key(ROOT_TREE_DIR_OBJECTID, DIR_ITEM_KEY, nameHash(DEFAULT_NAME)), data: encodeDirItem(entry) },
    {
      key: new Key(FS_TREE_OBJECTID, INODE_REF_KEY, ROOT_TREE_DIR_OBJECTID),
      data: encodeInodeRef({ index: 0, name: DEFAULT_NAME }),
    },
  ];
}

function rootItem(id: number, blocks: number, volume: VolumeIdentity, plan: readonly PlannedTree[]): NewItem {
  const isSubvolume = id === FS_TREE_OBJECTID;
  const { generation, nodesize, now } = volume;
  const zeroUuid = new Uint8Array(UUID_SIZE);
  const inode = {
    ...directoryInode(volume),
    size: 3,
    nbytes: nodesize,
    flags: isSubvolume ? INODE_ROOT_ITEM_INIT : 0n,
  };
  const root: RootItem = {
    inode: { ...inode, atime: ZERO_TIME, ctime: ZERO_TIME, mtime: ZERO_TIME, otime: ZERO_TIME },
    generation,
    rootDirid: isSubvolume || id === DATA_RELOC_TREE_OBJECTID ? FIRST_FREE_OBJECTID : 0,
    ...rootOf(plan, id),
    byteLimit: 0,
    bytesUsed: blocks * nodesize,
    lastSnapshot: 0,
    flags: 0n,
    refs: 1,
    dropProgress: new Key(0, 0, 0),
    dropLevel: 0,
    generationV2: generation,
    uuid: isSubvolume ? volume.subvolumeUuid : zeroUuid,
    parentUuid: zeroUuid,
    receivedUuid: zeroUuid,
    ctransid: isSubvolume ? generation : 0,
    otransid: isSubvolume ? generation : 0,
    stransid: 0,
    rtransid: 0,
    ctime: isSubvolume ? now : ZERO_TIME,
    otime: isSubvolume ? now : ZERO_TIME,
    stime: ZERO_TIME,
    rtime: ZERO_TIME,
  };
  const data = new Uint8Array(ROOT_ITEM.SIZE);
  encodeRootItem(viewOf(data), 0, root);
  return { key: new Key(id, ROOT_ITEM_KEY, 0), data };
}

function topDirectoryItems(ino: number, parent: number, volume: VolumeIdentity): NewItem[] {
  const data = new Uint8Array(INODE_ITEM.SIZE);
  encodeInodeItem(viewOf(data), 0, directoryInode(volume));
  return [
    { key: new Key(ino, INODE_ITEM_KEY, 0), data },
    { key: new Key(ino, INODE_REF_KEY, parent), data: encodeInodeRef({ index: 0, name: PARENT_NAME }) },
  ];
}

function directoryInode({ generation, nodesize, now }: VolumeIdentity): InodeItem {
  return {
    generation,
    transid: generation,
    size: 0,
    nbytes: nodesize,
    blockGroup: 0,
    nlink: 1,
    uid: 0,
    gid: 0,
    mode: DIRECTORY_MODE,
    rdev: 0,
    flags: 0n,
    sequence: 0,
    atime: now,
    ctime: now,
    mtime: now,
    otime: now,
  };
}

function chunkTreeItems({ chunks, devItem }: VolumeIdentity): NewItem[] {
  const device = new Uint8Array(DEV_ITEM.SIZE);
  encodeDevItem(viewOf(device), 0, devItem);
  return [{ key: new Key(DEV_ITEMS_OBJECTID, DEV_ITEM_KEY, devItem.devid), data: device }, ...chunks.map(chunkItem)];
}

/** A chunk under its key, as the chunk tree and the superblock's array have it. */
export function chunkItem({ logical, chunk }: NewChunk): NewItem {
  const data = new Uint8Array(chunkSize(chunk.stripes.length));
  encodeChunk(viewOf(data), 0, chunk);
  return { key: new Key(FIRST_CHUNK_TREE_OBJECTID, CHUNK_ITEM_KEY, logical), data };
}

function deviceTreeItems({ chunks, chunkTreeUuid }: VolumeIdentity): NewItem[] {
  return chunks.flatMap(({ logical, chunk }) =>
    chunk.stripes.map(({ devid, offset }) => {
      const data = new Uint8Array(DEV_EXTENT.SIZE);
      encodeDevExtent(viewOf(data), 0, {
        chunkTree: CHUNK_TREE_OBJECTID,
        chunkObjectid: FIRST_CHUNK_TREE_OBJECTID,
        chunkOffset: logical,
        length: chunk.length,
        chunkTreeUuid,
      });
      return { key: new Key(devid, DEV_EXTENT_KEY, offset), data };
    }),
  );
}

function extentTreeItems(volume: VolumeIdentity, plan: readonly PlannedTree[]): NewItem[] {
  const groups = volume.chunks.map((chunk) => {
    const data = new Uint8Array(BLOCK_GROUP_ITEM.SIZE);
    encodeBlockGroupItem(viewOf(data), 0, {
      used: usedBytes(plan, chunk, volume.nodesize),
      chunkObjectid: FIRST_CHUNK_TREE_OBJECTID,
      flags: chunk.chunk.type,
    });
    return { key: new Key(chunk.logical, BLOCK_GROUP_ITEM_KEY, chunk.chunk.length), data };
  });
  const extents = addressesOf(plan).map(({ bytenr, owner, level }) => ({
    key: new Key(bytenr, METADATA_ITEM_KEY, level),
    data: encodeExtentItem({
      refs: 1,
      generation: volume.generation,
      flags: EXTENT_FLAG_TREE_BLOCK,
      inlineRefs: [{ type: TREE_BLOCK_REF_KEY, root: owner }],
    }),
  }));
  return [...groups, ...extents];
}

/** Every group's blocks lie at its start, so each has one free run. */
function freeSpaceItems(volume: VolumeIdentity, plan: readonly PlannedTree[]): NewItem[] {
  return volume.chunks.flatMap((chunk) => {
    const { logical } = chunk;
    const { length } = chunk.chunk;
    const used = usedBytes(plan, chunk, volume.nodesize);
    const data = new Uint8Array(FREE_SPACE_INFO.SIZE);
    encodeFreeSpaceInfo(viewOf(data), 0, { extentCount: 1, flags: 0 });
    return [
      { key: new Key(logical, FREE_SPACE_INFO_KEY, length), data },
      { key: new Key(logical + used, FREE_SPACE_EXTENT_KEY, length - used), data: new Uint8Array(0) },
    ];
  });
}

function encodeId(id: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigInt64(0, BigInt(id), true);
  return bytes;
}
