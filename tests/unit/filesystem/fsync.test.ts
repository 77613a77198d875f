import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OverlayDevice } from '../../../src/device/index.js';
import { createSubvolume, setSubvolumeReadOnly } from '../../../src/filesystem/subvolumes.js';
import { newDevice, newDirectory, newFile, openFilesystem } from '../../support/new-filesystem.js';

const SIZE = 9000;

for (const age of ['old', 'new'] as const) {
  test(`what was written back, and its ${age} file closed, before fsync is durable after it`, () => {
    const device = newDevice();
    const before = openFilesystem(device);
    newFile(before, newDirectory(before, 'directory'), 'old');
    before.close();

    const filesystem = openFilesystem(device);
    const directory = filesystem.lookup(filesystem.root(), Buffer.from('directory'));
    if (age === 'new') newFile(filesystem, directory, 'new');
    const inode = filesystem.openInode(filesystem.lookup(directory, Buffer.from(age)));
    const bytes = Buffer.alloc(SIZE, 'later');
    inode.data.write(0, bytes);
    // As it happens when much is dirty.
    inode.data.flush();
    filesystem.transaction.change(() => inode.write());
    inode.isDirty = false;
    filesystem.writeback.inodes.delete(inode);
    filesystem.closeInode(inode);
    filesystem.fsync(filesystem.lookup(directory, Buffer.from(age)));

    const after = openFilesystem(new OverlayDevice(device, 'after a power cut'));
    const found = after.lookup(after.lookup(after.root(), Buffer.from('directory')), Buffer.from(age));
    const read = Buffer.alloc(found.item.size);
    found.data.read(0, read);
    assert.ok(read.equals(bytes));
  });
}

test('what is synced in a subvolume that the last commit has as read-only does not go to a log', () => {
  const device = newDevice();
  const before = openFilesystem(device);
  const made = createSubvolume(before.root(), Buffer.from('subvolume'), { uid: 0, gid: 0 });
  newFile(before, made, 'file');
  before.commit();
  setSubvolumeReadOnly(made.subvolume, true);
  before.close();

  const filesystem = openFilesystem(device);
  const top = filesystem.lookup(filesystem.root(), Buffer.from('subvolume'));
  setSubvolumeReadOnly(top.subvolume, false);
  const inode = filesystem.lookup(top, Buffer.from('file'));
  inode.data.write(0, Buffer.alloc(SIZE, 7));
  filesystem.fsync(inode);

  const after = openFilesystem(new OverlayDevice(device, 'after a power cut'));
  assert.deepEqual(after.transaction.readOnlyReasons, []);
  const found = after.lookup(after.lookup(after.root(), Buffer.from('subvolume')), Buffer.from('file'));
  assert.equal(found.item.size, SIZE);
});
