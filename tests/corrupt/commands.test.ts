/**
 * The command line given what it cannot use: one line that says why, an exit code other than zero,
 * within seconds, and not a byte of the image changed.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { requireAbility } from '../support/abilities.js';
import { deviceToFile } from '../support/device-files.js';
import { choices, damageField } from '../support/hostile/damage.js';
import { anatomyOf } from '../support/hostile/metadata.js';
import { answerTo, assertRefused } from '../support/hostile/refusal.js';
import { KEY, overlayOf, ownSubject } from '../support/hostile/subjects.js';
import { randomRuns } from '../support/random-runs.js';
import { copySparseFile } from '../support/sparse.js';
import { temporaryDirectory, temporaryPath } from '../support/temporary.js';

const IMAGE = deviceToFile(ownSubject('item').base);
const LONG_NAME = 'n'.repeat(256);

function fifo(): string {
  const path = temporaryPath('.fifo');
  assert.equal(spawnSync('mkfifo', [path]).status, 0);
  return path;
}

function keyFile(key: Uint8Array): string {
  const path = temporaryPath('.key');
  writeFileSync(path, key, { mode: 0o600 });
  return path;
}

function fileOf(bytes: Uint8Array | string): string {
  const path = temporaryPath('.img');
  writeFileSync(path, bytes);
  return path;
}

const RIGHT_KEY = keyFile(KEY);

test('keys that do not fit', async () => {
  const encrypted = (key: string): string[] => ['cat', IMAGE, '/vault/file1', '--key-file', key];
  assert.equal((await answerTo(encrypted(RIGHT_KEY))).status, 0);
  await assertRefused(encrypted(keyFile(Buffer.alloc(64, 1))), IMAGE);
  for (const length of [0, 5, 15, 65, 100_000]) await assertRefused(encrypted(keyFile(Buffer.alloc(length, 1))), IMAGE);
  await assertRefused(encrypted(temporaryPath('.key')), IMAGE);
  await assertRefused(encrypted(temporaryDirectory()), IMAGE);
  await assertRefused(['cat', IMAGE, '/vault/file1'], IMAGE, {
    environment: { BUTTERLOCK_KEY_FILES: '/nowhere:/at/all' },
  });
});

test('paths that do not exist', async () => {
  const calls: string[][] = [
    ['ls', '/no/such'],
    ['stat', '/plain/none'],
    ['cat', '/plain/none'],
    ['readlink', '/plain/file1'],
    ['get', '/plain/none', temporaryPath()],
    ['write', '/none/file'],
    ['mkdir', '/none/directory'],
    ['rm', '/plain/none'],
    ['rmdir', '/plain/none'],
    ['mv', '/plain/none', '/plain/other'],
    ['cp', '/plain/none', '/plain/other'],
    ['chown', '0:0', '/plain/none'],
    ['chmod', '600', '/plain/none'],
    ['xattr', 'get', '/plain/file1', 'user.none'],
    ['subvolume', 'delete', '/plain'],
    ['subvolume', 'show', '/none'],
    ['dump-tree', '-t', '4711'],
  ];
  for (const [command = '', ...words] of calls) {
    const isGroup = command === 'xattr' || command === 'subvolume';
    const [first = '', ...rest] = words;
    await assertRefused(isGroup ? [command, first, IMAGE, ...rest] : [command, IMAGE, ...words], IMAGE);
  }
});

test('names that are too long, values that are no values', async () => {
  await assertRefused(['mkdir', IMAGE, `/plain/${LONG_NAME}`], IMAGE);
  await assertRefused(['write', IMAGE, `/plain/${LONG_NAME}`], IMAGE);
  await assertRefused(['mkdir', IMAGE, `/vault/${LONG_NAME}`, '--key-file', RIGHT_KEY], IMAGE);
  await assertRefused(['mkdir', IMAGE, `/${'deep/'.repeat(1000)}`], IMAGE);
  await assertRefused(['truncate', IMAGE, '/plain/file1', '-s', '-5'], IMAGE);
  await assertRefused(['truncate', IMAGE, '/plain/file1', '-s', '16E'], IMAGE);
  await assertRefused(['write', IMAGE, '/plain/file1', '--offset', '9007199254740993'], IMAGE);
});

test('volumes that cannot be made', async () => {
  for (const size of ['0', '1M', '100000000000000000T', 'much']) {
    const path = temporaryPath('.img');
    await assertRefused(['create', path, '--size', size]);
    assert.ok(!existsSync(path) || readFileSync(path).every((byte) => byte === 0), `size ${size} leaves no volume`);
  }
  await assertRefused(['create', IMAGE, '--size', '256M'], IMAGE);
  await assertRefused(['create', temporaryPath('.img'), '--size', '256M', '--csum', 'md5']);
  await assertRefused(['create', temporaryPath('.img'), '--size', '256M', '--nodesize', '5000']);
  await assertRefused(['create', '/no/such/directory/x.img', '--size', '256M']);
});

test('what is no image', async () => {
  const random = createHash('sha512').update('noise').digest();
  const files = [fileOf(''), fileOf('x'), fileOf(Buffer.alloc(4096, random)), fileOf(Buffer.alloc(2 ** 21, random))];
  for (const path of files) {
    for (const words of [['info'], ['ls', '-R'], ['write', '/file']]) {
      const [command = '', ...rest] = words;
      const args = command === 'ls' ? [command, '-R', path] : [command, path, ...rest];
      await assertRefused(args, path);
    }
  }
  for (const path of [temporaryDirectory(), temporaryPath('.img'), '/dev/null', fifo()]) {
    await assertRefused(['info', path], undefined, { apart: true });
    await assertRefused(['write', path, '/file'], undefined, { apart: true });
  }
});

test('images cut short', async () => {
  for (const size of [65536, 70_000, 2 ** 20, 20 * 2 ** 20, 127 * 2 ** 20]) {
    const path = temporaryPath('.img');
    copySparseFile(IMAGE, path);
    truncateSync(path, size);
    await assertRefused(['ls', '-R', path], path);
    await assertRefused(['write', path, '/plain/new'], path, { input: 'text' });
  }
});

test('an image without permission', requireAbility('root'), async () => {
  const directory = temporaryPath();
  mkdirSync(directory, { mode: 0o755 });
  const path = temporaryPath('.img');
  copySparseFile(IMAGE, path);
  chmodSync(path, 0o600);
  await assertRefused(['info', path], path, { uid: 65534 });
  chmodSync(path, 0o644);
  await assertRefused(['write', path, '/plain/file1'], path, { uid: 65534 });
});

test('volumes damaged under right checksums', async () => {
  const subject = ownSubject('item');
  const anatomy = anatomyOf(subject.base);
  const { numRuns, seed } = randomRuns(25);
  for (const chosen of fc.sample(choices(), { numRuns, seed })) {
    const device = overlayOf(subject);
    const done = damageField(device, anatomy, chosen);
    const path = deviceToFile(device);
    const calls = [
      ['ls', '-R', '--sha256', path],
      ['get', '-r', path, '/', temporaryPath()],
      ['write', path, '/plain/new'],
      ['rm', '-r', path, '/vault'],
    ];
    for (const words of calls) {
      const { status, stderr } = await answerTo([...words, '--key-file', RIGHT_KEY], { input: 'text' });
      const what = `${words[0]} after ${done}: ${stderr}`;
      assert.equal(typeof status, 'number', what);
      assert.doesNotMatch(stderr, /internal error|invariant|\n {4}at /, what);
      for (const line of stderr.split('\n').slice(0, -1)) assert.match(line, /^butterlock: /, what);
    }
  }
});
