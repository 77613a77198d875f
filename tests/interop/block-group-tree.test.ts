/**
 * Volumes with a block-group tree: block group items in a tree of their own.
 *
 * Debian's mkfs.btrfs 6.2 makes none, so a volume of ours is converted here the way btrfstune
 * does it, and the kernel and `btrfs check` judge the result before and after we go on writing.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileDevice } from '../../src/device/index.js';
import type { Filesystem } from '../../src/filesystem/index.js';
import {
  BLOCK_GROUP_ITEM_KEY,
  BLOCK_GROUP_TREE_OBJECTID,
  COMPAT_RO_BLOCK_GROUP_TREE,
  Key,
  ROOT_ITEM_KEY,
} from '../../src/format/index.js';
import { makeVolume } from '../../src/mkfs/index.js';
import { createSubvolumeTree, type Transaction } from '../../src/transaction/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { withKernelMount } from '../support/kernel-mount.js';
import { listing, openFilesystem } from '../support/open-filesystem.js';
import { temporaryPath } from '../support/temporary.js';

const OWNER = { uid: 0, gid: 0 };
const SIZE = 512 * 1024 * 1024;

/** Moves every block group item from the extent tree to a new tree 11, in one commit. */
function convert(transaction: Transaction): void {
  const { trees, extentTree, space, volume } = transaction;
  const uuid = new Uint8Array(16);
  const tree = createSubvolumeTree(transaction, { id: BLOCK_GROUP_TREE_OBJECTID, uuid, readOnly: false });
  Object.assign(tree.rootItem, { rootDirid: 0, ctransid: 0, otransid: 0 });
  trees.forgetSubvolume(tree.id);
  Object.assign(trees, { blockGroupTree: tree });
  for (const { start, length } of space.groups) {
    const key = new Key(start, BLOCK_GROUP_ITEM_KEY, length);
    const item = extentTree.get(key)?.bytes();
    assert.ok(item);
    extentTree.remove(key);
    tree.insert(key, item);
  }
  volume.superblock.compatRoFlags |= COMPAT_RO_BLOCK_GROUP_TREE;
  transaction.commit();
  assert.ok(trees.rootTree.get(new Key(BLOCK_GROUP_TREE_OBJECTID, ROOT_ITEM_KEY, 0)));
}

function fill(filesystem: Filesystem, name: string, count: number): void {
  const directory = filesystem.mkdir(filesystem.root(), Buffer.from(name), 0o755, OWNER);
  for (let i = 0; i < count; i++) {
    const file = filesystem.create(directory, Buffer.from(`file${i}`), 0o644, OWNER);
    file.data.write(0, Buffer.alloc(200_000, i));
  }
}

test('a volume with a block-group tree is read and written', requireAbility('btrfs-progs', 'kernel-btrfs'), () => {
  const path = temporaryPath('.img');
  const device = FileDevice.create(path, SIZE);
  makeVolume(device);
  const before = openFilesystem(device);
  fill(before.filesystem, 'before', 50);
  before.filesystem.commit();
  convert(before.transaction);
  device.close();
  assertSound(path);

  withKernelMount(path, {}, (top) => {
    for (let i = 0; i < 300; i++) writeFileSync(join(top, `kernel${i}`), Buffer.alloc(100_000, i));
  });
  assertSound(path);

  const again = FileDevice.open(path, { readOnly: false });
  const { filesystem, transaction } = openFilesystem(again);
  assert.ok(transaction.trees.blockGroupTree);
  assert.equal(listing(filesystem).size, 1 + 50 + 300);
  fill(filesystem, 'after', 400);
  filesystem.close();
  const { backupRoots, generation } = transaction.volume.superblock;
  const newest = backupRoots.find(({ tree }) => tree.generation === generation);
  assert.equal(newest?.extent.bytenr, transaction.extentTree.root.bytenr, 'the backup of the extent tree is its own');
  again.close();
  assertSound(path);
  withKernelMount(path, { readOnly: true }, () => {});
});
