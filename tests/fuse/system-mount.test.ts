/** The mount helper, installed where mount(8) looks for it. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { requireAbility, toolEnvironment } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { type CommandResult, runCommand } from '../support/command.js';
import { butterlock, MAIN, mustButterlock } from '../support/command-line.js';
import { writeKeyFile } from '../support/mounted-volume.js';
import { waitForLock } from '../support/system-calls.js';
import { temporaryDirectory, temporaryPath } from '../support/temporary.js';

const INSTALLED = '/sbin/mount.fuse.butterlock';
const HELPER = join(import.meta.dirname, '../../../bin/mount.fuse.butterlock');
const NOBODY = 65_534;

/** The helper finds node on the path. */
function mount(...words: string[]): CommandResult {
  const { PATH, ...rest } = toolEnvironment();
  const env = { ...rest, PATH: `${dirname(process.execPath)}:${PATH}` };
  return spawnSync('mount', words, { env, encoding: 'utf8' });
}

/** Options of a mount, as the kernel shows them. */
function shownOptions(path: string): string[] {
  const lines = fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const fields = lines.map((line) => line.split(' ')).findLast((line) => line[4] === path.replaceAll(' ', '\\040'));
  assert.ok(fields, `${path} is mounted`);
  return fields[5]?.split(',') ?? [];
}

