/** A volume whose metadata is full: errors are ENOSPC, nothing is aborted, and deleting works. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFsError } from '../../../src/bytes/index.js';
import { createSnapshot, createSubvolume, deleteSubvolume, type Filesystem } from '../../../src/filesystem/index.js';
import { newDevice, newFile, openFilesystem } from '../../support/new-filesystem.js';

const MIB = 1024 * 1024;
const OWNER = { uid: 0, gid: 0 };

/** Repeats until there is no space left. @returns how often it worked */
function untilFull(work: (round: number) => void): number {
  for (let round = 0; ; round++) {
    try {
      work(round);
    } catch (error) {
      assert.ok(isFsError(error, 'ENOSPC'), String(error));
      return round;
    }
  }
}

/** Fills metadata by large attributes of one file, then by small files. */
function fill(filesystem: Filesystem): string[] {
  const large = newFile(filesystem, filesystem.root(), 'large');
  const value = Buffer.alloc(3 * 1024);
  const names = ['large'];
  untilFull((i) => {
    const file = i % 500 === 499 ? newFile(filesystem, filesystem.root(), `large${i}`) : undefined;
    if (file !== undefined) names.push(`large${i}`);
    filesystem.setXattr(file ?? large, Buffer.from(`user.${i}`), value);
  });
  const small = untilFull((i) => {
    newFile(filesystem, filesystem.root(), `small${i}`).data.write(0, Buffer.alloc(100, i));
    names.push(`small${i}`);
  });
  if (small === 0) names.pop();
  filesystem.commit();
  return names;
}

for (const nodesize of [4096, 16384, 65536]) {
  test(`a volume full of metadata can be emptied and used again, nodes of ${nodesize} bytes`, () => {
    const filesystem = openFilesystem(newDevice({ size: 110 * MIB, nodesize }));
    const root = filesystem.root();
    const sparse = newFile(filesystem, root, 'sparse');
    sparse.data.truncate(64 * MIB);
    filesystem.commit();
    const names = fill(filesystem);
    // Scattered sectors: each becomes an extent of its own.
    untilFull((i) => assert.equal(sparse.data.write(i * 8192, Buffer.alloc(10, 1)), 10));
    filesystem.commit();
    for (const name of names) {
      const { ino } = filesystem.lookup(root, Buffer.from(name));
      filesystem.unlink(root, Buffer.from(name));
      assert.throws(() => filesystem.inode(root.subvolume.id, ino), { code: 'ENOENT' });
    }
    sparse.data.truncate(0);
    filesystem.commit();
    assert.equal(filesystem.transaction.writable, true);
    newFile(filesystem, root, 'again').data.write(0, Buffer.alloc(4 * MIB, 7));
    filesystem.close();
  });
}

test('subvolumes on a volume full of metadata can be deleted', () => {
  const filesystem = openFilesystem(newDevice({ size: 110 * MIB, nodesize: 4096 }));
  const root = filesystem.root();
  const first = createSubvolume(root, Buffer.from('s0'), OWNER);
  for (let i = 0; i < 30; i++) {
    const file = newFile(filesystem, first, `f${i}`);
    for (let sector = 0; sector < 100; sector++) file.data.write(sector * 8192, Buffer.alloc(4096, 1));
    filesystem.commit();
  }
  for (const name of ['s1', 's2', 's3']) {
    const snapshot = createSnapshot(first.subvolume, root, Buffer.from(name), false);
    for (let i = 0; i < 30; i += 3) filesystem.lookup(snapshot, Buffer.from(`f${i}`)).data.write(0, Buffer.alloc(1));
  }
  fill(filesystem);
  for (const name of ['s0', 's2', 's1', 's3']) {
    deleteSubvolume(root, Buffer.from(name));
    assert.equal(filesystem.transaction.writable, true, name);
  }
  assert.equal(filesystem.transaction.trees.subvolume(5).id, 5);
  filesystem.close();
});
