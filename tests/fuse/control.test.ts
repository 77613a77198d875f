/** What may be asked of a mount, by whom, and what becomes of nonsense. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { CONTROL, CONTROL_SIZE, decodeControl, encodeControl } from '../../src/fuse/control.js';
import { ioctl } from '../../src/fuse/system-calls.js';
import { requireAbility } from '../support/abilities.js';
import { mustRun } from '../support/command.js';
import { butterlock, MAIN, mustButterlock } from '../support/command-line.js';
import { MountedVolume } from '../support/mounted-volume.js';
import { temporaryPath } from '../support/temporary.js';

const USER = 65_534;
const GROUP = 4321;

describe('an ordinary user on a mount of root', requireAbility('fuse', 'setfacl', 'btrfs-progs'), () => {
  let volume: MountedVolume;
  before(async () => {
    volume = new MountedVolume();
    fs.chmodSync(`${volume.path}/..`, 0o755);
    for (const name of ['theirs', 'shared', 'listed', 'own', 'locked']) fs.mkdirSync(volume.at(name));
    fs.chownSync(volume.at('own'), USER, USER);
    fs.chownSync(volume.at('shared'), 0, GROUP);
    fs.chmodSync(volume.at('shared'), 0o775);
    mustRun('setfacl', '-m', `u:${USER}:rwx`, volume.at('listed'));
    fs.chmodSync(volume.at('locked'), 0o744);
    await mustButterlock(['subvolume', 'create', volume.path, '/home', '/shared/other']);
  });
  after(() => volume.finish());

  /** @returns the exit code and what was complained of */
  const asUser = (words: readonly string[], prefix: readonly string[] = []): [number | null, string] => {
    const ids = [`--reuid=${USER}`, `--regid=${USER}`, `--groups=${GROUP}`];
    const command = [...ids, ...prefix, process.execPath, MAIN, ...words];
    const { status, stdout, stderr } = spawnSync('setpriv', command, { encoding: 'utf8', cwd: '/' });
    return [status, stderr === '' ? stdout : stderr];
  };

  test('makes subvolumes where directories can be made', () => {
    for (const place of ['own', 'shared', 'listed']) {
      assert.deepEqual(asUser(['subvolume', 'create', volume.path, `/${place}/sub`]), [0, '']);
      const { uid, gid, mode } = fs.statSync(volume.at(place, 'sub'));
      assert.deepEqual([uid, gid, mode & 0o7777], [USER, USER, 0o777 & ~process.umask()]);
    }
    for (const place of ['theirs', 'locked', '.']) {
      const [status, text] = asUser(['subvolume', 'create', volume.path, `/${place}/sub`]);
      assert.deepEqual([status, /permission/.test(text)], [1, true], place);
    }
  });

  test('makes snapshots of what is his own', () => {
    assert.deepEqual(asUser(['subvolume', 'snapshot', volume.path, '/own/sub', '/own/copy']), [0, '']);
    assert.match(asUser(['subvolume', 'snapshot', volume.path, '/home', '/own/home'])[1], /belongs to somebody else/);
    assert.equal(asUser(['subvolume', 'snapshot', volume.path, '/own/sub', '/theirs/copy'])[0], 1);
  });

  test('looks at what he can reach', () => {
    assert.equal(asUser(['subvolume', 'show', volume.path, '/home'])[0], 0);
    assert.equal(asUser(['info', volume.path])[0], 0);
    assert.equal(asUser(['policy', volume.path, '/home'])[0], 0);
    assert.equal(asUser(['policy', volume.path, '/locked/x'])[0], 1);
    assert.equal(asUser(['sync', volume.path])[0], 0);
  });

  for (const words of [
    ['subvolume', 'delete', '@', '/own/sub'],
    ['subvolume', 'list', '@'],
    ['subvolume', 'set-default', '@', '/own/sub'],
    ['enable-encryption', '@'],
    ['trim', '@'],
  ]) {
    test(`may not: ${words.join(' ')}`, () => {
      const line = words.map((word) => (word === '@' ? volume.path : word));
      for (const prefix of [[], ['unshare', '--user', '--map-root-user']]) {
        const [status, text] = asUser(line, prefix);
        assert.deepEqual([status, /^butterlock: .*(?:administrator|not permitted)/.test(text)], [1, true], text);
      }
    });
  }
});

