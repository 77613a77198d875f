/** Damage that one wrong field does not make: whole structures that lie, under right checksums. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOf, writeU53 } from '../../src/bytes/index.js';
import type { OverlayDevice } from '../../src/device/index.js';
import type { Inode } from '../../src/filesystem/index.js';
import * as format from '../../src/format/index.js';
import { Key } from '../../src/format/index.js';
import type { Transaction } from '../../src/transaction/index.js';
import type { Tree } from '../../src/tree/index.js';
import { explore, fsErrorOf } from '../support/hostile/explore.js';
import { anatomyOf, itemsOf } from '../support/hostile/metadata.js';
import { nameBytes, overlayOf, ownSubject, write } from '../support/hostile/subjects.js';
import { workOut } from '../support/hostile/workout.js';
import { openFilesystem } from '../support/open-filesystem.js';
import { changeSuper, replaceBlock } from '../support/reseal.js';

const NONE = new Uint8Array(0);
const OWNER = { uid: 0, gid: 0 };
const subject = ownSubject();
const anatomy = anatomyOf(subject.base);

/** Plants items in a sound volume, whose commit seals them. */
function planted(plant: (transaction: Transaction, root: Inode) => void): OverlayDevice {
  const device = overlayOf(subject);
  const { filesystem, transaction } = openFilesystem(device);
  filesystem.change(16, () => plant(transaction, filesystem.root()));
  filesystem.close();
  return device;
}

function reasonsOf(device: OverlayDevice): string {
  return openFilesystem(device).transaction.readOnlyReasons.join();
}

/** Neither looking nor changing does more than give errors. @returns those of changing */
function errorsOf(device: OverlayDevice): string {
  return workOut(device, subject.keys, explore(device, subject.keys)).join('\n');
}

/** The first item of a file's extents, changed. */
function changeExtent(file: string, change: (extent: format.FileExtent) => void): OverlayDevice {
  return planted((_transaction, root) => {
    const inode = lookup(root, 'vault', file);
    const { tree } = inode.subvolume;
    const cursor = tree.seek(new Key(inode.ino, format.EXTENT_DATA_KEY, 0));
    const extent = format.decodeFileExtent(cursor.view, cursor.at, cursor.size);
    change(extent);
    tree.replace(cursor.key, format.encodeFileExtent(extent));
  });
}

function lookup(root: Inode, ...names: string[]): Inode {
  return names.reduce((directory, name) => root.filesystem.lookup(directory, nameBytes(name)), root);
}

function readError(device: OverlayDevice, file: string): string | undefined {
  const { filesystem } = openFilesystem(device, { readOnly: true });
  return fsErrorOf(() => lookup(filesystem.root(), 'vault', file).data.read(0, new Uint8Array(8192)))?.code;
}

test('a leaf that reaches into the next one is refused: no walk meets a block twice', () => {
  const leaf = anatomy.blocks.find(({ tree, level }) => tree === format.FS_TREE_OBJECTID && level === 0);
  assert.ok(leaf);
  const bytes = leaf.bytes.slice();
  const last = [...itemsOf(bytes)].at(-1);
  assert.ok(last);
  // No rule of its own forbids the key; it only lies above those of the leaves that follow.
  format.encodeKey(viewOf(bytes), last.keyAt, new Key(2 ** 40, format.ORPHAN_ITEM_KEY, 0));
  const device = overlayOf(subject);
  replaceBlock(anatomy.volume, leaf.logical, bytes, device);
  const tree = openFilesystem(device, { readOnly: true }).transaction.subvolumeTree(format.FS_TREE_OBJECTID);
  assert.throws(
    () => {
      for (const cursor = tree.seek(new Key(0, 0, 0)); cursor.valid; cursor.next());
    },
    { code: 'EUCLEAN', message: /reaches past/ },
  );
  errorsOf(device);
});

test('a node whose child claims to be newer than itself is refused', () => {
  const node = anatomy.blocks.find(({ tree, level }) => tree === format.FS_TREE_OBJECTID && level === 1);
  assert.ok(node);
  const bytes = node.bytes.slice();
  const { generation } = anatomy.volume.superblock;
  const at = format.HEADER.SIZE;
  const pointer = format.decodeKeyPtr(viewOf(bytes), at);
  format.encodeKeyPtr(viewOf(bytes), at, { ...pointer, generation: generation + 1 });
  const device = overlayOf(subject);
  replaceBlock(anatomy.volume, node.logical, bytes, device);
  assert.equal(explore(device, []).get('error'), 'EUCLEAN');
});

