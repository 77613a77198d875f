/**
 * File data of damaged and hostile volumes: missing contexts are borrowed and put back, and what
 * contradicts itself is an error, never a guess.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ErrorCode, isFsError } from '../../../src/bytes/index.js';
import type { BlockDevice } from '../../../src/device/index.js';
import { cloneRange, createSnapshot, type Filesystem, type Inode } from '../../../src/filesystem/index.js';
import {
  COMPRESS_ZSTD,
  decodeFileExtent,
  EXTENT_CONTEXT,
  EXTENT_DATA_KEY,
  encodeFileExtent,
  FILE_EXTENT_INLINE,
  type FileExtent,
  FSCRYPT_CTX_KEY,
  Key,
} from '../../../src/format/index.js';
import { auditExtents } from '../../support/extent-audit.js';
import { newDevice, newDirectory, newFile, openFilesystem } from '../../support/new-filesystem.js';

const SECTOR = 4096;

interface Written {
  readonly device: BlockDevice;
  readonly filesystem: Filesystem;
  readonly file: Inode;
  readonly bytes: Uint8Array;
}

/** A file of 16 sectors in one extent. */
function written(layout: 'item' | 'trailing' | undefined): Written {
  const device = newDevice({ ...(layout && { layout }) });
  const filesystem = openFilesystem(device);
  const file = newFile(filesystem, newDirectory(filesystem, 'dir'), 'file');
  filesystem.openInode(file);
  const bytes = Uint8Array.from({ length: 16 * SECTOR }, (_, i) => (i * 13 + (i >> 9)) & 0xff);
  file.data.write(0, bytes);
  filesystem.commit();
  return { device, filesystem, file, bytes };
}

function contents(inode: Inode): Uint8Array {
  inode.data.forget();
  const into = new Uint8Array(inode.item.size);
  inode.data.read(0, into);
  return into;
}

function contextAt(file: Inode, offset: number): Key {
  return new Key(file.ino, FSCRYPT_CTX_KEY, offset);
}

/** Removes a context item, as the kernel's series does by mistake. */
function loseContext({ filesystem, file }: Written, offset = 0): void {
  filesystem.change(1, () => assert.ok(file.subvolume.tree.remove(contextAt(file, offset))));
}

/** Rewrites the first file extent item. */
function tamper({ filesystem, file }: Written, change: Partial<FileExtent>): void {
  const key = new Key(file.ino, EXTENT_DATA_KEY, 0);
  const cursor = file.subvolume.tree.get(key);
  assert.ok(cursor !== undefined);
  const extent = { ...decodeFileExtent(cursor.view, cursor.at, cursor.size), ...change };
  filesystem.change(1, () =>
    file.subvolume.tree.replace(key, encodeFileExtent(extent, new Uint8Array(extent.inlineLength))),
  );
}

function readFails(file: Inode, code: ErrorCode): void {
  assert.throws(
    () => contents(file),
    (error) => isFsError(error, code),
  );
}

describe('a missing context', () => {
  it('is an error when nothing else uses the extent', () => {
    const volume = written('item');
    loseContext(volume);
    readFails(volume.file, 'EIO');
  });

  it('is not spread to a clone', () => {
    const volume = written('item');
    loseContext(volume);
    const clone = newFile(volume.filesystem, volume.filesystem.root(), 'plain');
    const other = newFile(volume.filesystem, newDirectory(volume.filesystem, 'other'), 'clone');
    for (const [target, code] of [
      [clone, 'EINVAL'],
      [other, 'EIO'],
    ] as const) {
      assert.throws(
        () => cloneRange(volume.file, 0, 16 * SECTOR, target, 0),
        (error) => isFsError(error, code),
      );
    }
    volume.filesystem.commit();
    auditExtents(volume.filesystem, [other]);
  });

  it('is borrowed from a snapshot', () => {
    const volume = written('item');
    const root = volume.filesystem.root();
    createSnapshot(root.subvolume, root, Buffer.from('snapshot'), true);
    loseContext(volume);
    assert.deepEqual(contents(volume.file), volume.bytes);
  });

  it('is borrowed from a clone in another file, also through a shared leaf', () => {
    const volume = written('item');
    const { filesystem, file, bytes } = volume;
    const copy = newFile(filesystem, filesystem.lookup(filesystem.root(), Buffer.from('dir')), 'copy');
    cloneRange(file, 2 * SECTOR, 3 * SECTOR, copy, 8 * SECTOR);
    loseContext(volume);
    filesystem.commit();
    assert.deepEqual(contents(file), bytes);
    const root = filesystem.root();
    createSnapshot(root.subvolume, root, Buffer.from('snapshot'), false);
    filesystem.commit();
    assert.deepEqual(contents(file), bytes);
  });

  it('is put back where its extent is split, trimmed or cloned', () => {
    const volume = written('item');
    const { filesystem, file, bytes, device } = volume;
    file.data.write(4 * SECTOR, bytes.subarray(0, SECTOR));
    filesystem.commit();
    loseContext(volume, 5 * SECTOR);
    file.data.punchHole(8 * SECTOR, SECTOR);
    filesystem.commit();
    auditExtents(filesystem, [file]);
    const wanted = bytes.slice();
    wanted.copyWithin(4 * SECTOR, 0, SECTOR);
    wanted.fill(0, 8 * SECTOR, 9 * SECTOR);
    assert.deepEqual(contents(file), wanted);
    const reopened = openFilesystem(device);
    assert.deepEqual(contents(reopened.inode(file.subvolume.id, file.ino)), wanted);
  });
});

