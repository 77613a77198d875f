/** Subvolumes of a mounted volume: made, listed and deleted while programs use what is in them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { constants } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import { MountedFs } from '../../src/cli/mounted/mounted-fs.js';
import { requireAbility } from '../support/abilities.js';
import { runCommand } from '../support/command.js';
import { butterlock, mustButterlock } from '../support/command-line.js';
import { ModelFilesystem } from '../support/model.js';
import { assertSameState, modelSteps } from '../support/model-steps.js';
import { MountedVolume } from '../support/mounted-volume.js';
import { NativeFilesystem } from '../support/native-filesystem.js';
import { randomRuns } from '../support/random-runs.js';

const { ESTALE, ENOENT } = constants.errno;
const needs = requireAbility('fuse', 'btrfs-progs');
/** A descriptor of a file that is not open: Node has no name for the flag. */
const O_PATH = 0o10_000_000;

test('a snapshot holds what programs have written, synced or not', needs, async () => {
  const volume = new MountedVolume();
  await mustButterlock(['subvolume', 'create', volume.path, '/home']);
  const fd = fs.openSync(volume.at('home/file'), 'w');
  const bytes = Buffer.alloc(5_000_000, 'written ');
  fs.writeSync(fd, bytes);
  await mustButterlock(['subvolume', 'snapshot', '-r', volume.path, '/home', '/monday']);
  assert.ok(fs.readFileSync(volume.at('monday/file')).equals(bytes));
  fs.writeSync(fd, 'after');
  fs.closeSync(fd);
  assert.equal(fs.statSync(volume.at('monday/file')).size, bytes.length);
  for (const flags of ['w', 'r+', 'a'])
    assert.throws(() => fs.openSync(volume.at('monday/file'), flags), { code: 'EROFS' });
  volume.finish();
});

test('a subvolume with open files is not deleted', needs, async () => {
  const volume = new MountedVolume();
  await mustButterlock(['subvolume', 'create', volume.path, '/sub']);
  const fd = fs.openSync(volume.at('sub/file'), 'w+');
  fs.writeSync(fd, 'kept');
  const refused = await butterlock(['subvolume', 'delete', volume.path, '/sub']);
  assert.deepEqual([refused.status, refused.stderr], [1, 'butterlock: /sub: subvolume 256 has open files\n']);
  fs.writeSync(fd, ' alive');
  fs.fsyncSync(fd);
  assert.equal(fs.readFileSync(volume.at('sub/file'), 'utf8'), 'kept alive');
  fs.closeSync(fd);
  // The kernel tells of the closing a moment later.
  for (let tries = 0; tries < 100 && fs.existsSync(volume.at('sub')); tries++)
    await butterlock(['subvolume', 'delete', volume.path, '/sub']);
  assert.deepEqual(fs.readdirSync(volume.path), []);
  volume.finish();
});