test('a directory is listed and entered by one name only', () => {
  const device = planted((_transaction, root) => {
    const { tree } = root.subvolume;
    const work = lookup(root, 'vault');
    const cursor = tree.seek(new Key(root.ino, format.DIR_INDEX_KEY, 0));
    assert.ok(cursor.isItemOf(root.ino, format.DIR_INDEX_KEY));
    const entry = {
      location: new Key(work.ino, format.INODE_ITEM_KEY, 0),
      transid: 1,
      type: format.FT_DIR,
      data: NONE,
    };
    tree.insert(
      new Key(root.ino, format.DIR_INDEX_KEY, 5000),
      format.encodeDirItem({ ...entry, name: nameBytes('vault') }),
    );
    const again = nameBytes('again');
    const bytes = format.encodeDirItem({ ...entry, name: again });
    tree.insert(new Key(root.ino, format.DIR_ITEM_KEY, format.nameHash(again)), bytes);
  });
  const { filesystem } = openFilesystem(device, { readOnly: true });
  assert.throws(() => [...filesystem.readDirectory(filesystem.root())], { code: 'EUCLEAN' });
  assert.throws(() => lookup(filesystem.root(), 'again'), { code: 'EUCLEAN' });
  assert.ok(lookup(filesystem.root(), 'vault').isDirectory);
  errorsOf(device);
});

test('an entry of another type than its inode is refused', () => {
  const device = planted((_transaction, root) => {
    const work = lookup(root, 'vault');
    const name = nameBytes('posing');
    const location = new Key(work.ino, format.INODE_ITEM_KEY, 0);
    const bytes = format.encodeDirItem({ location, transid: 1, type: format.FT_REG_FILE, name, data: NONE });
    work.subvolume.tree.insert(new Key(root.ino, format.DIR_ITEM_KEY, format.nameHash(name)), bytes);
  });
  const { filesystem } = openFilesystem(device, { readOnly: true });
  assert.throws(() => lookup(filesystem.root(), 'posing'), { code: 'EUCLEAN' });
});

test('free space that is in use is never given out', () => {
  const used = anatomy.data[3];
  assert.ok(used);
  const device = planted(({ trees }) => {
    const tree: Tree | undefined = trees.freeSpaceTree;
    assert.ok(tree);
    tree.insert(new Key(used.logical, format.FREE_SPACE_EXTENT_KEY, used.length), NONE);
  });
  const before = explore(device, subject.keys);
  const { filesystem, transaction } = openFilesystem(device);
  assert.throws(() => write(filesystem, filesystem.root(), 'new', 0, 100_000, 1), { code: 'EUCLEAN' });
  assert.equal(transaction.writable, false);
  assert.deepEqual(explore(device, subject.keys), before);
});

test('a volume whose books do not balance is only read', () => {
  const bytesUsed = overlayOf(subject);
  changeSuper(bytesUsed, (superblock) => {
    superblock.bytesUsed += 4096;
  });
  assert.match(reasonsOf(bytesUsed), /bytes are used, the superblock says/);
  const deviceUse = overlayOf(subject);
  changeSuper(deviceUse, (superblock) => {
    superblock.devItem.bytesUsed -= 65536;
  });
  assert.match(reasonsOf(deviceUse), /the superblock/);
  const extents = planted((transaction) => {
    const cursor = transaction.devTree.seek(new Key(1, format.DEV_EXTENT_KEY, 0));
    transaction.devTree.remove(cursor.key);
  });
  assert.match(reasonsOf(extents), /device tree/);
  for (const device of [bytesUsed, deviceUse, extents]) {
    assert.match(errorsOf(device), /EROFS/);
    assert.deepEqual(explore(device, subject.keys), explore(overlayOf(subject), subject.keys), 'all can be read');
  }
});

