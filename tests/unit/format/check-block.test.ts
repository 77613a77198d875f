import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FsError, isFsError } from '../../../src/bytes/index.js';
import {
  type CheckContext,
  checkBlock,
  dataRefHash,
  EXTENT_DATA_REF_KEY,
  EXTENT_FLAG_DATA,
  EXTENT_FLAG_TREE_BLOCK,
  EXTENT_TREE_OBJECTID,
  encodeDirItem,
  encodeExtentItem,
  encodeFileExtent,
  encodeInodeItem,
  encodeInodeRef,
  type FileExtent,
  FS_TREE_OBJECTID,
  FT_DIR,
  FT_ENCRYPTED,
  FT_REG_FILE,
  FT_XATTR,
  HEADER,
  INCOMPAT_SKINNY_METADATA,
  INODE_ENCRYPT,
  INODE_ITEM,
  type InlineRef,
  type InodeItem,
  ITEM,
  Key,
  nameHash,
  SHARED_DATA_REF_KEY,
  TREE_BLOCK_REF_KEY,
} from '../../../src/format/index.js';
import { type BlockItem, type BlockOptions, buildLeaf, buildNode } from '../../support/block.js';

const FS: BlockOptions = { nodesize: 4096, owner: FS_TREE_OBJECTID };
const EXTENTS: BlockOptions = { nodesize: 4096, owner: EXTENT_TREE_OBJECTID };
const PLAIN: CheckContext = {
  nodesize: 4096,
  sectorsize: 4096,
  csumSize: 4,
  incompatFlags: INCOMPAT_SKINNY_METADATA,
  superGeneration: 10,
  encrypted: false,
};
const ENCRYPTED: CheckContext = { ...PLAIN, encrypted: true };

function accept(block: Uint8Array, context = PLAIN): void {
  checkBlock(new DataView(block.buffer), context);
}

