/** Logs between us and the kernel: each replays what the other's fsync left at a power cut. */
import assert from 'node:assert/strict';
import {
  closeSync,
  copyFileSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
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

test('the kernel replays our log of new files', needs, () => {
  const image = temporaryPath('.img');
  const cut = temporaryPath('.img');
  const volume = createVolume(image, { size: 256 * MIB });
  volume.fs.createSubvolumeSync('/sub');
  for (const path of ['/old', '/sub/old']) volume.fs.writeFileSync(path, pattern(5000, 1));
  for (const path of ['/in', '/sub/in']) volume.fs.mkdirSync(path);
  volume.sync();
  const { generation } = volume.info;

  const wanted = new Map<string, Buffer>();
  const make = (path: string, bytes: Buffer): void => {
    const fd = volume.fs.openSync(path, 'wx');
    volume.fs.writeSync(fd, bytes);
    volume.fs.fsyncSync(fd);
    volume.fs.closeSync(fd);
    wanted.set(path, bytes);
  };
  for (const [i, directory] of ['', '/in', '/sub', '/sub/in'].entries()) {
    make(`${directory}/empty`, Buffer.alloc(0));
    make(`${directory}/new`, pattern(300_000 + i, 10 + i));
    make(`${directory}/gone`, pattern(20_000, 20 + i));
    volume.fs.unlinkSync(`${directory}/gone`);
    make(`${directory}/gone`, pattern(30_000, 30 + i));
  }
  volume.fs.unlinkSync('/sub/old');
  make('/sub/last', pattern(9000, 99));
  volume.fs.unlinkSync('/old');
  make('/old', pattern(7000, 98));
  assert.equal(volume.info.generation, generation, 'nothing was committed');
  copyFileSync(image, cut);
  assert.notEqual(logRoot(cut), 0, 'there is a log');
  withKernelMount(cut, {}, (top) => {
    for (const [path, bytes] of wanted) {
      assert.ok(readFileSync(join(top, path)).equals(bytes), path);
      assert.equal(statSync(join(top, path)).nlink, 1);
    }
    assert.ok(readFileSync(join(top, 'sub/old')).equals(pattern(5000, 1)), 'its removal was not synced');
    assert.deepEqual(readdirSync(join(top, 'in')).sort(), ['empty', 'gone', 'new']);
    writeFileSync(join(top, 'in', 'more'), 'more');
  });
  assertSound(cut);
  volume.close();
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

test('we replay a log of the kernel that tells of a new file', needs, () => {
  const image = temporaryPath('.img');
  const cut = temporaryPath('.img');
  const made = createVolume(image, { size: 256 * MIB });
  made.fs.mkdirSync('/in');
  made.close();
  const wanted = pattern(50_000, 3);
  withKernelMount(image, { options: ['commit=300'] }, (top) => {
    mustRun('sync', '-f', top);
    const fd = openSync(join(top, 'in', 'new'), 'w');
    writeSync(fd, wanted);
    fsyncSync(fd);
    closeSync(fd);
    copyFileSync(image, cut);
  });
  assert.notEqual(logRoot(cut), 0, 'there is a log');
  const volume = openVolume(cut);
  assert.deepEqual(volume.warnings, []);
  assert.deepEqual(volume.info.readOnlyReasons, []);
  assert.ok(volume.fs.readFileSync('/in/new').equals(wanted));
  volume.fs.writeFileSync('/in/another', 'another');
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
