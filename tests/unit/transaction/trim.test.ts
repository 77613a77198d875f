/** Free space is given back, all of it, and nothing that is in use now or was at the last commit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OverlayDevice } from '../../../src/device/index.js';
import { superMirrorOffsets } from '../../../src/format/index.js';
import { makeVolume } from '../../../src/mkfs/index.js';
import { trimFreeSpace } from '../../../src/transaction/index.js';
import { ForgetfulDevice } from '../../support/forgetful-device.js';
import { listing, type OpenedFilesystem, openFilesystem } from '../../support/open-filesystem.js';
import { assertBooksBalance } from '../../support/soundness.js';

const MIB = 2 ** 20;
const SIZE = 256 * MIB;
const OWNER = { uid: 0, gid: 0 };

function newVolume(size = SIZE): ForgetfulDevice {
  const device = new ForgetfulDevice(size);
  makeVolume(device);
  return device;
}

function write({ filesystem }: OpenedFilesystem, name: string, length: number): void {
  const inode = filesystem.create(filesystem.root(), Buffer.from(name), 0o644, OWNER);
  inode.data.write(0, Buffer.alloc(length, name));
}

function total(ranges: readonly { readonly length: number }[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

test('what a deleted file took is given back, and what is left can be read', () => {
  const device = newVolume();
  const opened = openFilesystem(device);
  write(opened, 'kept', 5 * MIB);
  write(opened, 'deleted', 20 * MIB);
  opened.filesystem.commit();
  const before = device.heldBytes;
  opened.filesystem.unlink(opened.filesystem.root(), Buffer.from('deleted'));
  opened.filesystem.commit();
  const state = listing(opened.filesystem);
  const given = trimFreeSpace(opened.transaction);
  assert.equal(given, total(device.discarded));
  assert.ok(given > SIZE - 20 * MIB, `${given} bytes are given back`);
  assert.ok(device.heldBytes < before - 19 * MIB);
  const again = openFilesystem(device);
  assert.deepEqual(listing(again.filesystem), state);
  assertBooksBalance(again.transaction);
});

test('a power cut after trimming in the middle of a transaction leaves the last commit', () => {
  const device = newVolume();
  const opened = openFilesystem(device);
  const { filesystem, transaction } = opened;
  for (let index = 0; index < 40; index++) write(opened, `file ${index}`, (index % 7) * 300_000 + 10);
  filesystem.commit();
  const committed = listing(filesystem);
  for (let index = 0; index < 40; index += 2) filesystem.unlink(filesystem.root(), Buffer.from(`file ${index}`));
  for (let index = 0; index < 10; index++) write(opened, `new ${index}`, 700_000);
  transaction.prepareCommit();
  transaction.references.applyAll();
  assert.ok(transaction.space.pinned('data') > 0 && transaction.space.pinned('metadata') > 0);
  trimFreeSpace(transaction);
  assert.deepEqual(listing(openFilesystem(new OverlayDevice(device)).filesystem), committed);
  const running = listing(filesystem);
  filesystem.commit();
  trimFreeSpace(transaction);
  assert.deepEqual(listing(openFilesystem(device).filesystem), running);
});

test('what fsync has logged is not given back before the commit', () => {
  const device = newVolume();
  const opened = openFilesystem(device);
  const { filesystem, transaction } = opened;
  write(opened, 'logged', 100_000);
  filesystem.commit();
  const inode = filesystem.lookup(filesystem.root(), Buffer.from('logged'));
  inode.data.write(50_000, Buffer.alloc(2 * MIB, 'after'));
  filesystem.fsync(inode);
  assert.ok(transaction.volume.superblock.logRoot !== 0);
  inode.data.write(0, Buffer.alloc(3 * MIB, 'later'));
  transaction.prepareCommit();
  trimFreeSpace(transaction);
  const again = openFilesystem(new OverlayDevice(device)).filesystem;
  const found = again.lookup(again.root(), Buffer.from('logged'));
  const bytes = Buffer.alloc(50_000 + 2 * MIB);
  assert.equal(found.data.read(0, bytes), bytes.length);
  assert.ok(bytes.subarray(50_000).equals(Buffer.alloc(2 * MIB, 'after')));
  filesystem.commit();
  trimFreeSpace(transaction);
  assert.deepEqual(listing(openFilesystem(device).filesystem), listing(filesystem));
});

test('superblocks and the first mebibyte are never given back', () => {
  // The third superblock lies where no chunk is.
  const size = 300 * 1024 * MIB;
  const device = newVolume(size);
  const { transaction } = openFilesystem(device);
  trimFreeSpace(transaction);
  const mirrors = superMirrorOffsets(size);
  assert.equal(mirrors.length, 3);
  for (const byte of [0, MIB - 1, ...mirrors.flatMap((offset) => [offset, offset + 4095])]) {
    const hit = device.discarded.filter(({ start, length }) => start <= byte && byte < start + length);
    assert.deepEqual(hit, [], `byte ${byte}`);
  }
  assert.ok(device.discarded.some(({ start, length }) => start + length === mirrors[2]));
});

test('a range and a smallest length are kept to', () => {
  const device = newVolume();
  const { transaction } = openFilesystem(device);
  const all = trimFreeSpace(transaction);
  const start = 100 * MIB + 1;
  device.discarded.length = 0;
  const part = trimFreeSpace(transaction, { start, length: 50 * MIB });
  assert.equal(part, total(device.discarded));
  assert.ok(part > 0 && part <= 50 * MIB && part < all);
  for (const run of device.discarded) {
    assert.ok(run.start >= start && run.start + run.length <= start + 50 * MIB, `${run.start}+${run.length}`);
  }
  const runs = (minLength: number): number[] => {
    device.discarded.length = 0;
    trimFreeSpace(transaction, { minLength });
    return device.discarded.map(({ length }) => length);
  };
  const longOnes = runs(0).filter((length) => length >= 8 * MIB);
  assert.deepEqual(runs(8 * MIB), longOnes);
  assert.equal(trimFreeSpace(transaction, { start: 2 ** 60 }), 0);
  assert.throws(() => trimFreeSpace(transaction, { length: 4095 }), { code: 'EINVAL' });
});

test('what cannot give space back says so, and stays writable', () => {
  const device = newVolume();
  const { transaction } = openFilesystem(new OverlayDevice(device));
  assert.throws(() => trimFreeSpace(transaction), { code: 'EOPNOTSUPP' });
  assert.ok(transaction.writable);
  const readOnly = openFilesystem(device, { readOnly: true });
  assert.throws(() => trimFreeSpace(readOnly.transaction), { code: 'EROFS' });
  assert.deepEqual(device.discarded, []);
});