test('nonsense is refused, and the mount goes on', requireAbility('fuse'), async () => {
  const volume = new MountedVolume();
  fs.writeFileSync(volume.at('file'), '');
  const fd = fs.openSync(volume.path, 'r');
  const ask = (argument: Buffer): unknown => {
    ioctl(fd, CONTROL, argument);
    return decodeControl(argument).error;
  };
  const name = Buffer.from('name');
  const questions: object[] = [
    {},
    { ask: 'nothing' },
    { ask: '__proto__' },
    { ask: 'subvolumes' },
    { ask: 'subvolumes', from: -1 },
    { ask: 'keys', from: 'x' },
    { ask: 'createSubvolume', name: 'text', mode: 0 },
    { ask: 'createSubvolume', name: Buffer.from('..'), mode: 0 },
    { ask: 'createSubvolume', name: Buffer.from('a/b'), mode: 0 },
    { ask: 'createSubvolume', name: Buffer.from('a\0b'), mode: 0 },
    { ask: 'createSubvolume', name, mode: 1.5 },
    { ask: 'snapshot', name, source: 2 ** 60 },
    { ask: 'deleteSubvolume', name: Buffer.alloc(0) },
    { ask: 'deleteSubvolume', name: Buffer.from('file') },
    { ask: 'policy', name: Buffer.from('..') },
    { ask: 'setPolicy', policy: Buffer.alloc(3) },
    { ask: 'enableEncryption', layout: 'none' },
  ];
  for (const question of questions) assert.equal(ask(encodeControl(question)), 'EINVAL', JSON.stringify(question));
  for (const source of [7, 999]) {
    assert.equal(ask(encodeControl({ ask: 'snapshot', name, source })), 'ENOENT');
  }
  for (const text of ['', 'null', '[1', '{"ask":"status"', '\0'.repeat(100)]) {
    const argument = Buffer.alloc(CONTROL_SIZE);
    argument.writeUInt32LE(text.length);
    argument.write(text, 4);
    assert.equal(ask(argument), 'EINVAL', text);
  }
  assert.equal(ask(Buffer.alloc(CONTROL_SIZE, 0xff)), 'EINVAL');
  fs.closeSync(fd);
  assert.equal(await mustButterlock(['subvolume', 'list', volume.path]), '');
  assert.deepEqual(fs.readdirSync(volume.path), ['file']);
  volume.unmount();
});

/** Attributes the kernel may know itself. */
function isAnswered(path: string): boolean {
  try {
    fs.statfsSync(path);
    return true;
  } catch {
    return false;
  }
}

test('what is in no mount, or in a dead one, is one clear error', requireAbility('fuse'), async () => {
  const directory = temporaryPath();
  fs.mkdirSync(directory);
  const commands = [['ls'], ['subvolume', 'list'], ['info'], ['key', 'list'], ['trim'], ['dump-super']];
  for (const place of [directory, '/proc', '/sys', '/dev']) {
    for (const words of commands) {
      const { status, stderr } = await butterlock([...words, place]);
      assert.deepEqual([status, stderr], [1, `butterlock: ${place}: a directory in no mount of butterlock\n`]);
    }
  }
  const volume = new MountedVolume();
  process.kill(volume.server, 'SIGKILL');
  while (isAnswered(volume.path));
  for (const words of commands) {
    const { status, stderr } = await butterlock([...words, volume.path]);
    assert.equal(status, 1);
    assert.match(stderr, /^butterlock: .*: nobody serves this mount any more: unmount it and mount again\n$/);
  }
  await mustButterlock(['umount', volume.path]);
  volume.mount();
  process.kill(volume.server, 'SIGKILL');
  while (isAnswered(volume.path));
  volume.mount();
  assert.equal(await mustButterlock(['ls', volume.path]), '');
  volume.unmount();
  assert.doesNotMatch(fs.readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(volume.path));
});

test('dump-tree and dump-super read the image of a mount', requireAbility('fuse'), async () => {
  const volume = new MountedVolume();
  fs.writeFileSync(volume.at('fresh'), '');
  assert.match(await mustButterlock(['dump-tree', '-t', 'fs', volume.path]), /name: fresh/);
  assert.match(await mustButterlock(['dump-super', volume.at('.')]), new RegExp(`device=${volume.image}`));
  volume.unmount();
});
