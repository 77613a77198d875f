/** Directories that no sound volume holds: each is answered by one FsError, and a walk from the top always ends. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSubvolume, type Filesystem, type Inode } from '../../../src/filesystem/index.js';
import {
  DIR_INDEX_KEY,
  DIR_ITEM_KEY,
  EXTENT_DATA_KEY,
  encodeDirItem,
  encodeRootRef,
  FSCRYPT_INODE_CTX_KEY,
  FT_DIR,
  FT_ENCRYPTED,
  FT_REG_FILE,
  INODE_ITEM_KEY,
  INODE_REF_KEY,
  Key,
  nameHash,
  ORPHAN_ITEM_KEY,
  ORPHAN_OBJECTID,
  ROOT_BACKREF_KEY,
  ROOT_ITEM_KEY,
  ROOT_REF_KEY,
} from '../../../src/format/index.js';
import {
  bytes,
  namesIn,
  newVolume,
  type OpenVolume,
  OWNER,
  openVolume,
  testKey,
  testPolicy,
} from '../../support/new-volume.js';

/** Adds an entry as it stands, with nothing that refers back to it. */
function plantEntry(directory: Inode, name: Uint8Array, location: Key, type: number, sequence: number): void {
  const entry = encodeDirItem({ location, transid: 1, type, name, data: new Uint8Array(0) });
  directory.filesystem.change(2, () => {
    directory.subvolume.tree.insert(new Key(directory.ino, DIR_ITEM_KEY, nameHash(name)), entry);
    directory.subvolume.tree.insert(new Key(directory.ino, DIR_INDEX_KEY, sequence), entry);
  });
}

function plantDirectory(directory: Inode, name: string, ino: number): void {
  plantEntry(directory, bytes(name), new Key(ino, INODE_ITEM_KEY, 0), FT_DIR, 1000);
}

function reopened(volume: OpenVolume, keys: readonly Uint8Array[] = []): OpenVolume {
  volume.close();
  return openVolume(volume.path, keys, true);
}

/** Visits every directory that can be reached; fails when there are more than a sound volume could have. */
function countDirectories(filesystem: Filesystem, directory: Inode, limit = 100): number {
  let count = 1;
  for (const { name } of filesystem.readDirectory(directory)) {
    try {
      const child = filesystem.lookup(directory, name);
      if (child.isDirectory) count += countDirectories(filesystem, child, limit - count);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'EUCLEAN', String(error));
    }
    assert.ok(count < limit, 'the walk goes round in a circle');
  }
  return count;
}

describe('damaged directories', () => {
  it('never walks round a circle of directories', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    const outer = filesystem.mkdir(root, bytes('outer'), 0o755, OWNER);
    const inner = filesystem.mkdir(outer, bytes('inner'), 0o755, OWNER);
    plantDirectory(inner, 'outer again', outer.ino);
    plantDirectory(outer, 'top again', root.ino);
    const { filesystem: again, root: top } = reopened(volume);
    assert.equal(countDirectories(again, top), 3);
    const found = again.lookup(again.lookup(top, bytes('outer')), bytes('inner'));
    assert.throws(() => again.lookup(found, bytes('outer again')), { code: 'EUCLEAN' });
  });

  it('never walks round a circle of subvolumes', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    const one = createSubvolume(root, bytes('one'), OWNER);
    const two = createSubvolume(one, bytes('two'), OWNER);
    const { rootTree } = filesystem.transaction;
    const [first, second] = [one.subvolume.id, two.subvolume.id];
    const ref = encodeRootRef({ dirid: 256, sequence: 1000, name: bytes('round') });
    filesystem.change(4, () => {
      for (const [parent, child] of [
        [5, first],
        [second, first],
      ] as const) {
        const keys = [new Key(parent, ROOT_REF_KEY, child), new Key(child, ROOT_BACKREF_KEY, parent)];
        for (const key of keys) parent === 5 ? rootTree.remove(key) : rootTree.insert(key, ref);
      }
    });
    plantEntry(two, bytes('round'), new Key(first, ROOT_ITEM_KEY, 0), FT_DIR, 1000);
    const { filesystem: again } = reopened(volume);
    assert.ok(countDirectories(again, again.inode(second, 256)) < 5);
    assert.throws(() => again.lookup(again.inode(second, 256), bytes('round')), { code: 'EUCLEAN' });
  });

  it('reports entries that name nothing, and names that cannot be', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    plantDirectory(root, 'missing', 99_999);
    const slash = filesystem.mkdir(root, bytes('slash'), 0o755, OWNER);
    plantEntry(slash, bytes('../../etc'), new Key(root.ino, INODE_ITEM_KEY, 0), FT_REG_FILE, 1000);
    const odd = filesystem.mkdir(root, bytes('odd'), 0o755, OWNER);
    plantEntry(odd, bytes('odd'), new Key(odd.ino, INODE_REF_KEY, 0), FT_REG_FILE, 1000);
    assert.throws(() => filesystem.lookup(root, bytes('missing')), { code: 'EUCLEAN' });
    assert.throws(() => namesIn(filesystem, slash), { code: 'EUCLEAN' });
    assert.throws(() => filesystem.lookup(odd, bytes('odd')), { code: 'EUCLEAN' });
    assert.throws(() => filesystem.unlink(root, bytes('missing')), { code: 'EUCLEAN' });
  });

  it('reports a symlink without a target', () => {
    const { filesystem, root } = newVolume();
    const link = filesystem.symlink(root, bytes('l'), bytes('t'), OWNER);
    filesystem.change(1, () => link.subvolume.tree.remove(new Key(link.ino, EXTENT_DATA_KEY, 0)));
    assert.throws(() => filesystem.readlink(link), { code: 'EUCLEAN' });
  });
});