test('file extents that point where there is no data of theirs', () => {
  const node = anatomy.blocks[0]?.logical ?? 0;
  const outside = changeExtent('file9', (extent) => Object.assign(extent, { diskBytenr: 2 ** 50 }));
  const metadata = changeExtent('file9', (extent) => Object.assign(extent, { diskBytenr: node }));
  const bomb = changeExtent('file9', (extent) => Object.assign(extent, { compression: 3, ramBytes: 131_072 }));
  const wide = changeExtent('file9', (extent) => Object.assign(extent, { diskNumBytes: 2 ** 52, ramBytes: 2 ** 52 }));
  for (const device of [outside, metadata, bomb]) assert.match(readError(device, 'file9') ?? '', /^(EIO|EUCLEAN)$/);
  for (const device of [outside, metadata, bomb, wide]) errorsOf(device);
});

test('numbers at their ends', () => {
  const largest = Number.MAX_SAFE_INTEGER;
  const inodes = planted((_transaction, root) => {
    const file = lookup(root, 'vault', 'file9');
    const directory = lookup(root, 'vault');
    Object.assign(file.item, { size: largest, nbytes: largest, sequence: largest, nlink: 0xffff_ffff });
    Object.assign(directory.item, { size: largest, sequence: largest });
    file.markDirty();
    directory.markDirty();
  });
  errorsOf(inodes);
  const sequence = planted((_transaction, root) => {
    const work = lookup(root, 'vault');
    const location = new Key(lookup(work, 'file1').ino, format.INODE_ITEM_KEY, 0);
    const entry = { location, transid: 1, type: format.FT_REG_FILE, name: nameBytes('last'), data: NONE };
    work.subvolume.tree.insert(new Key(work.ino, format.DIR_INDEX_KEY, largest), format.encodeDirItem(entry));
  });
  errorsOf(sequence);
  const { filesystem } = openFilesystem(sequence);
  const work = lookup(filesystem.root(), 'vault');
  assert.throws(() => filesystem.create(work, nameBytes('one more'), 0o644, OWNER), { code: 'EUCLEAN' });
  const bytesUsed = planted((_transaction, root) => {
    root.subvolume.tree.rootItem.bytesUsed = largest;
    root.subvolume.tree.rootItemChanged = true;
  });
  errorsOf(bytesUsed);
  const counts = planted(({ extentTree }) => {
    for (const { logical, length } of anatomy.data) {
      const place = extentTree.change(new Key(logical, format.EXTENT_ITEM_KEY, length));
      if (place !== undefined) writeU53(place.view, place.at + format.EXTENT_ITEM.refs, largest);
    }
  });
  errorsOf(counts);
  const generation = overlayOf(subject);
  changeSuper(generation, (superblock) => {
    superblock.generation = largest;
  });
  assert.equal(explore(generation, []).get('error'), 'EUCLEAN');
});

test('orphans that are none', () => {
  const device = planted((_transaction, root) => {
    const { tree } = root.subvolume;
    root.item.nlink = 0;
    root.markDirty();
    for (const ino of [256, 257, 99_999, Number.MAX_SAFE_INTEGER]) {
      tree.insert(new Key(format.ORPHAN_OBJECTID, format.ORPHAN_ITEM_KEY, ino), NONE);
    }
  });
  openFilesystem(device).filesystem.close();
  const { filesystem } = openFilesystem(device, { readOnly: true });
  assert.equal(lookup(filesystem.root(), 'vault', 'file9').ino, lookup(filesystem.root(), 'vault', 'file9').ino);
  assert.ok([...filesystem.readDirectory(filesystem.root())].length > 2, 'the top directory is still there');
});

test('a symlink whose target cannot be one', () => {
  const device = planted((_transaction, root) => {
    const link = lookup(root, 'vault', 'link');
    const key = new Key(link.ino, format.EXTENT_DATA_KEY, 0);
    const place = link.subvolume.tree.change(key);
    assert.ok(place);
    place.view.setUint8(place.at + format.FILE_EXTENT.inlineData + 3, 0);
  });
  const { filesystem } = openFilesystem(device, { readOnly: true });
  assert.throws(() => filesystem.readlink(lookup(filesystem.root(), 'vault', 'link')), { code: 'EUCLEAN' });
});
