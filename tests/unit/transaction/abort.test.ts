/** A transaction that fails half-way: the last commit stays, readable and unwritten. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FsError } from '../../../src/bytes/index.js';
import { MemoryDevice, RecordingDevice } from '../../../src/device/index.js';
import { makeVolume } from '../../../src/mkfs/index.js';
import { listing, openFilesystem } from '../../support/open-filesystem.js';

const OWNER = { uid: 0, gid: 0 };

test('after an abort the last commit can be read and nothing can be written', () => {
  const base = new MemoryDevice(128 * 1024 * 1024);
  makeVolume(base);
  const device = new RecordingDevice(base);
  const { filesystem, transaction } = openFilesystem(device);
  filesystem.create(filesystem.root(), Buffer.from('kept'), 0o644, OWNER).data.write(0, Buffer.alloc(10_000, 1));
  filesystem.commit();
  const committed = listing(filesystem);
  const writes = device.events.length;

  filesystem.create(filesystem.root(), Buffer.from('lost'), 0o644, OWNER);
  const fault = new FsError('EIO', 'made by the test');
  assert.throws(() => filesystem.change(1, () => assert.fail(fault)), { code: 'EIO' });

  assert.deepEqual(listing(filesystem), committed);
  assert.throws(() => filesystem.create(filesystem.root(), Buffer.from('more'), 0o644, OWNER), { code: 'EROFS' });
  assert.equal(transaction.writable, false);
  const lost = { code: 'EIO', message: /made by the test/ };
  assert.throws(() => filesystem.sync(), lost, 'sync says that something was lost');
  assert.throws(() => filesystem.fsync(filesystem.lookup(filesystem.root(), Buffer.from('kept'))), lost);
  filesystem.close();
  assert.equal(device.events.length, writes, 'nothing of the failed transaction was written');
});

test('an abort while space is reserved leaves the last commit readable too', () => {
  const base = new MemoryDevice(128 * 1024 * 1024);
  makeVolume(base);
  const { filesystem, transaction } = openFilesystem(base);
  filesystem.create(filesystem.root(), Buffer.from('kept'), 0o644, OWNER).data.write(0, Buffer.alloc(10_000, 1));
  filesystem.commit();
  const committed = listing(filesystem);
  const lost = filesystem.create(filesystem.root(), Buffer.from('lost'), 0o644, OWNER);

  transaction.space.hasRoom = () => assert.fail(new FsError('EIO', 'made by the test'));
  assert.throws(() => lost.data.write(0, Buffer.alloc(10_000, 2)), { code: 'EIO' });
  assert.deepEqual(listing(filesystem), committed);
  assert.equal(transaction.writable, false);
});
