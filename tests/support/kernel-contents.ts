/** What tests have the kernel write into a mounted volume: each function fills an empty directory. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { mustRun } from './command.js';
import { ModelFilesystem } from './model.js';
import { modelSteps, patternBytes } from './model-steps.js';
import { NativeFilesystem } from './native-filesystem.js';
import { randomRuns } from './random-runs.js';
import { cloneRange, FALLOCATE, fallocate, mkfifo, setXattr } from './system-calls.js';

/** Fills the directory, the top of a mounted volume. */
export type Fill = (top: string) => void;

const SECTOR = 4096;
const GIB = 2 ** 30;

function withFile(path: string, use: (fd: number) => void): void {
  const fd = fs.openSync(path, 'a+');
  fs.closeSync(fd);
  const writable = fs.openSync(path, 'r+');
  try {
    use(writable);
  } finally {
    fs.closeSync(writable);
  }
}

function writeAt(path: string, ...pieces: readonly (readonly [position: number, bytes: Uint8Array])[]): void {
  withFile(path, (fd) => {
    for (const [position, bytes] of pieces) fs.writeSync(fd, bytes, 0, bytes.length, position);
  });
}

/** Sizes around the edges of inline data, sectors and extents; bytes that compress and bytes that do not. */
export const sizes: Fill = (top) => {
  for (const size of [0, 1, 100, 2047, 2048, 2049, 4095, 4096, 4097, 70_000, 131_072, 131_073, 1_000_000]) {
    fs.writeFileSync(join(top, `random ${size}`), patternBytes(size, size));
    fs.writeFileSync(join(top, `repeated ${size}`), Buffer.alloc(size, 'butter and lock, '));
    fs.writeFileSync(join(top, `zero ${size}`), Buffer.alloc(size));
  }
};

/** Every kind of inode, odd names, attributes, times and hard links. */
export const kinds: Fill = (top) => {
  const at = (...names: string[]): string => join(top, ...names);
  fs.mkdirSync(at('directory', 'below', 'further below'), { recursive: true });
  fs.writeFileSync(at('directory', 'file'), 'contents');
  fs.symlinkSync('directory/file', at('symlink'));
  fs.symlinkSync('x'.repeat(3000), at('long symlink'));
  mkfifo(at('fifo'), 0o640);
  mustRun('mknod', at('block device'), 'b', '7', '300');
  mustRun('mknod', at('character device'), 'c', '511', '1048575');
  for (const name of ['größer', 'n'.repeat(255), ' ', 'new\nline', '\\', '💾']) fs.writeFileSync(at(name), name);
  fs.writeFileSync(Buffer.concat([Buffer.from(`${top}/`), Buffer.of(0xff, 0xfe, 0x80)]), 'no UTF-8');
  fs.linkSync(at('directory', 'file'), at('second name'));
  fs.linkSync(at('directory', 'file'), at('directory', 'below', 'third name'));
  fs.chmodSync(at('directory', 'file'), 0o4751);
  fs.chownSync(at('directory'), 1234, 4_000_000_000);
  fs.utimesSync(at('directory', 'below'), 1, -5);
  setXattr(at('directory'), 'user.one', Buffer.from('value'));
  setXattr(at('directory', 'file'), 'user.large', patternBytes(3, 3000));
  setXattr(at('directory', 'file'), 'user.empty', Buffer.alloc(0));
  setXattr(at('symlink'), 'trusted.on a symlink', Buffer.from('x'));
  mustRun('setfacl', '-m', 'u:1000:rwx,d:u:1001:r', at('directory', 'below'));
};

/** Holes, preallocation, overwrites in written and preallocated extents, truncation. */
export const ranges: Fill = (top) => {
  const at = (name: string): string => join(top, name);
  writeAt(at('hole before and after'), [100_000, patternBytes(1, 5000)]);
  fs.truncateSync(at('hole before and after'), 300_001);
  writeAt(at('overwritten'), [0, patternBytes(2, 200_000)]);
  withFile(at('preallocated'), (fd) => fallocate(fd, 0, 0, 1_000_000));
  withFile(at('preallocated beyond its end'), (fd) => fallocate(fd, FALLOCATE.KEEP_SIZE, 0, 500_000));
  writeAt(at('punched'), [0, patternBytes(4, 200_000)]);
  mustRun('sync', '-f', top);
  writeAt(at('overwritten'), [50_000, patternBytes(3, 10_000)], [150_000, patternBytes(5, 1)]);
  writeAt(at('preallocated'), [65_536, patternBytes(6, 4096)], [300_000, patternBytes(7, 77)]);
  withFile(at('punched'), (fd) => {
    fallocate(fd, FALLOCATE.PUNCH_HOLE | FALLOCATE.KEEP_SIZE, 10_000, 100_000);
    fallocate(fd, FALLOCATE.ZERO_RANGE, 150_000, 100_000);
  });
  fs.writeFileSync(at('cut'), patternBytes(8, 100_000));
  fs.truncateSync(at('cut'), 50_001);
  fs.truncateSync(at('cut'), 60_000);
};

