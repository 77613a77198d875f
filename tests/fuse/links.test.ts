/** Directories count their links as programs know it from elsewhere, though btrfs keeps a count of one on disk. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { askMount } from '../../src/fuse/index.js';
import { requireAbility } from '../support/abilities.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile } from '../support/mounted-volume.js';

/** What `find` relies on: two links more than directories in it, in every directory of a tree. */
function assertCounted(directory: string): void {
  const inside = fs.readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.equal(fs.statSync(directory).nlink, 2 + inside.length, directory);
  for (const { name } of inside) assertCounted(`${directory}/${name}`);
}

const STEPS: Readonly<Record<string, (top: string) => void>> = {
  'make directories': (top) => {
    for (const name of ['a', 'a/b', 'a/c', 'a/c/d', 'e']) fs.mkdirSync(`${top}/${name}`);
  },
  'make others': (top) => {
    fs.writeFileSync(`${top}/a/file`, '');
    fs.symlinkSync('b', `${top}/a/link`);
    fs.linkSync(`${top}/a/file`, `${top}/e/file`);
  },
  'move to another directory': (top) => fs.renameSync(`${top}/a/c`, `${top}/e/c`),
  'move within a directory': (top) => fs.renameSync(`${top}/a/b`, `${top}/a/renamed`),
  'move over an empty one': (top) => {
    fs.mkdirSync(`${top}/a/empty`);
    fs.renameSync(`${top}/e/c/d`, `${top}/a/empty`);
  },
  remove: (top) => fs.rmdirSync(`${top}/a/renamed`),
  'remove a file': (top) => fs.unlinkSync(`${top}/a/file`),
};

test('directories count one link for each directory in them', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const keyFile = writeKeyFile(31);
  fs.mkdirSync(volume.at('plain'));
  makeEncryptedDirectory(volume.path, volume.at('vault'), keyFile);
  for (const step of Object.values(STEPS)) {
    for (const name of ['plain', 'vault']) step(volume.at(name));
    assertCounted(volume.path);
  }
  askMount(volume.path, 'createSubvolume', { name: Buffer.from('sub'), mode: 0o755 });
  assertCounted(volume.path);
  askMount(volume.path, 'deleteSubvolume', { name: Buffer.from('sub') });
  assertCounted(volume.path);
  volume.remount();
  assertCounted(volume.path);
  addKey(volume.path, keyFile);
  assertCounted(volume.path);
  volume.finish();
});

test('very large directories are not counted', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  fs.mkdirSync(volume.at('large'));
  for (let index = 0; index < 4097; index++) fs.writeFileSync(volume.at('large', `${index}`), '');
  volume.remount();
  assert.equal(fs.statSync(volume.at('large')).nlink, 1);
  fs.mkdirSync(volume.at('large/directory'));
  assert.equal(fs.statSync(volume.at('large')).nlink, 1);
  for (const name of ['0', '1']) fs.unlinkSync(volume.at('large', name));
  volume.remount();
  assert.equal(fs.statSync(volume.at('large')).nlink, 3);
  volume.finish();
});

test('a removed directory that is open has no link', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  fs.mkdirSync(volume.at('directory'));
  const fd = fs.openSync(volume.at('directory'), 'r');
  fs.rmdirSync(volume.at('directory'));
  assert.equal(fs.fstatSync(fd).nlink, 0);
  fs.closeSync(fd);
  volume.finish();
});
