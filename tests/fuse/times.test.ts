/** Which times a call changes: as on the kernel's btrfs, and the same after mounting again. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { mustRun } from '../support/command.js';
import { MappedFile } from '../support/file-calls.js';
import { withKernelMount } from '../support/kernel-mount.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile } from '../support/mounted-volume.js';
import { FALLOCATE, fallocate, removeXattr, rename, setXattr } from '../support/system-calls.js';
import { temporaryPath } from '../support/temporary.js';

/** Longer than the clock of a filesystem takes to go on. */
const TICK = '0.03';
const LONG_AGO = 1_000_000_000;
const SIZE = 20_000;

/** Does something to what {@link prepare} has made. */
type Action = (at: (path: string) => string) => void;

const withFile = (path: string, flags: string, use: (fd: number) => void): void => {
  const fd = fs.openSync(path, flags);
  try {
    use(fd);
  } finally {
    fs.closeSync(fd);
  }
};

const ACTIONS: Readonly<Record<string, Action>> = {
  'read a file': (at) => fs.readFileSync(at('file')),
  'list a directory': (at) => fs.readdirSync(at('directory')),
  'read a symlink': (at) => fs.readlinkSync(at('link')),
  'open and close': (at) => withFile(at('file'), 'r+', () => undefined),
  'look up nothing': (at) => fs.existsSync(at('directory/nothing')),
  write: (at) => withFile(at('file'), 'r+', (fd) => fs.writeSync(fd, 'new')),
  'write nothing': (at) => withFile(at('file'), 'r+', (fd) => fs.writeSync(fd, Buffer.alloc(0))),
  append: (at) => fs.appendFileSync(at('file'), 'more'),
  'write mapped': (at) =>
    withFile(at('file'), 'r+', (fd) => {
      const mapped = new MappedFile(fd, SIZE);
      mapped.write(10, Buffer.from('mapped'));
      mapped.close();
    }),
  'truncate by opening': (at) => withFile(at('file'), 'w', () => undefined),
  'truncate an empty file by opening': (at) => withFile(at('empty'), 'w', () => undefined),
  'truncate to less': (at) => fs.truncateSync(at('file'), 5),
  'truncate to more': (at) => fs.truncateSync(at('file'), SIZE * 2),
  'truncate to the same size': (at) => fs.truncateSync(at('file'), SIZE),
  'ftruncate to the same size': (at) => withFile(at('file'), 'r+', (fd) => fs.ftruncateSync(fd, SIZE)),
  preallocate: (at) => withFile(at('file'), 'r+', (fd) => fallocate(fd, 0, 0, SIZE * 2)),
  'preallocate, keep size': (at) =>
    withFile(at('file'), 'r+', (fd) => fallocate(fd, FALLOCATE.KEEP_SIZE, SIZE, SIZE * 2)),
  'punch a hole': (at) =>
    withFile(at('file'), 'r+', (fd) => fallocate(fd, FALLOCATE.KEEP_SIZE | FALLOCATE.PUNCH_HOLE, 0, 8192)),
  chmod: (at) => fs.chmodSync(at('file'), 0o600),
  'chmod to the same': (at) => fs.chmodSync(at('file'), 0o644),
  chown: (at) => fs.chownSync(at('file'), 5, 5),
  utimes: (at) => fs.utimesSync(at('file'), 1_100_000_000, 1_200_000_000),
  'write, then utimes': (at) => {
    fs.writeFileSync(at('file'), 'written');
    fs.utimesSync(at('file'), 1_100_000_000, 1_200_000_000);
  },
  'utimes, then write': (at) => {
    fs.utimesSync(at('file'), 1_100_000_000, 1_200_000_000);
    fs.appendFileSync(at('file'), 'written');
  },
  'futimes on what is being written': (at) =>
    withFile(at('file'), 'r+', (fd) => {
      fs.writeSync(fd, 'written');
      fs.futimesSync(fd, 1_100_000_000, 1_200_000_000);
    }),
  'set an attribute': (at) => setXattr(at('file'), 'user.one', Buffer.from('1')),
  'remove an attribute': (at) => removeXattr(at('file'), 'user.zero'),
  'create a file': (at) => fs.writeFileSync(at('directory/new'), ''),
  'create what is there': (at) => fs.writeFileSync(at('directory/inner'), 'new', { flag: 'r+' }),
  'make a directory': (at) => fs.mkdirSync(at('directory/new')),
  'make a symlink': (at) => fs.symlinkSync('x', at('directory/new')),
  'make a fifo': (at) => mustRun('mkfifo', at('directory/new')),
  link: (at) => fs.linkSync(at('file'), at('directory/new')),
  unlink: (at) => fs.unlinkSync(at('directory/inner')),
  'unlink one of two names': (at) => fs.unlinkSync(at('name')),
  'remove a directory': (at) => fs.rmdirSync(at('hollow')),
  'rename in a directory': (at) => fs.renameSync(at('directory/inner'), at('directory/renamed')),
  'rename into another': (at) => fs.renameSync(at('directory/inner'), at('renamed')),
  'rename over': (at) => fs.renameSync(at('file'), at('name')),
  'rename over a file': (at) => fs.renameSync(at('file'), at('directory/inner')),
  'rename a directory': (at) => fs.renameSync(at('hollow'), at('directory/hollow')),
  exchange: (at) => rename(at('file'), at('directory/inner'), 2),
};

