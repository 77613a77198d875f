/** Logs between us and the kernel: each replays what the other's fsync left at a power cut. */
import assert from 'node:assert/strict';
import { closeSync, copyFileSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createVolume, openVolume } from '../../src/library/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { mustRun } from '../support/command.js';
import { withKernelMount } from '../support/kernel-mount.js';
import { temporaryPath } from '../support/temporary.js';

const MIB = 1024 * 1024;
const needs = requireAbility('kernel-btrfs', 'btrfs-progs');

/** `length` bytes that say where they are and who wrote them. */
const pattern = (length: number, writer: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + writer) & 0xff));

const logRoot = (image: string): number =>
  Number(/log_root\s+(\d+)/.exec(mustRun('btrfs', 'inspect-internal', 'dump-super', image))?.[1]);

test('the kernel replays our log', needs, () => {
  const image = temporaryPath('.img');
  const cut = temporaryPath('.img');
  const volume = createVolume(image, { size: 256 * MIB });
  const before = pattern(3 * MIB, 1);
  volume.fs.writeFileSync('/file', before);
  volume.fs.writeFileSync('/other', before);
  volume.fs.createSubvolumeSync('/sub');
  volume.fs.writeFileSync('/sub/file', before);
  volume.sync();

  const wanted = Buffer.concat([before, Buffer.alloc(200_000)]);
  for (const [round, offset] of [4096, 1_000_001, 1_002_000, 4096 * 300, 3 * MIB - 100, 4096].entries()) {
    const bytes = pattern(round * 30_011 + 500, 50 + round);
    for (const path of ['/file', '/sub/file']) {
      const fd = volume.fs.openSync(path, 'r+');
      volume.fs.writeSync(fd, bytes, 0, bytes.length, offset);
      volume.fs.fsyncSync(fd);
      volume.fs.closeSync(fd);
    }
    bytes.copy(wanted, offset);
  }
  const { size } = volume.fs.statSync('/file');
  copyFileSync(image, cut);
  assert.notEqual(logRoot(cut), 0, 'there is a log');
  withKernelMount(cut, {}, (top) => {
    for (const path of ['file', 'sub/file']) {
      assert.ok(readFileSync(join(top, path)).equals(wanted.subarray(0, size)), path);
    }
    assert.ok(readFileSync(join(top, 'other')).equals(before));
  });
  assertSound(cut);
  volume.close();
  assert.equal(logRoot(image), 0, 'a commit ends the log');
  assertSound(image);
});

test('we replay a log of the kernel that tells of contents only', needs, () => {
  const image = temporaryPath('.img');
  const cut = temporaryPath('.img');
  const made = createVolume(image, { size: 256 * MIB });
  const wanted = pattern(2 * MIB, 3);
  made.fs.writeFileSync('/file', wanted);
  made.close();
  withKernelMount(image, { options: ['commit=300'] }, (top) => {
    const fd = openSync(join(top, 'file'), 'r+');
    for (const [round, offset] of [0, 500_000, 1_999_000].entries()) {
      const bytes = pattern(10_000 + round * 7000, 90 + round);
      writeSync(fd, bytes, 0, bytes.length, offset);
      bytes.copy(wanted, offset);
      // The first of a mount is a commit.
      fsyncSync(fd);
    }
    closeSync(fd);
    copyFileSync(image, cut);
  });
  assert.notEqual(logRoot(cut), 0, 'there is a log');
  const volume = openVolume(cut);
  assert.deepEqual(volume.warnings, []);
  assert.deepEqual(volume.info.readOnlyReasons, []);
  assert.ok(volume.fs.readFileSync('/file').equals(wanted));
  volume.close();
  assertSound(cut);
});

test('a log of the kernel that tells of names leaves the volume read-only', needs, () => {
  const image = temporaryPath('.img');
  const cut = temporaryPath('.img');
  createVolume(image, { size: 256 * MIB }).close();
  withKernelMount(image, { options: ['commit=300'] }, (top) => {
    mustRun('sync', '-f', top);
    const fd = openSync(join(top, 'new'), 'w');
    writeSync(fd, 'new');
    fsyncSync(fd);
    closeSync(fd);
    copyFileSync(image, cut);
  });
  const before = readFileSync(cut);
  const volume = openVolume(cut);
  assert.match(volume.warnings.join(), /the log is not replayed/);
  assert.match(volume.info.readOnlyReasons.join(), /a log tree waits for replay/);
  assert.deepEqual(volume.fs.readdirSync('/'), []);
  volume.close();
  assert.ok(readFileSync(cut).equals(before), 'not a byte is changed');
  withKernelMount(cut, {}, (top) => assert.equal(readFileSync(join(top, 'new'), 'utf8'), 'new'));
});