/** Snapshots of snapshots, overwritten afterwards; whole and ranged clones, between subvolumes too. */
export const sharing: Fill = (top) => {
  const at = (...names: string[]): string => join(top, ...names);
  const btrfs = (...words: string[]): string => mustRun('btrfs', 'subvolume', ...words);
  btrfs('create', at('subvolume'));
  fs.writeFileSync(at('subvolume', 'base'), patternBytes(1, 600_000));
  btrfs('create', at('subvolume', 'nested'));
  fs.writeFileSync(at('subvolume', 'nested', 'file'), 'nested');
  btrfs('snapshot', '-r', at('subvolume'), at('read-only'));
  btrfs('snapshot', at('subvolume'), at('writable'));
  btrfs('snapshot', at('writable'), at('writable', 'snapshot inside'));
  writeAt(at('subvolume', 'base'), [100_000, patternBytes(2, 50_000)]);
  writeAt(at('writable', 'base'), [0, patternBytes(3, 4096)]);
  fs.unlinkSync(at('writable', 'snapshot inside', 'base'));
  mustRun('cp', '--reflink=always', at('subvolume', 'base'), at('clone'));
  withFile(at('subvolume', 'base'), (source) => {
    withFile(at('pieces'), (target) => {
      for (let piece = 0; piece < 60; piece++)
        cloneRange(source, (piece % 7) * SECTOR, 2 * SECTOR, target, piece * 3 * SECTOR);
    });
  });
  mustRun('sync', '-f', top);
  writeAt(at('clone'), [300_000, patternBytes(4, 12_345)]);
};

/** A directory of thousands of small files, every other one removed again. */
export const thousands: Fill = (top) => {
  fs.mkdirSync(join(top, 'many'));
  for (let index = 0; index < 4000; index++) fs.writeFileSync(join(top, 'many', `file ${index}`), `contents ${index}`);
  for (let index = 0; index < 4000; index += 2) fs.unlinkSync(join(top, 'many', `file ${index}`));
};

/** Directories 150 deep with a file in each. */
export const depth: Fill = (top) => {
  let directory = top;
  for (let level = 0; level < 150; level++) {
    directory = join(directory, `level ${level}`);
    fs.mkdirSync(directory);
    fs.writeFileSync(join(directory, 'file'), patternBytes(level, 100));
  }
};

/** Names of one crc32c: `2 ** pairs` of them, all of the same length. */
export function collidingNames(pairs: number): string[] {
  const seen = new Map<number, string>();
  let names = [''];
  for (let index = 0, found = 0; found < pairs; index++) {
    const half = createHash('sha256').update(`${index}`).digest('hex').slice(0, 8);
    const other = seen.get(crc32c(half));
    if (other === half) continue;
    if (other === undefined) {
      seen.set(crc32c(half), half);
      continue;
    }
    // Checksums of equal length differ by the bytes' difference alone, so pairs can be strung together.
    names = names.flatMap((name) => [name + half, name + other]);
    found += 1;
  }
  return names;
}

/** Files, symlinks and xattrs whose names share one hash. */
export const collisions: Fill = (top) => {
  fs.mkdirSync(join(top, 'colliding'));
  const names = collidingNames(5);
  for (const name of names) fs.writeFileSync(join(top, 'colliding', name), name);
  for (const name of names.slice(3, 6)) fs.unlinkSync(join(top, 'colliding', name));
  for (const name of collidingNames(2)) setXattr(join(top, 'colliding'), `user.${name}`, Buffer.from(name));
};

/** More names for one inode than one item holds. */
export const hardLinks: Fill = (top) => {
  fs.mkdirSync(join(top, 'links'));
  fs.writeFileSync(join(top, 'linked'), 'one inode');
  for (let index = 0; index < 700; index++)
    fs.linkSync(join(top, 'linked'), join(top, 'links', `${'l'.repeat(60)}${index}`));
  for (let index = 0; index < 700; index += 3) fs.unlinkSync(join(top, 'links', `${'l'.repeat(60)}${index}`));
};

/** A sparse file with data on both sides of 4 GiB. */
export const beyond4GiB: Fill = (top) => {
  writeAt(
    join(top, 'large'),
    [0, patternBytes(1, 10_000)],
    [4 * GIB - 5000, patternBytes(2, 10_000)],
    [5 * GIB + 1, patternBytes(3, 10_000)],
  );
};

/** A default subvolume that is not the top. */
export const defaultSubvolume: Fill = (top) => {
  fs.writeFileSync(join(top, 'above'), 'not in the default subvolume');
  mustRun('btrfs', 'subvolume', 'create', join(top, 'default'));
  fs.writeFileSync(join(top, 'default', 'inside'), 'in the default subvolume');
  mustRun('btrfs', 'subvolume', 'set-default', join(top, 'default'));
};

/** What random operations leave behind. */
export const randomOperations: Fill = (top) => {
  const { seed } = randomRuns(1);
  const sequences = fc.sample(fc.commands(modelSteps(), { maxCommands: 500, size: 'max' }), { seed, numRuns: 3 });
  for (const [index, steps] of sequences.entries()) {
    const subvolume = join(top, `random ${index}`);
    mustRun('btrfs', 'subvolume', 'create', subvolume);
    fc.modelRun(() => ({ model: new ModelFilesystem(), real: new NativeFilesystem(subvolume) }), steps);
  }
};

/** A little of everything. */
export const mixture: Fill = (top) => {
  for (const [name, fill] of Object.entries({ sizes, kinds, ranges, sharing })) {
    fs.mkdirSync(join(top, name));
    fill(join(top, name));
  }
};
