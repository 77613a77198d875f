import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BlockDevice, OverlayDevice } from '../../../src/device/index.js';
import type { Filesystem, Inode } from '../../../src/filesystem/index.js';
import { newDevice, newDirectory, newFile, openFilesystem, testPolicy } from '../../support/new-filesystem.js';

const SIZE = 10_000;
const OWNER = { uid: 0, gid: 0 };
const LAYOUTS = [undefined, 'item', 'trailing'] as const;

interface Scene {
  readonly device: BlockDevice;
  readonly filesystem: Filesystem;
  /** A directory that the last commit has, with the files `x`, `y` and `z`. */
  readonly directory: Inode;
}

/** Opened anew: nothing is known of what was done before. */
function scene(layout?: 'item' | 'trailing'): Scene {
  const device = newDevice({ ...(layout && { layout }) });
  const before = openFilesystem(device);
  const made = newDirectory(before, 'directory');
  for (const name of ['x', 'y', 'z']) write(newFile(before, made, name), 1);
  before.close();
  const filesystem = openFilesystem(device);
  return { device, filesystem, directory: filesystem.lookup(filesystem.root(), Buffer.from('directory')) };
}

function write(inode: Inode, value: number): Inode {
  inode.data.write(0, Buffer.alloc(SIZE, value));
  return inode;
}

/** @returns whether it took a commit */
function fsyncCommits({ filesystem }: Scene, inode: Inode): boolean {
  const { transid } = filesystem.transaction;
  filesystem.fsync(inode);
  return filesystem.transaction.transid > transid;
}

/** The names of the directory, each with what its file is full of, if the power were cut now. */
function afterPowerCut({ device }: Scene): Record<string, number> {
  const filesystem = openFilesystem(new OverlayDevice(device, 'after a power cut'));
  assert.deepEqual(filesystem.transaction.readOnlyReasons, []);
  const directory = filesystem.lookup(filesystem.root(), Buffer.from('directory'));
  const found = [...filesystem.readDirectory(directory)].map(({ name }) => {
    const inode = filesystem.lookup(directory, name);
    const bytes = Buffer.alloc(SIZE);
    assert.equal(inode.data.read(0, bytes), filesystem.stat(inode).size);
    return [Buffer.from(name).toString(), bytes[SIZE - 1] ?? 0] as const;
  });
  return Object.fromEntries(found);
}

for (const layout of LAYOUTS) {
  test(`fsync logs a new file, ${layout ?? 'plain'}`, () => {
    const at = scene(layout);
    const inode = newFile(at.filesystem, at.directory, 'new');
    assert.equal(fsyncCommits(at, inode), false);
    assert.deepEqual(afterPowerCut(at), { x: 1, y: 1, z: 1, new: 0 });
    write(inode, 2);
    assert.equal(fsyncCommits(at, inode), false);
    assert.deepEqual(afterPowerCut(at), { x: 1, y: 1, z: 1, new: 2 });
    const other = write(newFile(at.filesystem, at.directory, 'other'), 3);
    assert.deepEqual(afterPowerCut(at), { x: 1, y: 1, z: 1, new: 2 });
    assert.equal(fsyncCommits(at, other), false);
    assert.deepEqual(afterPowerCut(at), { x: 1, y: 1, z: 1, new: 2, other: 3 });
  });

  test(`a new file that was logged and removed does not keep its name, ${layout ?? 'plain'}`, () => {
    const at = scene(layout);
    for (const value of [2, 3, 4]) {
      const inode = write(newFile(at.filesystem, at.directory, 'new'), value);
      assert.equal(fsyncCommits(at, inode), false);
      assert.deepEqual(afterPowerCut(at), { x: 1, y: 1, z: 1, new: value });
      at.filesystem.unlink(at.directory, Buffer.from('new'));
    }
    const last = write(newFile(at.filesystem, at.directory, 'last'), 5);
    assert.equal(fsyncCommits(at, last), false);
    assert.deepEqual(afterPowerCut(at), { x: 1, y: 1, z: 1, last: 5 });
  });
}

