/** Many small files in one encrypted directory against the same files, plain, on the kernel's btrfs. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireAbility } from '../tests/support/abilities.js';
import { mustRun } from '../tests/support/command.js';
import { withKernelMount } from '../tests/support/kernel-mount.js';
import { temporaryPath } from '../tests/support/temporary.js';
import { createEncrypted, openEncrypted } from './encrypted-volume.js';
import { alternate, type BenchOptions, type Measurement, seconds } from './measure.js';

const MIB = 1024 ** 2;
const FILE_SIZE = 4096;
const POOL = randomBytes(MIB);

/** File `i` has these bytes, which no other file has. */
export function contentsOf(i: number): Uint8Array {
  return POOL.subarray(i % (MIB - FILE_SIZE), (i % (MIB - FILE_SIZE)) + FILE_SIZE);
}

export function benchSmallFiles({ files, rounds }: BenchOptions): Measurement[] {
  const image = temporaryPath('.img');
  const speed = (create: (image: string, files: number) => number) => () => files / create(image, files);
  createInVolume(image, files);
  verify(image, files);
  const { skip } = requireAbility('btrfs-progs', 'kernel-btrfs');
  const contestants = [createInVolume, ...(skip === false ? [createInKernel] : [])];
  const [ours = Number.NaN, kernel = Number.NaN] = alternate(rounds, contestants.map(speed));
  rmSync(image);
  const reference = skip === false ? { name: "the kernel's btrfs, plain", value: kernel } : { notMeasured: skip };
  return [{ what: `create ${files} files of 4 KiB, encrypted`, unit: 'files/s', value: ours, reference }];
}

/** Room for the files several times over. */
function imageSize(files: number): number {
  return 512 * MIB + files * 4 * FILE_SIZE;
}

/** Seconds until all files are durable. */
function createInVolume(image: string, files: number): number {
  rmSync(image, { force: true });
  using volume = createEncrypted(image, imageSize(files));
  return seconds(() => {
    for (let i = 0; i < files; i++) volume.fs.writeFileSync(`/secret/file ${i}`, contentsOf(i));
    volume.sync();
  });
}

function createInKernel(image: string, files: number): number {
  writeFileSync(image, '');
  truncateSync(image, imageSize(files));
  mustRun('mkfs.btrfs', '--quiet', '--force', image);
  return withKernelMount(image, {}, (top) => {
    const directory = join(top, 'secret');
    mkdirSync(directory);
    mustRun('sync', '-f', top);
    return seconds(() => {
      for (let i = 0; i < files; i++) writeFileSync(`${directory}/file ${i}`, contentsOf(i));
      mustRun('sync', '-f', top);
    });
  });
}

/** @throws Error unless every file reads as it was written */
function verify(image: string, files: number): void {
  using volume = openEncrypted(image, true);
  for (let i = 0; i < files; i++) {
    const same = volume.fs.readFileSync(`/secret/file ${i}`).equals(contentsOf(i));
    if (!same) throw new Error(`file ${i} read back is not the file written`);
  }
}