/** Plain umount(8) does not wait for the server. */
async function serverEnded(image: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if ((await butterlock(['touch', image, '/'])).status === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('the server does not end');
}

async function unmounted(path: string, image: string): Promise<void> {
  assert.equal(runCommand('umount', path).status, 0);
  await serverEnded(image);
}

describe('mount -t fuse.butterlock', requireAbility('fuse', 'fusermount3', 'btrfs-progs'), () => {
  const lock = fs.openSync(join(tmpdir(), 'butterlock-helper-lock'), 'a', 0o600);
  const old = `${INSTALLED}.old`;
  let image: string;
  let path: string;
  let log: string;

  before(async () => {
    waitForLock(lock);
    if (fs.lstatSync(INSTALLED, { throwIfNoEntry: false }) !== undefined) fs.renameSync(INSTALLED, old);
    fs.symlinkSync(fs.realpathSync(HELPER), INSTALLED);
    const directory = join(temporaryDirectory(), 'with spaces, and a comma');
    fs.mkdirSync(directory);
    fs.chmodSync(temporaryDirectory(), 0o755);
    [image, path, log] = [join(directory, 'vault.img'), join(directory, 'mount'), join(directory, 'log')];
    fs.mkdirSync(path);
    await mustButterlock(['create', image, '--size', '256M']);
    await mustButterlock(['subvolume', 'create', image, '/home']);
    await mustButterlock(['write', image, '/home/file'], { input: 'at home' });
  });
  after(() => {
    fs.rmSync(INSTALLED);
    if (fs.existsSync(old)) fs.renameSync(old, INSTALLED);
    fs.closeSync(lock);
    assertSound(copyWithoutMarks(image));
  });

  test('mounts, with flags that hold', async () => {
    const { status, stderr } = mount('-t', 'fuse.butterlock', '-o', `noexec,nosuid,nodev,log="${log}"`, image, path);
    assert.deepEqual([status, stderr], [0, '']);
    for (const flag of ['rw', 'noexec', 'nosuid', 'nodev']) assert.ok(shownOptions(path).includes(flag), flag);
    fs.writeFileSync(join(path, 'script'), '#!/bin/sh\n', { mode: 0o755 });
    assert.throws(() => runCommand(join(path, 'script')), { code: 'EACCES' });
    await unmounted(path, image);
    assert.match(fs.readFileSync(log, 'utf8'), /all is durable/);
    assert.equal(await mustButterlock(['cat', image, '/script']), '#!/bin/sh\n');
  });

  test('mounts read-only, and a subvolume by path or id', async () => {
    for (const subvolume of ['subvol=/home', 'subvol=home', 'subvolid=256']) {
      assert.equal(
        mount('-t', 'fuse.butterlock', '-o', `ro,log=${temporaryPath()},${subvolume}`, image, path).status,
        0,
      );
      assert.equal(fs.readFileSync(join(path, 'file'), 'utf8'), 'at home');
      assert.throws(() => fs.writeFileSync(join(path, 'file'), ''), { code: 'EROFS' });
      const remount = mount('-o', 'remount,rw', path);
      assert.equal(remount.status, 32);
      assert.match(remount.stderr, /unmount it and mount it again/);
      assert.ok(shownOptions(path).includes('ro'));
      await unmounted(path, image);
    }
  });

  test('mounts what a line of fstab says', async () => {
    const key = writeKeyFile(1);
    const withComma = `${key},key`;
    fs.copyFileSync(key, withComma);
    await mustButterlock(['mkdir', image, '/vault']);
    await mustButterlock(['encrypt', image, '/vault', '--key-file', key]);
    await mustButterlock(['write', image, '/vault/name', '--key-file', key], { input: 'secret' });
    const field = (text: string): string => text.replaceAll(' ', '\\040');
    const options = `noauto,nofail,x-systemd.device-timeout=0,nodev,commit=5,key-file="${withComma}",log="${log}"`;
    const fstab = temporaryPath();
    fs.writeFileSync(fstab, `${[image, path, 'fuse.butterlock', options, '0', '0'].map(field).join('\t')}\n`);
    const { status, stderr } = mount('-T', fstab, path);
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(fs.readFileSync(join(path, 'vault/name'), 'utf8'), 'secret');
    assert.ok(shownOptions(path).includes('nodev'));
    await unmounted(path, image);
  });

  test('mounts in another mount namespace', async () => {
    const sleeper = spawn('unshare', ['-m', '--propagation', 'private', 'sleep', '60'], { stdio: 'ignore' });
    const namespace = `/proc/${sleeper.pid}/ns/mnt`;
    const own = fs.readlinkSync('/proc/self/ns/mnt');
    while (fs.readlinkSync(namespace) === own);
    try {
      const options = `log=${temporaryPath()}`;
      assert.equal(mount('-N', String(sleeper.pid), '-t', 'fuse.butterlock', '-o', options, image, path).status, 0);
      assert.deepEqual(fs.readdirSync(path), []);
      const inside = (...words: string[]): CommandResult => runCommand('nsenter', `--mount=${namespace}`, ...words);
      assert.match(inside('ls', path).stdout, /^home$/m);
      assert.equal(inside('umount', path).status, 0);
      await serverEnded(image);
    } finally {
      sleeper.kill();
    }
  });

  test('says what is wrong, with the exit codes of mount(8)', async () => {
    const failures: [string[], number, RegExp][] = [
      [['-t', 'fuse.butterlock', '-o', 'bogus', image, path], 1, /'bogus' is not known/],
      [['-t', 'fuse.butterlock', '-o', 'commit=soon', image, path], 1, /'soon' is no whole number/],
      [['-t', 'fuse.butterlock', `${image}.none`, path], 32, /none: no such file or directory/],
      [['-t', 'fuse.butterlock', '-o', 'subvol=none', image, path], 32, /there is no subvolume \/none/],
      [['-t', 'fuse.butterlock', '-o', 'key-file=/none', image, path], 32, /\/none: no such file/],
      [['-t', 'fuse.butterlock', '/etc/hostname', path], 32, /mount\.fuse\.butterlock: /],
    ];
    for (const [words, status, text] of failures) {
      const result = mount(...words);
      assert.equal(result.status, status, words.join(' '));
      assert.match(result.stderr, text);
    }
    const sloppy = mount('-s', '-t', 'fuse.butterlock', '-o', `bogus,log=${temporaryPath()}`, image, path);
    assert.equal(sloppy.status, 0, sloppy.stderr);
    await unmounted(path, image);
    assert.equal(runCommand(HELPER, '-f', image, path, '-t', 'fuse.butterlock', '-o', 'ro').status, 0);
    assert.equal(runCommand(HELPER, image).status, 1);
  });

  test('the helper of fuse3 calls the command itself', async () => {
    const { status, stderr } = runCommand(
      process.execPath,
      MAIN,
      image,
      path,
      '-o',
      `rw,dev,suid,log=${temporaryPath()}`,
    );
    assert.deepEqual([status, stderr], [0, '']);
    await unmounted(path, image);
    assert.equal(runCommand(process.execPath, MAIN, image, path, '-o', 'bogus').status, 1);
  });

  test('an ordinary user calls it, too', async () => {
    fs.chmodSync('/dev/fuse', 0o666);
    const [own, place] = [temporaryPath('.img'), temporaryPath('-mount')];
    await mustButterlock(['create', own, '--size', '256M']);
    await mustButterlock(['chown', own, `${NOBODY}:${NOBODY}`, '/']);
    fs.mkdirSync(place);
    for (const mine of [own, place]) fs.chownSync(mine, NOBODY, NOBODY);
    const asUser = (...words: string[]): CommandResult =>
      runCommand('setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', ...words);
    const userLog = `/tmp/${NOBODY}-${process.pid}.log`;
    const { status, stderr } = asUser(HELPER, own, place, '-o', `noexec,ro,log=${userLog}`);
    assert.deepEqual([status, stderr], [0, '']);
    for (const flag of ['ro', 'noexec', 'nosuid', 'nodev']) assert.ok(shownOptions(place).includes(flag), flag);
    assert.equal(asUser('fusermount3', '-u', place).status, 0);
    fs.rmSync(userLog);
  });
});
