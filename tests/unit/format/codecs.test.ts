import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  BACKUP_ROOTS,
  BLOCK_GROUP_ITEM,
  type Chunk,
  chunkSize,
  compareInlineRefs,
  DEV_EXTENT,
  DEV_ITEM,
  dataRefHash,
  decodeBlockGroupItem,
  decodeChunk,
  decodeDevExtent,
  decodeDevItem,
  decodeDirItems,
  decodeExtentItem,
  decodeFileExtent,
  decodeFreeSpaceInfo,
  decodeHeader,
  decodeInodeExtrefs,
  decodeInodeItem,
  decodeInodeRefs,
  decodeKeyedRef,
  decodeKeyPtr,
  decodeRootItem,
  decodeRootRef,
  decodeSuper,
  EXTENT_DATA_REF_KEY,
  EXTENT_FLAG_DATA,
  EXTENT_FLAG_TREE_BLOCK,
  encodeBlockGroupItem,
  encodeChunk,
  encodeDevExtent,
  encodeDevItem,
  encodeDirItem,
  encodeExtentItem,
  encodeFileExtent,
  encodeFreeSpaceInfo,
  encodeHeader,
  encodeInodeExtref,
  encodeInodeItem,
  encodeInodeRef,
  encodeKeyedRef,
  encodeKeyPtr,
  encodeRootItem,
  encodeRootRef,
  encodeSuper,
  FILE_EXTENT_INLINE,
  FREE_SPACE_INFO,
  fileExtentSize,
  HEADER,
  INODE_ITEM,
  type InlineRef,
  KEY_PTR,
  Key,
  LEGACY_ROOT_ITEM_SIZE,
  ROOT_ITEM,
  SHARED_BLOCK_REF_KEY,
  SHARED_DATA_REF_KEY,
  SUPER,
  superMirrorOffsets,
  TREE_BLOCK_REF_KEY,
  uuidKey,
  uuidOfKey,
} from '../../../src/format/index.js';

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u53 = fc.maxSafeNat();
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const id = fc.integer({ min: -(2 ** 52), max: 2 ** 52 });
const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 });
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const name = fc.uint8Array({ minLength: 1, maxLength: 255 });
const key = fc.tuple(u64, u8, u64).map(([objectid, type, offset]) => new Key(objectid, type, offset));
const time = fc.record({ sec: id, nsec: fc.integer({ min: 0, max: 999_999_999 }) }, { noNullPrototype: true });
const struct = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(fields, { noNullPrototype: true });

/** Encodes at an odd place of a larger buffer, expects nothing written outside, and decodes again. */
function checkRoundTrip<T>(
  arbitrary: fc.Arbitrary<T>,
  size: (value: T) => number,
  encode: (view: DataView, at: number, value: T) => void,
  decode: (view: DataView, at: number) => T,
): void {
  const at = 13;
  fc.assert(
    fc.property(arbitrary, (value) => {
      const buffer = new Uint8Array(size(value) + 2 * at).fill(0xee);
      buffer.fill(0, at, at + size(value));
      const view = new DataView(buffer.buffer);
      encode(view, at, value);
      assert.deepEqual(decode(view, at), value);
      assert.ok(buffer.subarray(0, at).every((byte) => byte === 0xee));
      assert.ok(buffer.subarray(at + size(value)).every((byte) => byte === 0xee));
    }),
  );
}

const inode = struct({
  generation: u53,
  transid: u53,
  size: u53,
  nbytes: u53,
  blockGroup: u53,
  nlink: u32,
  uid: u32,
  gid: u32,
  mode: u32,
  rdev: u53,
  flags: u64,
  sequence: u53,
  atime: time,
  ctime: time,
  mtime: time,
  otime: time,
});

const devItem = struct({
  devid: u53,
  totalBytes: u53,
  bytesUsed: u53,
  ioAlign: u32,
  ioWidth: u32,
  sectorSize: u32,
  type: u53,
  generation: u53,
  startOffset: u53,
  devGroup: u32,
  seekSpeed: u8,
  bandwidth: u8,
  uuid,
  fsid: uuid,
});

test('block headers and key pointers', () => {
  const header = struct({
    fsid: uuid,
    bytenr: u53,
    flags: u64,
    chunkTreeUuid: uuid,
    generation: u53,
    owner: id,
    nritems: u32,
    level: u8,
  });
  checkRoundTrip(header, () => HEADER.SIZE, encodeHeader, decodeHeader);
  const pointer = struct({ key, blockptr: u53, generation: u53 });
  checkRoundTrip(pointer, () => KEY_PTR.SIZE, encodeKeyPtr, decodeKeyPtr);
});

