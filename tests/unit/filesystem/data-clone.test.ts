/** Shared extents: what may be cloned, what it costs, and what deduplication compares. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { equalBytes, isFsError } from '../../../src/bytes/index.js';
import { cloneRange, createSnapshot, dedupeRange, type Filesystem, type Inode } from '../../../src/filesystem/index.js';
import { auditExtents } from '../../support/extent-audit.js';
import { newDevice, newDirectory, newFile, openFilesystem, testPolicy } from '../../support/new-filesystem.js';

const SECTOR = 4096;
const MIB = 1024 * 1024;

function bytes(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 17 + (i >> 8) + seed) & 0xff);
}

function contents(inode: Inode): Uint8Array {
  const into = new Uint8Array(inode.item.size);
  inode.data.read(0, into);
  return into;
}

function refuses(work: () => unknown): void {
  assert.throws(work, (error) => isFsError(error, 'EINVAL'));
}

function twoFiles(layout?: 'item' | 'trailing'): { filesystem: Filesystem; source: Inode; target: Inode } {
  const filesystem = openFilesystem(newDevice({ ...(layout && { layout }) }));
  const directory = newDirectory(filesystem, 'dir');
  return {
    filesystem,
    source: newFile(filesystem, directory, 'source'),
    target: newFile(filesystem, directory, 'target'),
  };
}

describe('cloning', () => {
  for (const layout of [undefined, 'item', 'trailing'] as const) {
    it(`costs metadata only, also a snapshot does (${layout ?? 'plain'})`, () => {
      const { filesystem, source, target } = twoFiles(layout);
      source.data.write(0, bytes(4 * MIB - 100));
      filesystem.commit();
      const { space, volume } = filesystem.transaction;
      const used = space.used('data');
      cloneRange(source, 0, source.item.size, target, 0);
      const root = filesystem.root();
      createSnapshot(root.subvolume, root, Buffer.from('snapshot'), true);
      filesystem.commit();
      assert.equal(space.used('data'), used);
      assert.ok(equalBytes(contents(target), bytes(4 * MIB - 100)));
      target.data.write(MIB, bytes(SECTOR, 9));
      filesystem.commit();
      assert.equal(space.used('data'), used + SECTOR);
      assert.ok(equalBytes(contents(source), bytes(4 * MIB - 100)));
      assert.ok(volume.readOnlyReasons.length === 0);
      auditExtents(filesystem, [source, target]);
    });
  }

  it('keeps data units when an extent lands at another offset', () => {
    const { filesystem, source, target } = twoFiles('item');
    source.data.write(0, bytes(20 * SECTOR));
    cloneRange(source, 7 * SECTOR, 5 * SECTOR, target, 0);
    cloneRange(source, 7 * SECTOR, 5 * SECTOR, source, 13 * SECTOR);
    filesystem.commit();
    assert.deepEqual(contents(target), bytes(20 * SECTOR).subarray(7 * SECTOR, 12 * SECTOR));
    assert.deepEqual(contents(source).subarray(13 * SECTOR, 18 * SECTOR), contents(target));
    auditExtents(filesystem, [source, target]);
  });

  it('copies what is inline', () => {
    const { filesystem, source, target } = twoFiles();
    source.data.write(0, bytes(300));
    filesystem.commit();
    cloneRange(source, 0, 300, target, 2 * SECTOR);
    filesystem.commit();
    assert.deepEqual(contents(target).subarray(2 * SECTOR), bytes(300));
  });

  it('wants sectors, ranges apart, and an end that is not inside the target', () => {
    const { source, target } = twoFiles();
    source.data.write(0, bytes(10 * SECTOR + 10));
    target.data.write(0, bytes(20 * SECTOR));
    refuses(() => cloneRange(source, 1, SECTOR, target, 0));
    refuses(() => cloneRange(source, 0, SECTOR, target, 1));
    refuses(() => cloneRange(source, 0, 100, target, 0));
    refuses(() => cloneRange(source, 10 * SECTOR, 10, target, 0));
    refuses(() => cloneRange(source, 0, 11 * SECTOR, target, 0));
    refuses(() => cloneRange(source, 0, 2 * SECTOR, source, SECTOR));
    cloneRange(source, 10 * SECTOR, 10, target, 20 * SECTOR);
    assert.equal(target.item.size, 20 * SECTOR + 10);
  });

  it('stays among files of one key and mode', () => {
    const filesystem = openFilesystem(newDevice({ layout: 'item' }));
    const plain = newFile(filesystem, newDirectory(filesystem, 'plain', false), 'a');
    const one = newFile(filesystem, newDirectory(filesystem, 'one'), 'b');
    const otherMode = newDirectory(filesystem, 'mode', false);
    filesystem.setPolicy(otherMode, { ...testPolicy(filesystem), contentsMode: 9, filenamesMode: 9 });
    const otherPadding = newDirectory(filesystem, 'padding', false);
    filesystem.setPolicy(otherPadding, { ...testPolicy(filesystem), flags: 0 });
    const adiantum = newFile(filesystem, otherMode, 'c');
    const padded = newFile(filesystem, otherPadding, 'd');
    for (const inode of [plain, one, adiantum, padded]) inode.data.write(0, bytes(SECTOR));
    refuses(() => cloneRange(plain, 0, SECTOR, one, 0));
    refuses(() => cloneRange(one, 0, SECTOR, plain, 0));
    refuses(() => cloneRange(one, 0, SECTOR, adiantum, 0));
    refuses(() => dedupeRange(one, 0, SECTOR, adiantum, 0));
    cloneRange(one, 0, SECTOR, padded, 0);
    filesystem.commit();
    assert.deepEqual(contents(padded), bytes(SECTOR));
  });

  it('needs the whole policy to be the same where extents carry it (layout trailing)', () => {
    const { filesystem, source } = twoFiles('trailing');
    const otherPadding = newDirectory(filesystem, 'padding', false);
    filesystem.setPolicy(otherPadding, { ...testPolicy(filesystem), flags: 0 });
    const padded = newFile(filesystem, otherPadding, 'file');
    for (const inode of [source, padded]) inode.data.write(0, bytes(SECTOR));
    refuses(() => cloneRange(source, 0, SECTOR, padded, 0));
    refuses(() => dedupeRange(source, 0, SECTOR, padded, 0));
  });
});

describe('deduplication', () => {
  it('shares equal ranges, leaves different ones and the times alone', () => {
    const { filesystem, source, target } = twoFiles('item');
    source.data.write(0, bytes(MIB));
    target.data.write(0, bytes(MIB));
    filesystem.commit();
    const before = filesystem.transaction.space.used('data');
    const { mtime } = target.item;
    assert.equal(dedupeRange(source, 0, MIB, target, 0), true);
    filesystem.commit();
    assert.equal(filesystem.transaction.space.used('data'), before - MIB);
    assert.deepEqual(target.item.mtime, mtime);
    target.data.write(MIB - 1, Uint8Array.of(99));
    assert.equal(dedupeRange(source, 0, MIB, target, 0), false);
    assert.equal(dedupeRange(source, 0, MIB - SECTOR, target, 0), true);
    filesystem.commit();
    auditExtents(filesystem, [source, target]);
  });
});