describe('a stale context', () => {
  it('makes way for the new extent', () => {
    const volume = written('item');
    const { filesystem, file, bytes } = volume;
    const stale = new Uint8Array(EXTENT_CONTEXT.SIZE).fill(1);
    filesystem.change(1, () => file.subvolume.tree.insert(contextAt(file, 3 * SECTOR), stale));
    file.data.write(3 * SECTOR, bytes.subarray(0, SECTOR));
    filesystem.commit();
    auditExtents(filesystem, [file]);
  });

  it('goes when anything is done to the extent around it', () => {
    const volume = written('item');
    const { filesystem, file } = volume;
    filesystem.change(1, () =>
      file.subvolume.tree.insert(contextAt(file, 3 * SECTOR), new Uint8Array(EXTENT_CONTEXT.SIZE).fill(1)),
    );
    file.data.truncate(10 * SECTOR);
    filesystem.commit();
    auditExtents(filesystem, [file]);
  });

  it('of another key or mode is not used', () => {
    for (const at of [EXTENT_CONTEXT.contentsMode, EXTENT_CONTEXT.masterKeyIdentifier]) {
      const volume = written('item');
      const { filesystem, file } = volume;
      filesystem.change(1, () => {
        const place = file.subvolume.tree.change(contextAt(file, 0));
        assert.ok(place !== undefined);
        place.view.setUint8(place.at + at, place.view.getUint8(place.at + at) ^ 8);
      });
      readFails(file, 'EUCLEAN');
    }
  });
});

describe('extents that lie', () => {
  it('about encryption are refused', () => {
    const plaintext = written('item');
    tamper(plaintext, { encryption: 0 });
    readFails(plaintext.file, 'EUCLEAN');

    const trailing = written('trailing');
    tamper(trailing, { encryption: 0 });
    readFails(trailing.file, 'EUCLEAN');

    const inline = written('item');
    tamper(inline, { encryption: 0, type: FILE_EXTENT_INLINE, inlineLength: 100, ramBytes: 100 });
    readFails(inline.file, 'EUCLEAN');

    const inPlainFile = written(undefined);
    tamper(inPlainFile, { encryption: 1 });
    readFails(inPlainFile.file, 'EUCLEAN');
  });

  it('about their size or place are refused', () => {
    const outside = written(undefined);
    tamper(outside, { offset: 10 * SECTOR, ramBytes: 1000 * SECTOR });
    readFails(outside.file, 'EUCLEAN');

    const elsewhere = written(undefined);
    tamper(elsewhere, { diskBytenr: 2 ** 50 });
    readFails(elsewhere.file, 'EIO');

    const huge = written(undefined);
    tamper(huge, { compression: COMPRESS_ZSTD, ramBytes: 2 ** 40 });
    readFails(huge.file, 'EUCLEAN');

    const endless = written(undefined);
    tamper(endless, { type: FILE_EXTENT_INLINE, inlineLength: 10, ramBytes: 2 ** 40, compression: COMPRESS_ZSTD });
    readFails(endless.file, 'EUCLEAN');
  });

  it('about their checksums are refused', () => {
    for (const layout of [undefined, 'item', 'trailing'] as const) {
      const { filesystem, file } = written(layout);
      const [extent] = file.data.extents();
      assert.ok(extent !== undefined);
      filesystem.transaction.volume.writeLogical(extent.diskBytenr + SECTOR, new Uint8Array(SECTOR));
      readFails(file, 'EIO');
      filesystem.change(2, () => filesystem.transaction.removeChecksums(extent.diskBytenr, SECTOR));
      readFails(file, 'EIO');
    }
  });
});