test('chunks, devices, block groups, free space', () => {
  const stripe = struct({ devid: u53, offset: u53, devUuid: uuid });
  const chunk = struct<Chunk>({
    length: u53,
    owner: id,
    stripeLen: u53,
    type: u64,
    ioAlign: u32,
    ioWidth: u32,
    sectorSize: u32,
    subStripes: u16,
    stripes: fc.array(stripe, { maxLength: 4 }),
  });
  checkRoundTrip(chunk, (value) => chunkSize(value.stripes.length), encodeChunk, decodeChunk);
  checkRoundTrip(devItem, () => DEV_ITEM.SIZE, encodeDevItem, decodeDevItem);
  const devExtent = struct({ chunkTree: id, chunkObjectid: id, chunkOffset: u53, length: u53, chunkTreeUuid: uuid });
  checkRoundTrip(devExtent, () => DEV_EXTENT.SIZE, encodeDevExtent, decodeDevExtent);
  const group = struct({ used: u53, chunkObjectid: id, flags: u64 });
  checkRoundTrip(group, () => BLOCK_GROUP_ITEM.SIZE, encodeBlockGroupItem, decodeBlockGroupItem);
  const info = struct({ extentCount: u32, flags: u32 });
  checkRoundTrip(info, () => FREE_SPACE_INFO.SIZE, encodeFreeSpaceInfo, decodeFreeSpaceInfo);
});

test('inodes and roots', () => {
  checkRoundTrip(inode, () => INODE_ITEM.SIZE, encodeInodeItem, decodeInodeItem);
  checkRoundTrip(rootItem, () => ROOT_ITEM.SIZE, encodeRootItem, decodeRootItem);
});

const rootItem = struct({
  inode,
  generation: u53,
  rootDirid: u53,
  bytenr: u53,
  byteLimit: u53,
  bytesUsed: u53,
  lastSnapshot: u53,
  flags: u64,
  refs: u32,
  dropProgress: key,
  dropLevel: u8,
  level: u8,
  generationV2: u53,
  uuid,
  parentUuid: uuid,
  receivedUuid: uuid,
  ctransid: u53,
  otransid: u53,
  stransid: u53,
  rtransid: u53,
  ctime: time,
  otime: time,
  stime: time,
  rtime: time,
});

test('a root item of old kernels reads as zero from the second generation on', () => {
  fc.assert(
    fc.property(rootItem, (root) => {
      const view = new DataView(new ArrayBuffer(ROOT_ITEM.SIZE));
      encodeRootItem(view, 0, root);
      const old = decodeRootItem(view, 0, LEGACY_ROOT_ITEM_SIZE);
      assert.equal(old.level, root.level);
      assert.equal(old.generationV2, 0);
      assert.deepEqual(old.uuid, new Uint8Array(16));
    }),
  );
});

test('superblocks', () => {
  const backupTree = struct({ bytenr: u53, generation: u53, level: u8 });
  const backup = struct({
    tree: backupTree,
    chunk: backupTree,
    extent: backupTree,
    fs: backupTree,
    dev: backupTree,
    csum: backupTree,
    totalBytes: u53,
    bytesUsed: u53,
    numDevices: u53,
  });
  const superblock = struct({
    fsid: uuid,
    bytenr: u53,
    flags: u64,
    magic: u64,
    generation: u53,
    root: u53,
    chunkRoot: u53,
    logRoot: u53,
    totalBytes: u53,
    bytesUsed: u53,
    rootDirObjectid: u53,
    numDevices: u53,
    sectorsize: u32,
    nodesize: u32,
    leafsize: u32,
    stripesize: u32,
    chunkRootGeneration: u53,
    compatFlags: u64,
    compatRoFlags: u64,
    incompatFlags: u64,
    csumType: u16,
    rootLevel: u8,
    chunkRootLevel: u8,
    logRootLevel: u8,
    devItem,
    label: fc.uint8Array({ min: 1, maxLength: 256 }),
    cacheGeneration: id,
    uuidTreeGeneration: u53,
    metadataUuid: uuid,
    sysChunkArray: bytes(2048),
    backupRoots: fc.array(backup, { minLength: BACKUP_ROOTS, maxLength: BACKUP_ROOTS }),
  });
  checkRoundTrip(superblock, () => SUPER.SIZE, encodeSuper, decodeSuper);
});

test('names: references and directory entries', () => {
  fc.assert(
    fc.property(fc.array(struct({ index: u53, name }), { maxLength: 3 }), (refs) => {
      const stored = Buffer.concat(refs.map(encodeInodeRef));
      assert.deepEqual(decodeInodeRefs(viewOf(stored), 0, stored.length), refs);
    }),
  );
  fc.assert(
    fc.property(fc.array(struct({ parent: id, index: u53, name }), { maxLength: 3 }), (refs) => {
      const stored = Buffer.concat(refs.map(encodeInodeExtref));
      assert.deepEqual(decodeInodeExtrefs(viewOf(stored), 0, stored.length), refs);
    }),
  );
  const entry = struct({ location: key, transid: u53, type: u8, name, data: bytes(100) });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 3 }), (entries) => {
      const stored = Buffer.concat(entries.map(encodeDirItem));
      assert.deepEqual(decodeDirItems(viewOf(stored), 0, stored.length), entries);
    }),
  );
  fc.assert(
    fc.property(struct({ dirid: u53, sequence: u53, name }), (ref) => {
      const stored = encodeRootRef(ref);
      assert.deepEqual(decodeRootRef(viewOf(stored), 0, stored.length), ref);
    }),
  );
});

