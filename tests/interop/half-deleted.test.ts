/**
 * Subvolumes half deleted: what one side began, the other finishes.
 *
 * A deletion is made to commit after every step; each state in between is judged by `btrfs check`,
 * finished by ourselves, and finished by the kernel.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BlockDevice, FileDevice, MemoryDevice, RecordingDevice } from '../../src/device/index.js';
import { createSnapshot, createSubvolume, deleteSubvolume, listSubvolumes } from '../../src/filesystem/index.js';
import { Key, ORPHAN_ITEM_KEY, ORPHAN_OBJECTID } from '../../src/format/index.js';
import { makeVolume } from '../../src/mkfs/index.js';
import type { Transaction } from '../../src/transaction/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { mustRun } from '../support/command.js';
import { deviceToFile } from '../support/device-files.js';
import { withKernelMount } from '../support/kernel-mount.js';
import { listing, openFilesystem } from '../support/open-filesystem.js';
import { assertBooksBalance } from '../support/soundness.js';

const OWNER = { uid: 0, gid: 0 };
const FILES = 2500;

function name(text: string): Uint8Array {
  return Buffer.from(text);
}

function hasOrphan({ rootTree }: Transaction): boolean {
  return rootTree.seek(new Key(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY, 0)).isItemOf(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY);
}

/** A volume with a subvolume, a snapshot of it changed in part, and the recording of the subvolume's deletion. */
function recordDeletion(): RecordingDevice {
  const base = new MemoryDevice(160 * 1024 * 1024);
  makeVolume(base, { nodesize: 4096 });
  const { filesystem } = openFilesystem(base);
  const root = filesystem.root();
  const doomed = createSubvolume(root, name('doomed'), OWNER);
  for (let i = 0; i < FILES; i++) {
    filesystem.create(doomed, name(`f${i}`), 0o644, OWNER).data.write(0, Buffer.alloc(5000, i));
  }
  const snapshot = createSnapshot(doomed.subvolume, root, name('kept'), false);
  for (let i = 0; i < FILES; i += 7) filesystem.lookup(snapshot, name(`f${i}`)).data.write(0, Buffer.alloc(300, 1));
  for (let i = 0; i < FILES; i += 11) filesystem.lookup(doomed, name(`f${i}`)).data.write(100, Buffer.alloc(300, 2));
  filesystem.close();

  const recording = new RecordingDevice(base);
  const opened = openFilesystem(recording);
  Object.defineProperty(opened.transaction, 'needsCommit', { get: () => true });
  deleteSubvolume(opened.filesystem.root(), name('doomed'));
  opened.filesystem.close();
  return recording;
}

/** The device after each commit in which the deletion was under way. */
function* statesBetween(recording: RecordingDevice): Generator<BlockDevice> {
  let flushes = 0;
  for (let event = 0; event < recording.events.length; event++) {
    if (recording.events[event]?.kind !== 'flush' || ++flushes % 2 !== 0) continue;
    const state = recording.replay(event + 1);
    if (hasOrphan(openFilesystem(recording.replay(event + 1), { readOnly: true }).transaction)) yield state;
  }
}

function assertFinished(image: BlockDevice, what: string): Transaction {
  const { filesystem, transaction } = openFilesystem(image, { readOnly: true });
  assert.equal(hasOrphan(transaction), false, `${what}: nothing is left to delete`);
  assert.deepEqual(
    [...listSubvolumes(filesystem)].map(({ id }) => id),
    [5, 257],
    what,
  );
  assert.equal(listing(filesystem).size, FILES + 1);
  return transaction;
}

test('a half deleted subvolume is finished at the first writable opening', requireAbility('btrfs-progs'), () => {
  let states = 0;
  for (const state of statesBetween(recordDeletion())) {
    states += 1;
    const isSample = states % 4 === 1;
    if (isSample) assertSound(deviceToFile(state));
    openFilesystem(state).filesystem.close();
    assertBooksBalance(assertFinished(state, `state ${states}`));
    if (isSample) assertSound(deviceToFile(state));
  }
  assert.ok(states >= 6, `${states} states in between`);
});

test('the kernel finishes what we began to delete', requireAbility('btrfs-progs', 'kernel-btrfs'), () => {
  const states = [...statesBetween(recordDeletion())];
  const state = states[Math.floor(states.length / 2)];
  assert.ok(state);
  const path = deviceToFile(state);
  withKernelMount(path, {}, (top) => mustRun('btrfs', 'subvolume', 'sync', top));
  assertSound(path);
  const device = FileDevice.open(path, { readOnly: true });
  assertFinished(device, 'finished by the kernel');
  device.close();
});
