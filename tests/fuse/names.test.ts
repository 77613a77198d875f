/** Names of all lengths and bytes, shown and hidden. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { mustRun } from '../support/command.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile, xfsIo } from '../support/mounted-volume.js';

const LONGEST = 255;

/** Every byte that can be in a name, and names that are alike up to their end. */
const NAMES: readonly Buffer[] = [
  ...Array.from({ length: 255 }, (_, index) => Buffer.of(index + 1)).filter((name) => !'./'.includes(`${name}`)),
  ...[...Array(40).keys()].map((length) => Buffer.alloc(length + 3, 'n')),
  ...[0, 1, 0xff].map((last) => Buffer.concat([Buffer.alloc(LONGEST - 1, 'long'), Buffer.of(last || 2)])),
  Buffer.alloc(LONGEST, 0xff),
  Buffer.alloc(LONGEST, ' '),
  ...[
    '...',
    ' .',
    '. ',
    'line\nbreak',
    'größer',
    'A',
    'a'.repeat(149),
    'a'.repeat(150),
    '\u{1f512}',
    '-rf *',
    '%s%n',
  ].map((name) => Buffer.from(name)),
];

function pathOf(directory: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${directory}/`), name]);
}

function listed(directory: string): string[] {
  return fs
    .readdirSync(directory, { encoding: 'buffer' })
    .map((name) => name.toString('hex'))
    .sort();
}

const unique = [...new Map(NAMES.map((name) => [name.toString('hex'), name])).values()];
const wanted = unique.map((name) => name.toString('hex')).sort();

for (const kind of ['plain', 'encrypted'] as const) {
  test(`names of all bytes and lengths, ${kind}`, requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
    const volume = new MountedVolume();
    const keyFile = writeKeyFile(18);
    const directory = volume.at('directory');
    if (kind === 'plain') fs.mkdirSync(directory);
    else makeEncryptedDirectory(volume.path, directory, keyFile);
    for (const name of unique) fs.writeFileSync(pathOf(directory, name), name, { flag: 'wx' });
    assert.deepEqual(listed(directory), wanted);
    const tooLong = pathOf(directory, Buffer.alloc(LONGEST + 1, 'n'));
    const [first = Buffer.of()] = unique;
    const calls: Record<string, () => void> = {
      open: () => fs.writeFileSync(tooLong, ''),
      mkdir: () => fs.mkdirSync(tooLong),
      symlink: () => fs.symlinkSync('x', tooLong),
      link: () => fs.linkSync(pathOf(directory, first), tooLong),
      rename: () => fs.renameSync(pathOf(directory, first), tooLong),
      stat: () => fs.statSync(tooLong),
      unlink: () => fs.unlinkSync(tooLong),
    };
    for (const [what, call] of Object.entries(calls)) assert.throws(call, { code: 'ENAMETOOLONG' }, what);
    assert.throws(() => fs.statSync(`${directory}${'/.'.repeat(2100)}`), { code: 'ENAMETOOLONG' }, 'a path too long');
    volume.remount();
    if (kind === 'encrypted') addKey(volume.path, keyFile);
    assert.deepEqual(listed(directory), wanted);
    for (const name of unique) assert.deepEqual(fs.readFileSync(pathOf(directory, name)), name);
    for (const name of unique) fs.unlinkSync(pathOf(directory, name));
    assert.deepEqual(listed(directory), []);
    volume.finish();
  });
}

test('every name has a form of its own without the key', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const keyFile = writeKeyFile(19);
  const directory = volume.at('directory');
  const identifier = makeEncryptedDirectory(volume.path, directory, keyFile);
  for (const name of unique) fs.writeFileSync(pathOf(directory, name), '');
  const inos = new Set(unique.map((name) => fs.statSync(pathOf(directory, name)).ino));
  xfsIo(volume.path, [`rm_enckey ${identifier}`]);
  const hidden = fs.readdirSync(directory);
  assert.equal(new Set(hidden).size, unique.length);
  for (const name of hidden) {
    assert.match(name, /^[\w-]{1,252}$/);
    assert.ok(inos.delete(fs.statSync(`${directory}/${name}`).ino), name);
  }
  for (const name of hidden) {
    const changed = `${name[0] === 'A' ? 'B' : 'A'}${name.slice(1)}`;
    assert.throws(() => fs.statSync(`${directory}/${changed}`), { code: 'ENOENT' }, 'a name that is nobody’s');
  }
  for (const name of hidden.slice(0, 100)) fs.unlinkSync(`${directory}/${name}`);
  assert.equal(fs.readdirSync(directory).length, unique.length - 100);
  addKey(volume.path, keyFile);
  const left = listed(directory);
  assert.equal(left.length, unique.length - 100);
  assert.ok(left.every((name) => wanted.includes(name)));
  volume.finish();
});

test('directories nest deeper than a path can say', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  makeEncryptedDirectory(volume.path, volume.at('vault'), writeKeyFile(21));
  const name = 'd'.repeat(200);
  mustRun(
    'sh',
    '-ec',
    `cd ${volume.at('vault')}; for i in $(seq 60); do mkdir ${name}; cd -P ${name}; done; echo x > end`,
  );
  const depth = mustRun('sh', '-ec', `cd ${volume.at('vault')} && find . -name end -printf '%d'`);
  assert.equal(depth, '61');
  mustRun('rm', '-r', volume.at('vault', name));
  volume.finish();
});

test('targets of symlinks have any length up to the limit', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const keyFile = writeKeyFile(22);
  makeEncryptedDirectory(volume.path, volume.at('vault'), keyFile);
  fs.mkdirSync(volume.at('plain'));
  const limits = { plain: 4095, vault: 4094 };
  const targets = new Map<string, string>();
  for (const [directory, limit] of Object.entries(limits)) {
    for (const length of [1, 15, 16, 17, 31, 32, 33, 255, 256, 1000, 3900, limit]) {
      const path = volume.at(directory, `${length}`);
      fs.symlinkSync('t'.repeat(length), path);
      targets.set(path, 't'.repeat(length));
    }
    assert.throws(() => fs.symlinkSync('t'.repeat(limit + 1), volume.at(directory, 'x')), { code: 'ENAMETOOLONG' });
    assert.throws(() => fs.symlinkSync('', volume.at(directory, 'x')), { code: 'ENOENT' });
  }
  volume.remount();
  addKey(volume.path, keyFile);
  for (const [path, target] of targets) {
    assert.equal(fs.readlinkSync(path), target);
    assert.equal(fs.lstatSync(path).size, target.length);
  }
  // With its marks cleared, btrfs check takes the longest one for file data, of which less than a sector is inline.
  fs.unlinkSync(volume.at('vault', `${limits.vault}`));
  volume.finish();
});
