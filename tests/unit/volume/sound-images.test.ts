/**
 * Every tree block that kernels and mkfs.btrfs wrote passes the rules, and every item that a codec
 * knows encodes again to the bytes it was decoded from.
 */
import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { FileDevice } from '../../../src/device/index.js';
import * as format from '../../../src/format/index.js';
import {
  type LeafItem,
  openVolumeDevices,
  type TreeLocation,
  type Volume,
  visitLeaves,
} from '../../../src/volume/index.js';
import { requireAbility } from '../../support/abilities.js';
import { mustRun } from '../../support/command.js';
import { type ImageName, imagePath, MANIFEST_NAMES } from '../../support/images.js';
import { temporaryPath } from '../../support/temporary.js';

const IMAGES: readonly ImageName[] = [...MANIFEST_NAMES, 't-basic-bit14'];

for (const name of IMAGES) {
  test(`image ${name}`, () => {
    const warnings: string[] = [];
    const volume = openImage(imagePath(name), warnings);
    const counted = readEveryItem(volume);
    assert.ok(counted.get(format.INODE_ITEM_KEY));
    assert.ok(counted.get(format.FSCRYPT_INODE_CTX_KEY));
    assert.equal(volume.encrypted, true);
    assert.deepEqual(warnings, []);
    assert.equal(volume.readOnlyReasons.length, name === 't-basic-bit14' || name === 'dirtylog' ? 1 : 0);
    volume.close();
  });
}

const MKFS: readonly (readonly string[])[] = [
  [],
  ['--csum', 'xxhash', '-n', '4096'],
  ['--csum', 'sha256', '-n', '65536'],
  ['--csum', 'blake2', '-n', '32768', '-d', 'dup'],
  ['-M'],
  ['-O', '^no-holes,^skinny-metadata,^extref'],
  ['-R', '^free-space-tree'],
  ['-R', 'quota'],
];

for (const options of MKFS) {
  test(`mkfs.btrfs ${options.join(' ')}`, requireAbility('mkfs'), () => {
    const path = temporaryPath('.img');
    writeFileSync(path, '');
    truncateSync(path, 300 * 1024 ** 2);
    mustRun('mkfs.btrfs', '-q', ...options, path);
    const warnings: string[] = [];
    const volume = openImage(path, warnings);
    const counted = readEveryItem(volume);
    assert.ok(counted.get(format.CHUNK_ITEM_KEY));
    assert.equal(volume.encrypted, false);
    assert.deepEqual(volume.readOnlyReasons, []);
    assert.deepEqual(warnings, []);
    volume.close();
  });
}

function openImage(path: string, warnings: string[]): Volume {
  const device = FileDevice.open(path, { readOnly: true });
  return openVolumeDevices(device, { warn: (message) => warnings.push(message) });
}

/** @returns how many items of each type there are */
function readEveryItem(volume: Volume): Map<number, number> {
  const { superblock } = volume;
  const counted = new Map<number, number>();
  const trees: TreeLocation[] = [];
  const read = (tree: TreeLocation): void => {
    visitLeaves(volume, tree, {}, (item) => {
      counted.set(item.type, (counted.get(item.type) ?? 0) + 1);
      checkReencodes(item);
      const isRoot = tree.owner === format.ROOT_TREE_OBJECTID || tree.bytenr === superblock.logRoot;
      if (item.type === format.ROOT_ITEM_KEY && isRoot) trees.push(treeOf(item));
    });
  };
  const { root, rootLevel, generation, chunkRoot, chunkRootLevel, chunkRootGeneration } = superblock;
  read({ bytenr: root, level: rootLevel, generation, owner: format.ROOT_TREE_OBJECTID });
  read({
    bytenr: chunkRoot,
    level: chunkRootLevel,
    generation: chunkRootGeneration,
    owner: format.CHUNK_TREE_OBJECTID,
  });
  const { logRoot, logRootLevel } = superblock;
  if (logRoot !== 0) {
    read({ bytenr: logRoot, level: logRootLevel, generation: generation + 1, owner: format.TREE_LOG_OBJECTID });
  }
  for (const tree of trees) read(tree);
  return counted;
}

function treeOf(item: LeafItem): TreeLocation {
  const { bytenr, level, generation } = format.decodeRootItem(item.view, item.at, item.size);
  return { bytenr, level, generation, owner: format.keyObjectidAt(item.view, item.keyAt) };
}

function checkReencodes(item: LeafItem): void {
  const again = reencode(item);
  if (again === undefined) return;
  const stored = format.bytesAt(item.view, item.at, item.size);
  assert.deepEqual(again, stored, `item of type ${item.type}`);
}

type Encode<T> = (view: DataView, at: number, value: T) => void;

function intoBytes<T>(size: number, encode: Encode<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(size);
  encode(new DataView(bytes.buffer), 0, value);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Undefined for types without a codec. */
function reencode({ view, keyAt, type, at, size }: LeafItem): Uint8Array | undefined {
  switch (type) {
    case format.INODE_ITEM_KEY:
      return intoBytes(size, format.encodeInodeItem, format.decodeInodeItem(view, at));
    case format.INODE_REF_KEY:
      return joined(format.decodeInodeRefs(view, at, size).map(format.encodeInodeRef));
    case format.INODE_EXTREF_KEY:
      return joined(format.decodeInodeExtrefs(view, at, size).map(format.encodeInodeExtref));
    case format.DIR_ITEM_KEY:
    case format.DIR_INDEX_KEY:
    case format.XATTR_ITEM_KEY:
      return joined(format.decodeDirItems(view, at, size).map(format.encodeDirItem));
    case format.EXTENT_DATA_KEY: {
      const extent = format.decodeFileExtent(view, at, size);
      return format.encodeFileExtent(extent, format.readBytes(view, at + 21, extent.inlineLength));
    }
    case format.ROOT_ITEM_KEY:
      return intoBytes(size, format.encodeRootItem, format.decodeRootItem(view, at, size));
    case format.ROOT_REF_KEY:
    case format.ROOT_BACKREF_KEY:
      return format.encodeRootRef(format.decodeRootRef(view, at, size));
    case format.EXTENT_ITEM_KEY:
    case format.METADATA_ITEM_KEY:
      return format.encodeExtentItem(format.decodeExtentItem(view, at, size, type === format.METADATA_ITEM_KEY));
    case format.TREE_BLOCK_REF_KEY:
    case format.EXTENT_DATA_REF_KEY:
    case format.SHARED_BLOCK_REF_KEY:
    case format.SHARED_DATA_REF_KEY:
      return format.encodeKeyedRef(format.decodeKeyedRef(view, at, format.decodeKey(view, keyAt)));
    case format.BLOCK_GROUP_ITEM_KEY:
      return intoBytes(size, format.encodeBlockGroupItem, format.decodeBlockGroupItem(view, at));
    case format.FREE_SPACE_INFO_KEY:
      return intoBytes(size, format.encodeFreeSpaceInfo, format.decodeFreeSpaceInfo(view, at));
    case format.DEV_EXTENT_KEY:
      return intoBytes(size, format.encodeDevExtent, format.decodeDevExtent(view, at));
    case format.DEV_ITEM_KEY:
      return intoBytes(size, format.encodeDevItem, format.decodeDevItem(view, at));
    case format.CHUNK_ITEM_KEY:
      return intoBytes(size, format.encodeChunk, format.decodeChunk(view, at));
    default:
      return undefined;
  }
}