const extentFields = {
  generation: u53,
  ramBytes: u53,
  compression: u8,
  encryption: u8,
  otherEncoding: u16,
};

test('file extents: plain, with a context of each form, inline', () => {
  const fixed = { ...extentFields, diskBytenr: u53, diskNumBytes: u53, offset: u53, numBytes: u53 };
  const context = fc
    .constantFrom(40, 34, 28)
    .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
  const regular = struct({ ...fixed, type: fc.constantFrom(1, 2), inlineLength: fc.constant(0) });
  const sizes = new Set<number>();
  fc.assert(
    fc.property(regular, fc.option(context, { nil: undefined }), (fields, stored) => {
      const extent = stored === undefined ? fields : { ...fields, context: stored };
      const item = encodeFileExtent(extent);
      assert.equal(item.length, fileExtentSize(extent));
      sizes.add(item.length);
      assert.deepEqual(decodeFileExtent(viewOf(item), 0, item.length), extent);
    }),
  );
  assert.deepEqual([...sizes].sort(), [53, 85, 91, 97]);
  fc.assert(
    fc.property(struct(extentFields), bytes(300), (fields, data) => {
      const none = { diskBytenr: 0, diskNumBytes: 0, offset: 0, numBytes: 0 };
      const extent = { ...fields, ...none, type: FILE_EXTENT_INLINE, inlineLength: data.length };
      const item = encodeFileExtent(extent, data);
      assert.deepEqual(decodeFileExtent(viewOf(item), 0, item.length), extent);
      assert.deepEqual(item.subarray(21), data);
    }),
  );
});

const dataRef = struct({
  type: fc.constant(EXTENT_DATA_REF_KEY),
  root: id,
  objectid: id,
  offset: u64,
  count: u32,
});
const sharedDataRef = struct({ type: fc.constant(SHARED_DATA_REF_KEY), parent: u53, count: u32 });
const treeBlockRef = struct({ type: fc.constant(TREE_BLOCK_REF_KEY), root: id });
const sharedBlockRef = struct({ type: fc.constant(SHARED_BLOCK_REF_KEY), parent: u53 });
const anyRef: fc.Arbitrary<InlineRef> = fc.oneof(dataRef, sharedDataRef, treeBlockRef, sharedBlockRef);

test('extent items with inline references', () => {
  const data = struct({
    refs: u53,
    generation: u53,
    flags: fc.constant(EXTENT_FLAG_DATA),
    inlineRefs: fc.array(anyRef, { maxLength: 5 }),
  });
  const block = struct({
    refs: u53,
    generation: u53,
    flags: fc.constant(EXTENT_FLAG_TREE_BLOCK),
    treeBlockInfo: struct({ key, level: u8 }),
    inlineRefs: fc.array(anyRef, { maxLength: 5 }),
  });
  fc.assert(
    fc.property(fc.oneof(data, block), (item) => {
      const stored = encodeExtentItem(item);
      assert.deepEqual(decodeExtentItem(viewOf(stored), 0, stored.length, false), item);
    }),
  );
});

test('references as items of their own', () => {
  fc.assert(
    fc.property(anyRef, (ref) => {
      const stored = encodeKeyedRef(ref);
      const offset = 'parent' in ref ? ref.parent : ref.root;
      assert.deepEqual(decodeKeyedRef(viewOf(stored), 0, new Key(4096, ref.type, offset)), ref);
    }),
  );
});

test('inline references ascend by type and descend by hash, root or parent', () => {
  const shared = { type: SHARED_DATA_REF_KEY, parent: 4096, count: 1 } as const;
  const higher = { type: SHARED_DATA_REF_KEY, parent: 8192, count: 1 } as const;
  const own = { type: EXTENT_DATA_REF_KEY, root: 5, objectid: 257, offset: 0n, count: 1 } as const;
  assert.deepEqual([shared, higher, own].sort(compareInlineRefs), [own, higher, shared]);
});

test('the hash of a data reference takes offsets that wrapped below zero', () => {
  const wrapped = dataRefHash(5, 257, 18446744073709486080n);
  assert.equal(wrapped, dataRefHash(5n, 257n, -65536n));
  assert.ok(wrapped < 1n << 63n);
});

test('keys of the UUID tree', () => {
  fc.assert(fc.property(uuid, (value) => assert.deepEqual(uuidOfKey(uuidKey(value, 251)), value)));
});

test('superblock copies exist only where they fit whole', () => {
  const MiB = 1024 ** 2;
  assert.deepEqual(superMirrorOffsets(64 * MiB + 4096), [65536]);
  assert.deepEqual(superMirrorOffsets(64 * MiB + 4097), [65536, 64 * MiB]);
  assert.deepEqual(superMirrorOffsets(2 ** 39), [65536, 64 * MiB, 256 * 1024 * MiB]);
});

function viewOf(stored: Uint8Array): DataView {
  return new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
}