describe('damaged encrypted directories', () => {
  const KEY = testKey(3);

  function encrypted(): OpenVolume & { secret: Inode } {
    const volume = newVolume({ extentContext: 'item' });
    const secret = volume.filesystem.mkdir(volume.root, bytes('secret'), 0o755, OWNER);
    volume.filesystem.setPolicy(secret, testPolicy(volume.keyring, KEY));
    return { ...volume, secret };
  }

  it('shows tampered names in their no-key form, warns once, and finds them by it', () => {
    const volume = encrypted();
    const { ino } = volume.filesystem.create(volume.secret, bytes('file'), 0o644, OWNER);
    const { tree } = volume.secret.subvolume;
    const stored = new Uint8Array(48).fill(0x61);
    const entry = { location: new Key(ino, INODE_ITEM_KEY, 0), transid: 1, name: stored, data: new Uint8Array(0) };
    const item = encodeDirItem({ ...entry, type: FT_REG_FILE | FT_ENCRYPTED });
    volume.filesystem.change(2, () => {
      tree.insert(new Key(volume.secret.ino, DIR_ITEM_KEY, nameHash(stored)), item);
      tree.insert(new Key(volume.secret.ino, DIR_INDEX_KEY, 1000), item);
    });
    const { filesystem, root, warnings } = reopened(volume, [KEY]);
    const secret = filesystem.lookup(root, bytes('secret'));
    const names = namesIn(filesystem, secret);
    assert.equal(names[0], 'file');
    assert.match(names[1] ?? '', /^[A-Za-z0-9_-]{75}$/);
    namesIn(filesystem, secret);
    assert.equal(warnings.length, 1);
    assert.equal(filesystem.lookup(secret, bytes(names[1] ?? '')).ino, ino);
  });

  it('reports stored names too short to be ciphertext', () => {
    const { filesystem, secret } = encrypted();
    plantEntry(secret, bytes('short'), new Key(999, INODE_ITEM_KEY, 0), FT_REG_FILE | FT_ENCRYPTED, 1000);
    assert.throws(() => namesIn(filesystem, secret), { code: 'EUCLEAN' });
  });

  it('lists without a context as without the key', () => {
    const volume = encrypted();
    volume.filesystem.create(volume.secret, bytes('file'), 0o644, OWNER);
    const key = new Key(volume.secret.ino, FSCRYPT_INODE_CTX_KEY, 0);
    volume.filesystem.change(1, () => volume.secret.subvolume.tree.remove(key));
    const { filesystem, root, warnings } = reopened(volume, [KEY]);
    const secret = filesystem.lookup(root, bytes('secret'));
    const [name = ''] = namesIn(filesystem, secret);
    assert.match(name, /^[A-Za-z0-9_-]+$/);
    assert.ok(filesystem.lookup(secret, bytes(name)).isRegular);
    assert.equal(warnings.length, 1);
  });
});

describe('a deleted subvolume that is damaged', () => {
  it('is reported and stays, and the volume opens for reading', () => {
    const { filesystem, root, path, close } = newVolume();
    const { tree } = createSubvolume(root, bytes('doomed'), OWNER).subvolume;
    filesystem.create(root, bytes('file'), 0o644, OWNER);
    filesystem.commit();
    const { rootTree, volume } = filesystem.transaction;
    filesystem.change(2, () => {
      tree.rootItem.refs = 0;
      tree.rootItemChanged = true;
      rootTree.insert(new Key(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY, tree.id), new Uint8Array(0));
    });
    filesystem.commit();
    volume.writeLogical(tree.root.bytenr, new Uint8Array(volume.nodesize));
    close();
    const again = openVolume(path);
    assert.match(again.warnings.join(), /deleted subvolumes could not be finished/);
    assert.throws(() => again.filesystem.create(again.root, bytes('new'), 0o644, OWNER), { code: 'EROFS' });
    assert.deepEqual(namesIn(again.filesystem, again.root), ['doomed', 'file']);
    again.close();
  });
});