const NAMES = ['.', 'file', 'name', 'empty', 'link', 'directory', 'directory/inner', 'directory/new', 'hollow'];

function prepare(top: string): void {
  fs.mkdirSync(`${top}/directory`, { recursive: true });
  fs.mkdirSync(`${top}/hollow`);
  fs.writeFileSync(`${top}/file`, Buffer.alloc(SIZE, 'contents'), { mode: 0o644 });
  setXattr(`${top}/file`, 'user.zero', Buffer.from('0'));
  fs.writeFileSync(`${top}/name`, '');
  fs.unlinkSync(`${top}/name`);
  fs.writeFileSync(`${top}/twice`, '');
  fs.linkSync(`${top}/twice`, `${top}/name`);
  fs.writeFileSync(`${top}/empty`, '');
  fs.writeFileSync(`${top}/directory/inner`, 'inner');
  fs.symlinkSync('nowhere', `${top}/link`);
  for (const name of [...NAMES].reverse()) {
    const path = `${top}/${name}`;
    if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) fs.lutimesSync(path, LONG_AGO, LONG_AGO);
  }
}

/** Nanoseconds. Looking is an access, so access times have a test of their own. */
type Times = Readonly<Record<'mtime' | 'ctime', bigint>>;

/** Of every inode below `top` and its own, by number: names change. */
function timesBelow(top: string): Map<bigint, Times> {
  const found = new Map<bigint, Times>();
  for (const name of ['.', ...fs.readdirSync(top, { recursive: true, encoding: 'utf8' })]) {
    const { ino, mtimeNs, ctimeNs } = fs.lstatSync(`${top}/${name}`, { bigint: true });
    found.set(ino, { mtime: mtimeNs, ctime: ctimeNs });
  }
  return found;
}

/** What each action changes, by the names from before it: `write: file mtime ctime`. */
function effectsIn(top: string): string[] {
  return Object.entries(ACTIONS).flatMap(([what, act]) => {
    const place = `${top}/${what}`;
    prepare(place);
    mustRun('sleep', TICK);
    const names = NAMES.filter((name) => fs.lstatSync(`${place}/${name}`, { throwIfNoEntry: false }) !== undefined);
    const inos = names.map((name) => fs.lstatSync(`${place}/${name}`, { bigint: true }).ino);
    const before = timesBelow(place);
    act((path) => `${place}/${path}`);
    const after = timesBelow(place);
    return names.map((name, index) => `${what}: ${name} ${changed(before, after, inos[index] ?? 0n)}`);
  });
}

function changed(before: Map<bigint, Times>, after: Map<bigint, Times>, ino: bigint): string {
  const [old, now] = [before.get(ino), after.get(ino)];
  if (old === undefined || now === undefined) return 'gone';
  return (['mtime', 'ctime'] as const).filter((time) => old[time] !== now[time]).join(' ');
}

function kernelEffects(): string[] {
  const image = temporaryPath('.img');
  mustRun('truncate', '-s', '512M', image);
  mustRun('mkfs.btrfs', '-q', image);
  return withKernelMount(image, {}, effectsIn);
}

const abilities = requireAbility('fuse', 'xfs_io', 'btrfs-progs', 'kernel-btrfs');

test('calls change the times that they change on btrfs, and those last', abilities, () => {
  const wanted = kernelEffects();
  const volume = new MountedVolume({ options: ['--allow-other', '--commit', '1'] });
  const keyFile = writeKeyFile(10);
  const tops = [volume.at('plain'), volume.at('vault')];
  fs.mkdirSync(volume.at('plain'));
  makeEncryptedDirectory(volume.path, volume.at('vault'), keyFile);
  for (const top of tops) assert.deepEqual(effectsIn(top), wanted, top);
  const before = tops.map(timesBelow);
  fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
  assert.deepEqual(tops.map(timesBelow), before, 'after the kernel has forgotten');
  volume.remount();
  addKey(volume.path, keyFile);
  assert.deepEqual(tops.map(timesBelow), before, 'after mounting again');
  volume.finish();
});

test('access times are kept as relatime keeps them', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const path = volume.at('file');
  fs.writeFileSync(path, 'contents');
  const accessTime = (): number => fs.statSync(path).atimeMs / 1000;
  const readFromServer = (): void => {
    fs.writeFileSync('/proc/sys/vm/drop_caches', '3');
    fs.readFileSync(path);
  };
  fs.utimesSync(path, LONG_AGO, LONG_AGO);
  readFromServer();
  const first = accessTime();
  assert.ok(first > LONG_AGO, 'it was older than the last change');
  mustRun('sleep', TICK);
  readFromServer();
  assert.equal(accessTime(), first, 'it is younger than the last change, and than a day');
  fs.appendFileSync(path, 'more');
  readFromServer();
  const second = accessTime();
  assert.ok(second > first, 'it was older than the last change');
  volume.remount();
  assert.equal(accessTime(), second);
  volume.unmount();
  volume.mount('--no-atime');
  fs.utimesSync(path, LONG_AGO, LONG_AGO);
  readFromServer();
  assert.equal(accessTime(), LONG_AGO);
  volume.finish();
});