test('who works in a deleted subvolume, and what takes its id, never meet', needs, async (context) => {
  const volume = new MountedVolume();
  await mustButterlock(['subvolume', 'create', volume.path, '/sub']);
  await mustButterlock(['mkdir', volume.path, '/sub/directory']);
  fs.writeFileSync(volume.at('sub/directory/file'), 'old');
  const directory = fs.openSync(volume.at('sub/directory'), 'r');
  const shell = spawn('sh', ['-c', 'read go; echo new > file; ls -a; cat file; pwd -P'], {
    cwd: volume.at('sub/directory'),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  context.after(() => shell.kill());
  fs.readdirSync(volume.at('sub/directory'));
  await mustButterlock(['subvolume', 'delete', volume.path, '/sub']);
  assert.throws(() => fs.statSync(volume.at('sub/directory/file')), { code: 'ENOENT' });
  await mustButterlock(['subvolume', 'create', volume.path, '/next']);
  assert.match(await mustButterlock(['subvolume', 'list', volume.path]), /^ID 256 .* path next\n$/);
  fs.mkdirSync(volume.at('next/directory'));
  fs.writeFileSync(volume.at('next/directory/file'), 'theirs');

  const inDeleted = `/proc/self/fd/${directory}`;
  for (const attempt of [
    () => fs.readdirSync(inDeleted),
    () => fs.writeFileSync(`${inDeleted}/file`, 'mine'),
    () => fs.readFileSync(`${inDeleted}/file`),
    () => fs.fchmodSync(directory, 0o700),
  ]) {
    assert.throws(attempt, ({ errno }: NodeJS.ErrnoException) => errno === -ESTALE || errno === -ENOENT);
  }
  fs.closeSync(directory);
  let output = '';
  for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (text) => (output += text));
  const ended = new Promise((resolve) => shell.once('close', resolve));
  shell.stdin.end('go\n');
  await ended;
  assert.doesNotMatch(output, /theirs|old/);
  assert.equal(fs.readFileSync(volume.at('next/directory/file'), 'utf8'), 'theirs');
  volume.finish();
});

test('rmdir of an empty subvolume leaves nothing behind either', needs, async () => {
  const volume = new MountedVolume();
  await mustButterlock(['subvolume', 'create', volume.path, '/sub']);
  const top = fs.openSync(volume.at('sub'), 'r');
  fs.rmdirSync(volume.at('sub'));
  await mustButterlock(['subvolume', 'create', volume.path, '/next']);
  fs.writeFileSync(volume.at('next/file'), 'theirs');
  assert.throws(() => fs.readFileSync(`/proc/self/fd/${top}/file`));
  fs.closeSync(top);
  volume.finish();
});

test('any number of subvolumes is listed, with paths of any length', needs, async () => {
  const volume = new MountedVolume();
  const names = Array.from({ length: 60 }, (_value, index) => `/${String(index).padStart(200, 'n')}`);
  await mustButterlock(['subvolume', 'create', volume.path, ...names]);
  const deep = Array.from({ length: 15 }, () => 'd'.repeat(250)).join('/');
  await mustButterlock(['mkdir', '-p', volume.path, deep]);
  await mustButterlock(['subvolume', 'create', volume.path, `${deep}/last`]);
  const listed = await mustButterlock(['subvolume', 'list', '--json', volume.path]);
  assert.equal(listed.trim().split('\n').length, 62);
  assert.equal(listed, await mustButterlock(['subvolume', 'list', '--json', volume.image]));
  volume.finish();
});

test('the placeholder of a missing subvolume can be looked at and removed', needs, async () => {
  const volume = new MountedVolume();
  await mustButterlock(['subvolume', 'create', volume.path, '/inner']);
  await mustButterlock(['subvolume', 'snapshot', volume.path, '/', '/whole']);
  const placeholder = volume.at('whole/inner');
  assert.deepEqual(fs.readdirSync(placeholder), []);
  assert.throws(() => fs.writeFileSync(`${placeholder}/file`, ''), { code: 'EPERM' });
  assert.notEqual(runCommand('chattr', '+d', placeholder).status, 0);
  fs.utimesSync(volume.at('whole'), 1, 2);
  fs.rmdirSync(placeholder);
  volume.finish();
});

test('what was removed in a subvolume, and the kernel knows still, does not keep it', needs, () => {
  const volume = new MountedVolume();
  const whole = new MountedFs(volume.path);
  for (const remove of [() => fs.rmdirSync(volume.at('sub')), () => whole.deleteSubvolumeSync('sub')]) {
    whole.createSubvolumeSync('sub');
    fs.writeFileSync(volume.at('sub/file'), 'contents');
    fs.mkdirSync(volume.at('sub/directory'));
    const known = ['file', 'directory'].map((name) => fs.openSync(volume.at('sub', name), O_PATH));
    fs.unlinkSync(volume.at('sub/file'));
    fs.rmdirSync(volume.at('sub/directory'));
    remove();
    assert.deepEqual(fs.readdirSync(volume.path), []);
    for (const fd of known) fs.closeSync(fd);
  }
  whole.createSubvolumeSync('sub');
  const open = fs.openSync(volume.at('sub/file'), 'w+');
  fs.unlinkSync(volume.at('sub/file'));
  assert.throws(() => fs.rmdirSync(volume.at('sub')), { code: 'EBUSY' });
  fs.writeSync(open, 'still usable');
  fs.closeSync(open);
  whole.close();
  volume.finish();
});

/** A directory of a mount, with Butterlock's commands for subvolumes. */
class MountedFilesystem extends NativeFilesystem {
  private readonly commands: MountedFs;

  constructor(top: string) {
    super(top);
    this.commands = new MountedFs(top);
  }

  override createSubvolume(path: string): void {
    this.commands.createSubvolumeSync(path);
  }

  /** In read-only ones a mount does not check things in the same order: the kernel does not know of them. */
  override snapshot(source: string, path: string): void {
    this.commands.snapshotSync(source, path);
  }

  override deleteSubvolume(path: string): void {
    this.commands.deleteSubvolumeSync(path);
  }

  close(): void {
    this.commands.close();
  }
}

class WritableModel extends ModelFilesystem {
  override snapshot(source: string, path: string): void {
    super.snapshot(source, path, false);
  }
}

test('random operations with subvolumes among them', needs, async () => {
  const volume = new MountedVolume();
  const whole = new MountedFs(volume.path);
  let runs = 0;
  fc.assert(
    fc.property(fc.commands(modelSteps({ clones: false }), { maxCommands: 60, size: 'max' }), (steps) => {
      runs += 1;
      const top = volume.at(`run${runs}`);
      whole.createSubvolumeSync(`run${runs}`);
      const [model, real] = [new WritableModel({ countsLinks: true }), new MountedFilesystem(top)];
      try {
        fc.modelRun(() => ({ model, real }), steps);
        assertSameState(real, model);
      } finally {
        real.close();
      }
    }),
    randomRuns(20),
  );
  whole.close();
  volume.finish();
});