for (const layout of LAYOUTS) {
  test(`a new file that was logged takes its name from one that was removed, ${layout ?? 'plain'}`, () => {
    const at = scene(layout);
    at.filesystem.fsync(write(at.filesystem.lookup(at.directory, Buffer.from('x')), 5));
    for (const value of [2, 3]) {
      at.filesystem.unlink(at.directory, Buffer.from('x'));
      const inode = write(newFile(at.filesystem, at.directory, 'x'), value);
      assert.equal(fsyncCommits(at, inode), false);
      assert.deepEqual(afterPowerCut(at), { x: value, y: 1, z: 1 });
    }
    at.filesystem.rename(at.directory, Buffer.from('y'), at.directory, Buffer.from('z'));
    at.filesystem.unlink(at.directory, Buffer.from('z'));
    const inode = write(newFile(at.filesystem, at.directory, 'z'), 4);
    assert.equal(fsyncCommits(at, inode), false);
    assert.deepEqual(afterPowerCut(at), { x: 3, y: 1, z: 4 });
  });
}

test('a new file does not get the number of an entry that the last commit has', () => {
  const at = scene();
  at.filesystem.unlink(at.directory, Buffer.from('z'));
  const inode = write(newFile(at.filesystem, at.directory, 'new'), 2);
  assert.equal(fsyncCommits(at, inode), false);
  assert.deepEqual(afterPowerCut(at), { x: 1, y: 1, z: 1, new: 2 });
});

test('a file that was logged as new and renamed is there by its old name until it is durable by its new one', () => {
  const at = scene();
  const inode = write(newFile(at.filesystem, at.directory, 'new'), 2);
  assert.equal(fsyncCommits(at, inode), false);
  at.filesystem.rename(at.directory, Buffer.from('new'), at.directory, Buffer.from('x'));
  const other = write(newFile(at.filesystem, at.directory, 'other'), 3);
  assert.equal(fsyncCommits(at, other), false);
  assert.deepEqual(afterPowerCut(at), { x: 1, y: 1, z: 1, new: 2, other: 3 });
  assert.equal(fsyncCommits(at, write(inode, 4)), true);
  assert.deepEqual(afterPowerCut(at), { x: 4, y: 1, z: 1, other: 3 });
});

test('renaming over a file that was logged as new leaves one of the two at its name', () => {
  const at = scene();
  const replaced = write(newFile(at.filesystem, at.directory, 'new'), 2);
  assert.equal(fsyncCommits(at, replaced), false);
  at.filesystem.rename(at.directory, Buffer.from('y'), at.directory, Buffer.from('new'));
  const other = write(newFile(at.filesystem, at.directory, 'other'), 3);
  assert.equal(fsyncCommits(at, other), false);
  assert.deepEqual(afterPowerCut(at), { x: 1, y: 1, z: 1, new: 2, other: 3 });
  const again = write(newFile(at.filesystem, at.directory, 'y'), 4);
  assert.equal(fsyncCommits(at, again), true);
  assert.deepEqual(afterPowerCut(at), { x: 1, y: 4, z: 1, new: 1, other: 3 });
});

test('a file that was logged as new is there as long as it has another name', () => {
  const at = scene();
  const inode = write(newFile(at.filesystem, at.directory, 'new'), 2);
  assert.equal(fsyncCommits(at, inode), false);
  at.filesystem.link(inode, at.directory, Buffer.from('newer'));
  at.filesystem.unlink(at.directory, Buffer.from('new'));
  const other = write(newFile(at.filesystem, at.directory, 'other'), 3);
  assert.equal(fsyncCommits(at, other), false);
  assert.deepEqual(afterPowerCut(at), { x: 1, y: 1, z: 1, new: 2, other: 3 });
});