function refuse(block: Uint8Array, text: RegExp, context = PLAIN): void {
  assert.throws(
    () => accept(block, context),
    (error: FsError) => isFsError(error, 'EUCLEAN') && text.test(error.message),
  );
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

const noTime = { sec: 0, nsec: 0 };
const FILE: InodeItem = {
  generation: 1,
  transid: 1,
  size: 0,
  nbytes: 0,
  blockGroup: 0,
  nlink: 1,
  uid: 0,
  gid: 0,
  mode: 0o100644,
  rdev: 0,
  flags: 0n,
  sequence: 0,
  atime: noTime,
  ctime: noTime,
  mtime: noTime,
  otime: noTime,
};

function inodeItem(change: Partial<InodeItem> = {}, ino = 257): BlockItem {
  const data = new Uint8Array(INODE_ITEM.SIZE);
  encodeInodeItem(new DataView(data.buffer), 0, { ...FILE, ...change });
  return { key: new Key(ino, 1, 0), data };
}

const EXTENT: FileExtent = {
  generation: 1,
  ramBytes: 8192,
  compression: 0,
  encryption: 0,
  otherEncoding: 0,
  type: 1,
  inlineLength: 0,
  diskBytenr: 1024 * 1024,
  diskNumBytes: 8192,
  offset: 0,
  numBytes: 8192,
};

function extentItem(change: Partial<FileExtent> = {}, fileOffset = 0): BlockItem {
  return { key: new Key(257, 108, fileOffset), data: encodeFileExtent({ ...EXTENT, ...change }) };
}

function fileWith(...items: BlockItem[]): Uint8Array {
  return buildLeaf([inodeItem(), ...items], FS);
}

test('a block is marked as written and not from the future', () => {
  const unwritten = fileWith();
  unwritten[HEADER.flags] = 0;
  refuse(unwritten, /not marked as written/);
  accept(buildLeaf([inodeItem()], { ...FS, generation: 11 }));
  refuse(buildLeaf([inodeItem()], { ...FS, generation: 12 }), /generation 12/);
});

test('some trees are never empty', () => {
  refuse(buildLeaf([], FS), /empty/);
  accept(buildLeaf([], { ...FS, owner: 7 }));
});

test('items are packed, in order, inside the leaf', () => {
  const second = { key: new Key(258, 48, 0), data: new Uint8Array(8) };
  accept(buildLeaf([inodeItem(), second], FS));
  refuse(buildLeaf([second, inodeItem()], FS), /do not ascend/);
  refuse(buildLeaf([inodeItem(), inodeItem()], FS), /do not ascend/);
  const hole = buildLeaf([inodeItem(), second], FS);
  new DataView(hole.buffer).setUint32(HEADER.SIZE + ITEM.SIZE + ITEM.offset, 3000, true);
  refuse(hole, /data ends at/);
  const many = buildLeaf([inodeItem()], FS);
  new DataView(many.buffer).setUint32(HEADER.nritems, 0xffff_ffff, true);
  refuse(many, /items, at most/);
  const overlap = buildLeaf([{ key: new Key(1, 250, 0), data: new Uint8Array(3970) }], { ...FS, owner: 9 });
  new DataView(overlap.buffer).setUint32(HEADER.nritems, 2, true);
  refuse(overlap, /overlaps the list of items/);
});

test('nodes have children in order at lawful addresses', () => {
  const node = { ...FS, level: 1 };
  const child = (objectid: number, blockptr: number) => ({ key: new Key(objectid, 1, 0), blockptr, generation: 1 });
  accept(buildNode([child(256, 4096), child(257, 8192)], node));
  refuse(buildNode([child(257, 4096), child(256, 8192)], node), /do not ascend/);
  refuse(buildNode([child(256, 4096), child(257, 8191)], node), /unlawful address 8191/);
  refuse(buildNode([child(256, 0)], node), /unlawful address 0/);
  refuse(buildNode([], node), /node with 0 children/);
  refuse(buildNode([child(256, 4096)], { ...node, level: 8 }), /level 8/);
});

test('inodes', () => {
  accept(fileWith());
  refuse(buildLeaf([inodeItem({ mode: 0o644 })], FS), /names no file type/);
  refuse(buildLeaf([inodeItem({ mode: 0o40755, nlink: 2 })], FS), /directory with 2 links/);
  refuse(buildLeaf([inodeItem({ generation: 12 })], FS), /inode generation 12/);
  refuse(buildLeaf([inodeItem({}, 200)], FS), /no inode number/);
  refuse(buildLeaf([inodeItem({ flags: 1n << 13n })], FS), /unknown inode flags 0x2000/);
  accept(buildLeaf([inodeItem({ flags: 1n << 40n })], FS));
  const encrypted = buildLeaf([inodeItem({ flags: INODE_ENCRYPT })], FS);
  refuse(encrypted, /unknown inode flags 0x1000/);
  accept(encrypted, ENCRYPTED);
});

test('what belongs to an inode follows it', () => {
  const stray = { key: new Key(258, 12, 256), data: encodeInodeRef({ index: 2, name: bytesOf('a') }) };
  refuse(fileWith(stray), /no item of the same inode/);
  accept(buildLeaf([stray], FS));
  accept(buildLeaf([inodeItem(), stray], { ...FS, owner: -6 }));
});

function entry(type: number, change: { name?: string; data?: Uint8Array; location?: Key } = {}): Uint8Array {
  return encodeDirItem({
    location: change.location ?? new Key(258, 1, 0),
    transid: 1,
    type,
    name: bytesOf(change.name ?? 'name'),
    data: change.data ?? new Uint8Array(0),
  });
}

test('directory entries', () => {
  const hash = nameHash(bytesOf('name'));
  const dirItem = (data: Uint8Array) => fileWith({ key: new Key(257, 84, hash), data });
  const dirIndex = (data: Uint8Array) => fileWith({ key: new Key(257, 96, 2), data });
  accept(dirItem(entry(FT_REG_FILE)));
  accept(dirItem(entry(FT_DIR, { location: new Key(300, 132, -1) })));
  refuse(dirItem(entry(FT_REG_FILE, { name: 'other' })), /hash is \d+, not the key offset/);
  accept(dirIndex(entry(FT_REG_FILE, { name: 'other' })));
  refuse(dirIndex(Buffer.concat([entry(1), entry(1)])), /more than one name/);
  refuse(dirItem(entry(0)), /entry of type 0/);
  refuse(dirItem(entry(FT_XATTR)), /entry of type 8/);
  refuse(dirItem(entry(FT_REG_FILE | FT_ENCRYPTED)), /entry of type 129/);
  accept(dirItem(entry(FT_REG_FILE | FT_ENCRYPTED)), ENCRYPTED);
  refuse(dirItem(entry(FT_REG_FILE, { data: bytesOf('x') })), /1 bytes of data/);
  refuse(dirItem(entry(FT_REG_FILE, { location: new Key(7, 132, -1) })), /no subvolume/);
  refuse(dirItem(entry(FT_REG_FILE, { location: new Key(258, 84, 0) })), /location of type 84/);
  refuse(dirItem(entry(FT_REG_FILE).subarray(0, 29)), /cut off/);
  refuse(dirItem(entry(FT_REG_FILE).subarray(0, 32)), /runs past the item/);
  refuse(dirItem(new Uint8Array(0)), /cut off/);
  refuse(dirIndex(entry(FT_REG_FILE, { name: '' })), /name of 0 bytes/);
  refuse(dirIndex(entry(FT_REG_FILE, { name: 'x'.repeat(256) })), /name of 256 bytes/);
});

test('attributes', () => {
  const hash = nameHash(bytesOf('name'));
  const attribute = (data: Uint8Array) => fileWith({ key: new Key(257, 24, hash), data });
  const nowhere = new Key(0, 0, 0);
  accept(attribute(entry(FT_XATTR, { location: nowhere, data: bytesOf('value') })));
  refuse(attribute(entry(FT_XATTR)), /with a location/);
  refuse(attribute(entry(FT_XATTR | FT_ENCRYPTED, { location: nowhere })), /attribute of type 136/, ENCRYPTED);
});

test('inode references', () => {
  const ref = encodeInodeRef({ index: 2, name: bytesOf('abc') });
  const withRef = (data: Uint8Array) => fileWith({ key: new Key(257, 12, 256), data });
  accept(withRef(Buffer.concat([ref, ref])));
  refuse(withRef(ref.subarray(0, 12)), /runs past the item/);
  refuse(withRef(Buffer.concat([ref, ref.subarray(0, 5)])), /cut off/);
  refuse(withRef(new Uint8Array(0)), /cut off/);
});

test('file extents', () => {
  accept(fileWith(extentItem(), extentItem({ offset: 4096, numBytes: 4096 }, 8192)));
  refuse(fileWith(extentItem(), extentItem({}, 4096)), /the extent before it reaches 8192/);
  refuse(fileWith(extentItem({}, 100)), /key offset 100 is no multiple/);
  refuse(fileWith(extentItem({ offset: 4096 })), /bytes 4096 to 12288 of an extent of 8192/);
  refuse(fileWith(extentItem({ numBytes: 0 })), /covers no bytes/);
  refuse(fileWith(extentItem({ diskBytenr: 512 })), /disk address 512/);
  refuse(fileWith(extentItem({ compression: 4 })), /unknown compression 4/);
  refuse(fileWith(extentItem({ type: 3 })), /extent of type 3/);
  const compressed = { compression: 1, ramBytes: 131072, numBytes: 131072 };
  accept(fileWith(extentItem(compressed)));
  refuse(fileWith(extentItem({ ...compressed, ramBytes: 262144 })), /compressed extent of 262144 bytes/);
  const hole = { diskBytenr: 0, diskNumBytes: 0, ramBytes: 4096, numBytes: 2 ** 40 };
  accept(fileWith(extentItem(hole)));
});

test('inline extents', () => {
  const inline = { type: 0, ramBytes: 10, inlineLength: 10 };
  accept(fileWith(extentItem(inline)));
  refuse(fileWith(extentItem({ ...inline, ramBytes: 11 })), /item of 31 bytes, wanted 32/);
  refuse(fileWith(extentItem(inline, 4096)), /does not begin the file/);
  accept(fileWith(extentItem({ ...inline, ramBytes: 100, compression: 3 })));
  refuse(fileWith({ key: new Key(257, 108, 0), data: new Uint8Array(20) }), /at least 21/);
});

test('encrypted extents and contexts', () => {
  const marked = extentItem({ encryption: 1 });
  refuse(fileWith(marked), /unknown encryption 1/);
  accept(fileWith(marked), ENCRYPTED);
  for (const length of [40, 34]) {
    const context = new Uint8Array(length);
    accept(fileWith(extentItem({ encryption: 1, context })), ENCRYPTED);
    refuse(fileWith(extentItem({ context })), /wanted 53/, ENCRYPTED);
  }
  const odd = extentItem({ encryption: 1, context: new Uint8Array(40) });
  refuse(fileWith({ ...odd, data: odd.data.subarray(0, 96) }), /96 bytes is of no known form/, ENCRYPTED);
  odd.data[53] = 40;
  refuse(fileWith(odd), /context size 40, wanted 44/, ENCRYPTED);
  const inodeContext = (size: number) => fileWith({ key: new Key(257, 41, 0), data: new Uint8Array(size) });
  accept(inodeContext(40), ENCRYPTED);
  refuse(inodeContext(41), /wanted 40/, ENCRYPTED);
  const extentContext = (size: number) => fileWith({ key: new Key(257, 42, 4096), data: new Uint8Array(size) });
  accept(extentContext(34), ENCRYPTED);
  accept(extentContext(40), ENCRYPTED);
  refuse(extentContext(33), /at least 34/, ENCRYPTED);
  refuse(extentContext(41), /context of 41 bytes/, ENCRYPTED);
});

function dataExtent(refs: number, inlineRefs: InlineRef[], bytenr = 1024 * 1024): BlockItem {
  const data = encodeExtentItem({ refs, generation: 1, flags: EXTENT_FLAG_DATA, inlineRefs });
  return { key: new Key(bytenr, 168, 8192), data };
}

test('extent items', () => {
  const ref = { type: EXTENT_DATA_REF_KEY, root: 5, objectid: 257, offset: 0n, count: 2 } as const;
  const other = { ...ref, root: 256, offset: -65536n };
  const [first, second] = sequence(ref) > sequence(other) ? [ref, other] : [other, ref];
  const shared = { type: SHARED_DATA_REF_KEY, parent: 4096, count: 1 } as const;
  accept(buildLeaf([dataExtent(5, [first, second, shared])], EXTENTS));
  refuse(buildLeaf([dataExtent(4, [first, second, shared])], EXTENTS), /5 inline references, but a count of 4/);
  refuse(buildLeaf([dataExtent(5, [second, first])], EXTENTS), /out of order/);
  refuse(buildLeaf([dataExtent(5, [shared, ref])], EXTENTS), /out of order/);
  refuse(buildLeaf([dataExtent(5, [{ ...ref, count: 0 }])], EXTENTS), /counts nothing/);
  refuse(buildLeaf([dataExtent(5, [{ ...ref, offset: 5n }])], EXTENTS), /unaligned offset/);
  refuse(buildLeaf([dataExtent(5, [{ ...ref, root: 7 }])], EXTENTS), /data reference of tree 7/);
  refuse(buildLeaf([dataExtent(5, [{ type: TREE_BLOCK_REF_KEY, root: 5 }])], EXTENTS), /type 176 on data/);
  const next = dataExtent(5, [ref], 1024 * 1024 + 4096);
  refuse(buildLeaf([dataExtent(5, [ref]), next], EXTENTS), /the extent before it reaches/);
  const whole = dataExtent(5, [ref]);
  refuse(buildLeaf([{ ...whole, data: whole.data.subarray(0, 40) }], EXTENTS), /cut off/);
  refuse(buildLeaf([{ ...whole, data: whole.data.subarray(0, 20) }], EXTENTS), /at least 24/);
});

function sequence(ref: { root: number; objectid: number; offset: bigint }): bigint {
  return dataRefHash(ref.root, ref.objectid, ref.offset);
}

test('extent items of tree blocks', () => {
  const fields = { refs: 1, generation: 1, flags: EXTENT_FLAG_TREE_BLOCK };
  const inlineRefs: InlineRef[] = [{ type: TREE_BLOCK_REF_KEY, root: 5 }];
  const skinny = encodeExtentItem({ ...fields, inlineRefs });
  const leaf = (key: Key, data: Uint8Array) => buildLeaf([{ key, data }], EXTENTS);
  accept(leaf(new Key(4096, 169, 1), skinny));
  refuse(leaf(new Key(4096, 169, 8), skinny), /level 8/);
  refuse(leaf(new Key(4096, 169, 1), skinny), /no skinny metadata/, { ...PLAIN, incompatFlags: 0n });
  const old = encodeExtentItem({ ...fields, treeBlockInfo: { key: new Key(256, 1, 0), level: 2 }, inlineRefs });
  accept(leaf(new Key(4096, 168, 4096), old));
  refuse(leaf(new Key(4096, 168, 8192), old), /tree block of 8192 bytes/);
  refuse(leaf(new Key(4096, 169, 1), dataExtent(1, []).data), /data under a metadata key/);
});

test('checksums', () => {
  const leaf = (...items: BlockItem[]) => buildLeaf(items, { ...FS, owner: 7 });
  const sums = (start: number, size: number) => ({ key: new Key(-10, 128, start), data: new Uint8Array(size) });
  accept(leaf(sums(4096, 8), sums(12288, 4)));
  refuse(leaf(sums(4096, 8), sums(8192, 4)), /the checksums before it reach 12288/);
  refuse(leaf(sums(4096, 7)), /7 bytes of checksums/);
  refuse(leaf(sums(100, 8)), /key offset 100/);
});

test('items of unknown type pass', () => {
  accept(buildLeaf([{ key: new Key(1, 55, 3), data: new Uint8Array(7) }], FS));
});
