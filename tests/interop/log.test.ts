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
import { FileDevice, MemoryDevice } from '../../src/device/index.js';
import type { Filesystem } from '../../src/filesystem/index.js';
import { DIR_INDEX_KEY, decodeDirItems, Key } from '../../src/format/index.js';
import { createVolume, type OpenVolume, openVolume } from '../../src/library/index.js';
import { makeVolume } from '../../src/mkfs/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { mustRun } from '../support/command.js';
import { deviceToFile } from '../support/device-files.js';
import { withKernelMount } from '../support/kernel-mount.js';
import { openFilesystem } from '../support/open-filesystem.js';
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

const KEY = Buffer.alloc(64, 0x6c);
const OWNER = { uid: 0, gid: 0 };

/** A plain and an encrypted directory, each with one file. */
function prepareDirectories(filesystem: Filesystem): void {
  const masterKeyIdentifier = filesystem.keyring.add(KEY);
  for (const name of ['plain', 'vault']) {
    const directory = filesystem.mkdir(filesystem.root(), Buffer.from(name), 0o755, OWNER);
    const policy = { contentsMode: 1, filenamesMode: 4, flags: 3, log2DataUnitSize: 0, masterKeyIdentifier };
    if (name === 'vault') filesystem.setPolicy(directory, policy);
    filesystem.create(directory, Buffer.from('old'), 0o644, OWNER).data.write(0, pattern(5000, 5));
  }
}

for (const layout of ['item', 'trailing'] as const) {
  test(`the kernel replays our log of new encrypted files, ${layout}`, needs, () => {
    const device = new MemoryDevice(256 * MIB);
    makeVolume(device, { extentContext: layout });
    const { filesystem, volume } = openFilesystem(device, { keys: [KEY] });
    prepareDirectories(filesystem);
    filesystem.commit();
    const { generation } = volume.superblock;
    for (let number = 0; number < 40; number++) {
      const directory = filesystem.lookup(filesystem.root(), Buffer.from(number % 4 === 0 ? 'plain' : 'vault'));
      const inode = filesystem.create(directory, Buffer.from(`new ${number}`), 0o644, OWNER);
      inode.data.write(0, pattern(2500 + number * 977, number));
      filesystem.fsync(inode);
      if (number % 7 === 3) filesystem.unlink(directory, Buffer.from(`new ${number}`));
    }
    for (const name of ['plain', 'vault']) {
      const directory = filesystem.lookup(filesystem.root(), Buffer.from(name));
      filesystem.unlink(directory, Buffer.from('old'));
      const inode = filesystem.create(directory, Buffer.from('old'), 0o644, OWNER);
      inode.data.write(0, pattern(8000, 77));
      filesystem.fsync(inode);
    }
    assert.equal(volume.superblock.generation, generation, 'nothing is committed');
    const replayedByKernel = copyWithoutMarks(deviceToFile(device));
    assert.notEqual(logRoot(replayedByKernel), 0, 'there is a log');
    withKernelMount(replayedByKernel, {}, () => undefined);
    assert.equal(logRoot(replayedByKernel), 0, 'the log is replayed');
    assertSound(replayedByKernel);
    const replayed = contentsBelow(replayedByKernel);

    openFilesystem(device, { keys: [KEY] }).filesystem.close();
    const replayedByUs = copyWithoutMarks(deviceToFile(device));
    assert.deepEqual(contentsBelow(replayedByUs), replayed);
    assert.equal(replayed.size, 36);
  });
}

/** Names and contents, in hexadecimal, of the files in two directories. Listing would refuse names of ciphertext. */
function contentsBelow(image: string): Map<string, string> {
  const contents = new Map<string, string>();
  const device = FileDevice.open(image, { readOnly: true });
  const { filesystem } = openFilesystem(device, { readOnly: true });
  for (const name of ['plain', 'vault']) {
    const { ino, subvolume } = filesystem.lookup(filesystem.root(), Buffer.from(name));
    const cursor = subvolume.tree.seek(new Key(ino, DIR_INDEX_KEY, 0));
    for (; cursor.isItemOf(ino, DIR_INDEX_KEY); cursor.next()) {
      const [entry] = decodeDirItems(cursor.view, cursor.at, cursor.size);
      assert.ok(entry);
      const { data, item } = subvolume.inode(entry.location.objectid);
      const bytes = Buffer.alloc(item.size);
      data.read(0, bytes);
      const path = `${name}/${Buffer.from(entry.name).toString('hex')}, entry ${cursor.keyOffset}, links ${item.nlink}`;
      contents.set(path, bytes.toString('hex'));
    }
  }
  device.close();
  return contents;
}

/** Opens an image with a log, which must be replayed without a word. */
function openReplayed(cut: string): OpenVolume {
  assert.notEqual(logRoot(cut), 0, 'there is a log');
  const volume = openVolume(cut);
  assert.deepEqual(volume.warnings, []);
  assert.deepEqual(volume.info.readOnlyReasons, []);
  return volume;
}

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
  const volume = openReplayed(cut);
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
  const volume = openReplayed(cut);
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
