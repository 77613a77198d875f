/** What is done on every filesystem, in this order, and how fast it goes. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Ability } from '../../tests/support/abilities.js';
import { mustRun } from '../../tests/support/command.js';
import { type BenchOptions, type Measurement, seconds } from '../measure.js';

/** Seen from where this file is compiled to. */
const SMALL_FILES = fileURLToPath(new URL('../../../bench/mount/small-files.pl', import.meta.url));
/** Between two calls of fdatasync. */
const WRITES_PER_SYNC = 64;
const DBENCH_LOAD = '/usr/share/dbench/client.txt';

/** What is copied into every filesystem. */
export interface Materials {
  /** A large file of random bytes. */
  readonly large: string;
  /** A directory of sources, and the same as an archive. */
  readonly tree: string;
  readonly tarball: string;
}

export interface Row {
  readonly what: string;
  readonly unit: Measurement['unit'];
  /** How many times as fast as the better rival we want to be. */
  readonly aim: 1 | 2;
  /** Whether nothing of it may be in memory before. */
  readonly isCold: boolean;
  readonly needs: readonly Ability[];
  /** @returns the speed */
  run(directory: string): number;
}

type SmallFileTask = 'create' | 'stat' | 'read' | 'compare' | 'delete';

/** @returns seconds */
export function smallFiles(task: SmallFileTask, directory: string, count: number): number {
  return Number(mustRun('perl', SMALL_FILES, task, directory, String(count)));
}

export function rowsOf(options: BenchOptions, materials: Materials): Row[] {
  return [
    ...largeFileRows(options, materials),
    ...smallFileRows(options),
    ...treeRows(options, materials),
    dbenchRow(options),
  ];
}

function largeFileRows({ megabytes, seconds: limit }: BenchOptions, { large }: Materials): Row[] {
  const speed = (...command: [string, ...string[]]): number =>
    (megabytes * 2 ** 20) / seconds(() => mustRun(...command)) / 1e6;
  const write = (directory: string): number => {
    bringIntoCache(large);
    return speed('dd', `if=${large}`, `of=${directory}/large`, 'bs=1M', 'conv=fsync');
  };
  const read = (directory: string): number => speed('dd', `if=${directory}/large`, 'of=/dev/null', 'bs=1M');
  const random = (kind: FioKind) => (directory: string) => fio(kind, join(directory, 'large'), megabytes, limit);
  return [
    { what: `write ${megabytes} MiB and fsync`, unit: 'MB/s', aim: 1, isCold: false, needs: [], run: write },
    { what: `read ${megabytes} MiB, cold`, unit: 'MB/s', aim: 1, isCold: true, needs: [], run: read },
    { what: 'read 4 KiB at random', unit: 'ops/s', aim: 1, isCold: true, needs: ['fio'], run: random('read') },
    { what: 'write 4 KiB at random', unit: 'ops/s', aim: 1, isCold: false, needs: ['fio'], run: random('write') },
  ];
}

function smallFileRows({ files }: BenchOptions): Row[] {
  const top = (directory: string): string => join(directory, 'small');
  const run = (task: SmallFileTask) => (directory: string) => files / smallFiles(task, top(directory), files);
  const create = (directory: string): number => {
    mkdirSync(top(directory));
    const written = smallFiles('create', top(directory), files);
    return files / (written + seconds(() => flush(directory)));
  };
  return [
    { what: `create ${files} files of 4 KiB`, unit: 'files/s', aim: 2, isCold: false, needs: [], run: create },
    { what: `stat ${files} files, cold`, unit: 'files/s', aim: 1, isCold: true, needs: [], run: run('stat') },
    { what: `read ${files} files, cold`, unit: 'files/s', aim: 1, isCold: true, needs: [], run: run('read') },
    { what: `delete ${files} files`, unit: 'files/s', aim: 1, isCold: false, needs: [], run: run('delete') },
  ];
}

function treeRows(options: BenchOptions, { tarball }: Materials): Row[] {
  const files = treeFiles(options);
  const speed = (directory: string, script: string): number =>
    files / seconds(() => mustRun('sh', '-ec', script, 'sh', directory, tarball));
  const untar = (directory: string): number => {
    bringIntoCache(tarball);
    return speed(directory, 'tar -C "$1" -xf "$2"; sync -f "$1"');
  };
  // Writing to /dev/null itself, tar would read nothing.
  const read = (directory: string): number => speed(directory, 'tar -C "$1" -cf - tree | cat > /dev/null');
  const remove = (directory: string): number => speed(directory, 'rm -r "$1/tree"; sync -f "$1"');
  return [
    { what: `untar a tree of ${files} files`, unit: 'files/s', aim: 2, isCold: false, needs: [], run: untar },
    { what: 'read the tree, cold', unit: 'files/s', aim: 1, isCold: true, needs: [], run: read },
    { what: 'remove the tree', unit: 'files/s', aim: 1, isCold: false, needs: [], run: remove },
  ];
}

function dbenchRow({ seconds: limit }: BenchOptions): Row {
  const run = (directory: string): number => {
    const output = mustRun('dbench', '-D', directory, '-t', String(limit), '-c', DBENCH_LOAD, '1');
    return Number(/^Throughput ([\d.]+) MB/m.exec(output)?.[1]);
  };
  return { what: 'dbench, 1 client', unit: 'MB/s', aim: 2, isCold: false, needs: ['dbench'], run };
}

/** How many files the source tree has. */
export function treeFiles({ files }: BenchOptions): number {
  return Math.ceil(files / 2);
}

type FioKind = 'read' | 'write';

/** Once over a file at most, so that nothing is read a second time, from memory. @returns operations a second */
function fio(kind: FioKind, path: string, megabytes: number, limit: number): number {
  const report: { jobs: Record<FioKind, { iops: number }>[] } = JSON.parse(
    mustRun(
      'fio',
      '--name=random',
      `--rw=rand${kind}`,
      `--filename=${path}`,
      `--size=${megabytes}M`,
      `--runtime=${limit}`,
      '--bs=4k',
      '--ioengine=psync',
      '--output-format=json',
      ...(kind === 'write' ? [`--fdatasync=${WRITES_PER_SYNC}`] : []),
    ),
  );
  return report.jobs[0]?.[kind].iops ?? Number.NaN;
}

/** Has the kernel hand over what it has collected to whoever serves the filesystem. */
function flush(directory: string): void {
  mustRun('sync', '-f', directory);
}

function bringIntoCache(path: string): void {
  mustRun('dd', `if=${path}`, 'of=/dev/null', 'bs=1M');
}
