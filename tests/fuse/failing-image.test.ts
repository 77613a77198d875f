/** The image goes away, loses a part or has no room: programs are told, the server lives, what was durable stays. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { mustRun, runCommand } from '../support/command.js';
import { butterlockCommand, MountedVolume, makeEncryptedDirectory, writeKeyFile } from '../support/mounted-volume.js';
import { LoopDevice, withSmallDisk } from '../support/small-disk.js';
import { temporaryPath } from '../support/temporary.js';

const MIB = 2 ** 20;

function codeOf(call: () => unknown): string {
  try {
    call();
    return 'done';
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
}

/** Writes a file and waits until it is durable. */
function writeDurably(path: string, bytes: Uint8Array): void {
  const fd = fs.openSync(path, 'w');
  try {
    fs.writeSync(fd, bytes);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** What it logged beside its comings and goings, without times. Never a stack trace. */
function complaints(volume: MountedVolume): string[] {
  const lines = volume.logged().map((line) => line.slice(line.indexOf(' ') + 1));
  assert.deepEqual(
    lines.filter((line) => /^\s*at /.test(line)),
    [],
  );
  return lines.filter((line) => !/^--- process|^mounted /.test(line));
}

test('an image on a full disk makes the volume read-only', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
  withSmallDisk(48, (disk) => {
    const volume = new MountedVolume({ image: `${disk}/image` });
    const keyFile = writeKeyFile(13);
    makeEncryptedDirectory(volume.path, volume.at('vault'), keyFile);
    let durable = 0;
    const code = codeOf(() => {
      for (; durable < 100; durable++) writeDurably(volume.at(`vault/${durable}`), Buffer.alloc(2 * MIB, durable));
    });
    assert.equal(code, 'ENOSPC');
    assert.ok(durable > 5, `${durable} files were written`);
    assert.equal(
      codeOf(() => fs.mkdirSync(volume.at('new'))),
      'EROFS',
    );
    assert.equal(
      codeOf(() => writeDurably(volume.at('vault/0'), Buffer.from('x'))),
      'EROFS',
    );
    const fd = fs.openSync(volume.path, 'r');
    assert.equal(
      codeOf(() => fs.fsyncSync(fd)),
      'EIO',
      'nothing is durable any more',
    );
    assert.throws(() => fs.fsyncSync(fd), { code: 'EIO' }, 'and again, for one line in the log');
    fs.closeSync(fd);
    assert.equal(fs.readFileSync(volume.at('vault/0')).length, 2 * MIB);
    assert.notEqual(runCommand('sh', '-c', `${butterlockCommand()} sync ${volume.path}`).status, 0);
    const { status, stderr } = runCommand('sh', '-c', `${butterlockCommand()} umount ${volume.path}`);
    assert.notEqual(status, 0, 'what was lost is told');
    assert.match(stderr, /no space left/);
    const [readOnly, refused, ended, ...more] = complaints(volume);
    assert.match(readOnly ?? '', /^read-only from now on: .*no space left on device/);
    assert.match(refused ?? '', /^request \d+ on node 1: EIO: .*no space left on device/);
    assert.match(ended ?? '', /^ended: .*no space left on device/);
    assert.deepEqual(more, []);
    assertSound(copyWithoutMarks(volume.image));
  });
});

/** Reads every file: right, or refused. @returns how many are refused, with which codes */
function refusedIn(directory: string): string[] {
  return fs.readdirSync(directory).flatMap((name) => {
    let bytes: Buffer | undefined;
    const code = codeOf(() => {
      bytes = fs.readFileSync(`${directory}/${name}`);
    });
    if (bytes === undefined) return [code];
    assert.ok(bytes.length === 2 * MIB && bytes.every((byte) => byte === Number(name)), `contents of ${name}`);
    return [];
  });
}

for (const kind of ['device', 'file'] as const) {
  test(`a ${kind} that loses its end answers EIO`, requireAbility('fuse', 'loop', 'xfs_io', 'btrfs-progs'), () => {
    const file = temporaryPath('.img');
    fs.writeFileSync(file, '');
    fs.truncateSync(file, 512 * MIB);
    const device = kind === 'device' ? new LoopDevice(file) : undefined;
    if (device === undefined) fs.rmSync(file);
    try {
      const volume = new MountedVolume({ image: device?.path ?? file, size: 512 });
      makeEncryptedDirectory(volume.path, volume.at('vault'), writeKeyFile(14));
      for (let index = 0; index < 60; index++) {
        writeDurably(volume.at(`vault/${index}`), Buffer.alloc(2 * MIB, index));
      }
      fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
      assert.deepEqual(refusedIn(volume.at('vault')), []);
      fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
      if (device === undefined) fs.truncateSync(file, 128 * MIB);
      else device.loseFrom(128 * MIB);
      const refused = refusedIn(volume.at('vault'));
      assert.ok(refused.length > 0 && refused.length < 60, `${refused.length} files are lost`);
      assert.deepEqual([...new Set(refused)], ['EIO']);
      assert.ok(complaints(volume).some((line) => /EIO/.test(line)));
      // Whatever becomes of a write, the server answers and ends.
      codeOf(() => writeDurably(volume.at('vault/new'), Buffer.alloc(8 * MIB)));
      assert.equal(fs.statSync(volume.at('vault/0')).size, 2 * MIB);
      runCommand('sh', '-c', `${butterlockCommand()} umount ${volume.path}`);
      assert.equal(fs.existsSync(volume.at('vault')), false);
      complaints(volume);
    } finally {
      device?.detach();
    }
  });
}

/** Writes files until there is no space left, as fast as it can. */
const FILL = `
  i=0
  while printf %s "$1-$i" | cat - /dev/zero | head -c 300000 > "$2/$1-$i" && sync "$2/$1-$i"; do i=$((i + 1)); done 2>/dev/null
  rm -f "$2/$1-$i"`;

test('many writers fill a volume, make room and fill it again', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
  const volume = new MountedVolume({ size: 160 });
  const vault = volume.at('vault');
  makeEncryptedDirectory(volume.path, vault, writeKeyFile(15));
  for (let round = 0; round < 3; round++) {
    const writers = Array.from({ length: 8 }, (_, writer) => `sh -c '${FILL}' sh ${writer} ${vault} &`);
    mustRun('sh', '-c', `${writers.join('\n')}\nwait`);
    const names = fs.readdirSync(vault);
    assert.ok(names.length > 100, `${names.length} files fit in`);
    for (const name of names) {
      const bytes = fs.readFileSync(`${vault}/${name}`);
      assert.ok(bytes.length === 300_000 && bytes.toString('latin1', 0, name.length) === name, `contents of ${name}`);
    }
    assert.equal(
      codeOf(() => writeDurably(`${vault}/more`, Buffer.alloc(64 * MIB))),
      'ENOSPC',
    );
    fs.rmSync(`${vault}/more`, { force: true });
    for (const name of names) if (round === 2 || name.length % 2 === 0) fs.unlinkSync(`${vault}/${name}`);
  }
  writeDurably(`${vault}/last`, Buffer.alloc(20 * MIB, 1));
  volume.finish();
});
