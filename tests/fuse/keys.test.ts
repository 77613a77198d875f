/** The keys of a mount by Butterlock's own commands. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { findMount } from '../../src/fuse/kernel-mount.js';
import { createVolume } from '../../src/library/index.js';
import { requireAbility } from '../support/abilities.js';
import { runCommand } from '../support/command.js';
import { butterlock, MAIN, mustButterlock, spawnButterlock } from '../support/command-line.js';
import { MountedVolume, writeKeyFile, xfsIo } from '../support/mounted-volume.js';
import { temporaryPath } from '../support/temporary.js';

const NOBODY = 65_534;

/** Names in a directory, as the kernel shows them. */
const names = (path: string): string[] => fs.readdirSync(path).sort();

test('keys are added, listed and removed', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), async () => {
  const volume = new MountedVolume();
  const [one, other] = [writeKeyFile(1), writeKeyFile(2, 32)];
  const printed = await mustButterlock(['key', 'add', volume.path, one, other]);
  const [identifier = '', second = ''] = printed.trim().split('\n');
  assert.equal(await mustButterlock(['key', 'identifier', one]), `${identifier}\n`);
  assert.match(xfsIo(volume.path, [`enckey_status ${identifier}`]), /Present \(user_count=1, added_by_self\)/);
  const lines = await mustButterlock(['key', 'list', volume.path]);
  assert.equal(lines, [identifier, second].map((id) => `${id} present, added by 1 user, you too\n`).join(''));

  await mustButterlock(['mkdir', volume.path, '/vault']);
  await mustButterlock(['encrypt', volume.path, '/vault', '--key-file', one]);
  fs.mkdirSync(volume.at('vault/directory'));
  fs.writeFileSync(volume.at('vault/directory/name'), 'contents');
  await mustButterlock(['key', 'remove', volume.path, identifier]);
  assert.throws(() => fs.statSync(volume.at('vault/directory')), { code: 'ENOENT' });
  assert.equal(names(volume.at('vault')).length, 1);
  assert.ok(!names(volume.at('vault')).includes('directory'));
  assert.match(xfsIo(volume.path, [`enckey_status ${identifier}`]), /Absent/);
  const locked = await butterlock(['cat', volume.path, '/vault/directory/name']);
  assert.deepEqual(
    [locked.status, /names in \/vault are encrypted.*butterlock key add/.test(locked.stderr)],
    [4, true],
  );

  await mustButterlock(['key', 'add', volume.path, one]);
  assert.equal(fs.readFileSync(volume.at('vault/directory/name'), 'utf8'), 'contents');
  volume.finish();
});

test('a key that is still in use is said to be so', requireAbility('fuse', 'btrfs-progs'), async () => {
  const volume = new MountedVolume();
  const key = writeKeyFile(3);
  fs.chmodSync(volume.path, 0o777);
  fs.chmodSync(`${volume.path}/..`, 0o755);
  fs.chmodSync(key, 0o644);
  await mustButterlock(['key', 'add', volume.path, key]);
  await mustButterlock(['mkdir', volume.path, '/vault']);
  await mustButterlock(['encrypt', volume.path, '/vault', '--key-file', key]);
  const fd = fs.openSync(volume.at('vault/open'), 'w+');
  const busy = await butterlock(['key', 'remove', volume.path, key]);
  assert.deepEqual([busy.status, /open files use it/.test(busy.stderr)], [5, true]);
  assert.match(await mustButterlock(['key', 'list', '--json', volume.path]), /"status": "incompletely removed"/);
  fs.writeSync(fd, 'to the end');
  fs.closeSync(fd);
  await mustButterlock(['key', 'add', volume.path, key]);
  assert.equal(fs.readFileSync(volume.at('vault/open'), 'utf8'), 'to the end');

  const asNobody = (...words: string[]) =>
    runCommand('setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath, MAIN, ...words);
  assert.equal(asNobody('key', 'remove', volume.path, key).status, 1);
  assert.equal(asNobody('key', 'add', volume.path, key).status, 0);
  assert.match(asNobody('key', 'list', volume.path).stdout, /present, added by 2 users, you too/);
  assert.match(asNobody('key', 'remove', '--all-users', volume.path, key).stderr, /only an administrator/);
  const shared = await butterlock(['key', 'remove', volume.path, key]);
  assert.deepEqual([shared.status, /others have added it/.test(shared.stderr)], [5, true]);
  assert.match(await mustButterlock(['key', 'list', volume.path]), /present, added by 1 user\n/);
  await mustButterlock(['key', 'remove', '--all-users', volume.path, key]);
  assert.equal(await mustButterlock(['key', 'list', volume.path]), '');
  volume.finish();
});

test('a key given with --key-file must be there; nothing adds it on the quiet', requireAbility('fuse'), async () => {
  const volume = new MountedVolume();
  const key = writeKeyFile(4);
  await mustButterlock(['mkdir', volume.path, '/vault']);
  for (const words of [
    ['encrypt', volume.path, '/vault'],
    ['ls', volume.path],
  ]) {
    const { status, stderr } = await butterlock([...words, '--key-file', key]);
    assert.deepEqual([status, /the mount does not have this key.*butterlock key add/.test(stderr)], [4, true]);
  }
  assert.equal(await mustButterlock(['key', 'list', volume.path]), '');
  const environment = { BUTTERLOCK_KEY_FILES: key };
  assert.equal(spawnButterlock(['ls', volume.path], { environment }).text, 'vault\n');
  const missing = await butterlock(['key', 'remove', volume.path, key, '0'.repeat(32)]);
  assert.deepEqual([missing.status, missing.stderr.trim().split('\n').length], [1, 2]);
  volume.unmount();
});

test('any number of keys is listed', requireAbility('fuse'), async () => {
  const volume = new MountedVolume();
  const files = Array.from({ length: 150 }, (_value, index) => writeKeyFile(index, 16 + (index % 40)));
  const added = (await mustButterlock(['key', 'add', volume.path, ...files])).trim().split('\n');
  const listed = (await mustButterlock(['key', 'list', volume.path])).trim().split('\n');
  assert.deepEqual(
    listed.map((line) => line.split(' ')[0]),
    [...new Set(added)],
  );
  volume.unmount();
});

test('keys go where the memory of programs cannot be read', requireAbility('fuse', 'xfs_io'), async (context) => {
  const [image, path] = [temporaryPath('.img'), temporaryPath('-mount')];
  createVolume(image, { size: 2 ** 28, extentContext: 'item' }).close();
  fs.mkdirSync(path);
  // From inside a PID namespace the server sees none of the programs outside.
  const command = ['--pid', '--fork', '--kill-child', process.execPath, MAIN, 'mount', '--foreground', image, path];
  const server = spawn('unshare', command, { stdio: 'ignore' });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  context.after(() => {
    server.kill('SIGKILL');
    runCommand('umount', '-l', path);
  });
  while (findMount(path) === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  const key = writeKeyFile(5);
  const { stdout, stderr } = runCommand('sh', '-c', `xfs_io -c add_enckey '${path}' < '${key}'`);
  assert.match(stdout + stderr, /not permitted/);
  await mustButterlock(['key', 'add', path, key]);
  await mustButterlock(['mkdir', path, '/vault']);
  await mustButterlock(['encrypt', path, '/vault', '--key-file', key]);
  await mustButterlock(['write', path, '/vault/name'], { input: 'contents' });
  await mustButterlock(['key', 'remove', path, key]);
  assert.equal((await butterlock(['cat', path, '/vault/name'])).status, 4);
  await mustButterlock(['umount', path]);
  await ended;
});