const COMMITS: Readonly<Record<string, (scene: Scene) => Inode>> = {
  'its name was the first of a file that was given another, and lost it': ({ filesystem, directory }) => {
    filesystem.link(filesystem.lookup(directory, Buffer.from('x')), directory, Buffer.from('w'));
    filesystem.unlink(directory, Buffer.from('x'));
    return write(newFile(filesystem, directory, 'x'), 2);
  },
  'its name was that of a file whose other name took its place': ({ filesystem, directory }) => {
    filesystem.link(filesystem.lookup(directory, Buffer.from('x')), directory, Buffer.from('w'));
    filesystem.rename(directory, Buffer.from('y'), directory, Buffer.from('x'));
    filesystem.unlink(directory, Buffer.from('x'));
    return write(newFile(filesystem, directory, 'x'), 2);
  },
  'its name was exchanged with another': ({ filesystem, directory }) => {
    filesystem.rename(directory, Buffer.from('x'), directory, Buffer.from('y'), 'exchange');
    filesystem.unlink(directory, Buffer.from('x'));
    return write(newFile(filesystem, directory, 'x'), 2);
  },
  'its name was that of a directory': ({ filesystem, directory }) => {
    filesystem.mkdir(directory, Buffer.from('inner'), 0o755, OWNER);
    filesystem.commit();
    filesystem.rmdir(directory, Buffer.from('inner'));
    return write(newFile(filesystem, directory, 'inner'), 2);
  },
  'its name was the old one of a file that was renamed': ({ filesystem, directory }) => {
    filesystem.rename(directory, Buffer.from('x'), directory, Buffer.from('w'));
    return write(newFile(filesystem, directory, 'x'), 2);
  },
  'it was renamed': ({ filesystem, directory }) => {
    const inode = write(newFile(filesystem, directory, 'new'), 2);
    filesystem.rename(directory, Buffer.from('new'), directory, Buffer.from('newer'));
    return inode;
  },
  'it was renamed and back': ({ filesystem, directory }) => {
    const inode = write(newFile(filesystem, directory, 'new'), 2);
    filesystem.rename(directory, Buffer.from('new'), directory, Buffer.from('newer'));
    filesystem.rename(directory, Buffer.from('newer'), directory, Buffer.from('new'));
    return inode;
  },
  'it has a second name': ({ filesystem, directory }) => {
    const inode = write(newFile(filesystem, directory, 'new'), 2);
    filesystem.link(inode, directory, Buffer.from('newer'));
    return inode;
  },
  'it has lost its name': ({ filesystem, directory }) => {
    const inode = write(newFile(filesystem, directory, 'new'), 2);
    inode.openCount += 1;
    filesystem.unlink(directory, Buffer.from('new'));
    return inode;
  },
  'it was made without a name': ({ filesystem, directory }) => {
    const inode = write(filesystem.createUnnamed(directory, 0o644, OWNER), 2);
    filesystem.link(inode, directory, Buffer.from('new'));
    return inode;
  },
  'it has an attribute': ({ filesystem, directory }) => {
    const inode = write(newFile(filesystem, directory, 'new'), 2);
    filesystem.setXattr(inode, Buffer.from('user.note'), Buffer.from('value'));
    return inode;
  },
  'it was cut off': ({ filesystem, directory }) => {
    const inode = write(newFile(filesystem, directory, 'new'), 2);
    inode.data.flush();
    filesystem.setAttributes(inode, { size: 5000 });
    return inode;
  },
  'its directory is new': ({ filesystem, directory }) => {
    const inner = filesystem.mkdir(directory, Buffer.from('inner'), 0o755, OWNER);
    return write(newFile(filesystem, inner, 'new'), 2);
  },
  'its directory was renamed': ({ filesystem, directory }) => {
    filesystem.rename(filesystem.root(), Buffer.from('directory'), filesystem.root(), Buffer.from('elsewhere'));
    return write(newFile(filesystem, directory, 'new'), 2);
  },
  'its directory was given an attribute': ({ filesystem, directory }) => {
    filesystem.setXattr(directory, Buffer.from('user.note'), Buffer.from('value'));
    return write(newFile(filesystem, directory, 'new'), 2);
  },
};

for (const [why, prepare] of Object.entries(COMMITS)) {
  test(`fsync of a new file commits: ${why}`, () => {
    const at = scene();
    assert.equal(fsyncCommits(at, prepare(at)), true);
  });
}

test('fsync of a new file commits: its directory has become encrypted', () => {
  const device = newDevice({ layout: 'item' });
  const before = openFilesystem(device);
  newDirectory(before, 'directory', false);
  before.close();
  const filesystem = openFilesystem(device);
  const directory = filesystem.lookup(filesystem.root(), Buffer.from('directory'));
  const at = { device, filesystem, directory };
  filesystem.setPolicy(directory, testPolicy(filesystem));
  assert.equal(fsyncCommits(at, write(newFile(filesystem, directory, 'new'), 2)), true);
  assert.deepEqual(afterPowerCut(at), { new: 2 });
});

test('fsync of a new file commits when its directory has left the memory', () => {
  const at = scene();
  const { subvolume } = at.directory;
  const inode = write(newFile(at.filesystem, at.directory, 'new'), 2);
  at.filesystem.writeback.settle();
  inode.openCount += 1;
  for (let i = 0; i < 6000; i++) newFile(at.filesystem, at.filesystem.root(), `filler ${i}`);
  assert.equal(subvolume.cachedInode(at.directory.ino), undefined);
  assert.equal(fsyncCommits(at, inode), true);
});
