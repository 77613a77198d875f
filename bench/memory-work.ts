/**
 * A program for memory.ts: does one kind of work on the volume in an image, then prints its
 * highest resident set in MiB.
 *
 *     node memory-work.js IMAGE WORK AMOUNT
 */
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { OpenVolume } from '../src/index.js';
import { createEncrypted, openEncrypted } from './encrypted-volume.js';
import { FILES_PER_DIRECTORY } from './memory.js';

export type MemoryWork = 'nothing' | 'write' | 'read' | 'create' | 'spread' | 'list' | 'remove';

const MIB = 1024 ** 2;
const SMALL = 4096;

/** The first work on an image makes the volume in it. */
const WORK: Record<MemoryWork, (image: string, amount: number) => void> = {
  nothing: () => undefined,
  write: (image, megabytes) => {
    using volume = createEncrypted(image, megabytes * MIB * 2 + 1024 * MIB);
    writeLarge(volume, megabytes);
  },
  read: (image) => inVolume(image, true, readLarge),
  create: (image, files) => inVolume(image, false, (volume) => createFiles(volume, '/secret', files)),
  spread: (image, directories) => inVolume(image, false, (volume) => createDirectories(volume, directories)),
  list: (image, files) => inVolume(image, true, (volume) => listAll(volume, files)),
  remove: (image) => inVolume(image, false, (volume) => volume.fs.rmSync('/secret', { recursive: true })),
};

function inVolume(image: string, readOnly: boolean, work: (volume: OpenVolume) => void): void {
  using volume = openEncrypted(image, readOnly);
  work(volume);
}

function writeLarge({ fs }: OpenVolume, megabytes: number): void {
  const fd = fs.openSync('/secret/large', 'w');
  const piece = Buffer.alloc(MIB);
  for (let i = 0; i < megabytes; i++) fs.writeSync(fd, randomFillSync(piece));
  fs.closeSync(fd);
}

function readLarge({ fs }: OpenVolume): void {
  const fd = fs.openSync('/secret/large', 'r');
  const piece = Buffer.alloc(MIB);
  while (fs.readSync(fd, piece) > 0);
  fs.closeSync(fd);
}

function createFiles({ fs }: OpenVolume, directory: string, count: number): void {
  const contents = randomFillSync(Buffer.alloc(SMALL));
  for (let i = 0; i < count; i++) fs.writeFileSync(`${directory}/file ${i}`, contents);
}

function createDirectories(volume: OpenVolume, count: number): void {
  for (let i = 0; i < count; i++) {
    volume.fs.mkdirSync(`/secret/directory ${i}`);
    createFiles(volume, `/secret/directory ${i}`, FILES_PER_DIRECTORY);
  }
}

function listAll({ fs }: OpenVolume, expected: number): void {
  let found = 0;
  const visit = (path: string): void => {
    for (const entry of fs.opendirSync(path)) {
      const below = `${path}/${entry.name}`;
      if (fs.lstatSync(below).isDirectory()) visit(below);
      else found += 1;
    }
  };
  visit('/secret');
  if (found < expected) throw new Error(`${found} files found, at least ${expected} expected`);
}

/** High water mark of the resident set. @see man 5 proc_pid_status */
function peakMegabytes(): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

function isWork(name: string | undefined): name is MemoryWork {
  return name !== undefined && name in WORK;
}

const [image, work, amount] = process.argv.slice(2);
if (image === undefined || !isWork(work)) throw new Error('usage: memory-work IMAGE WORK AMOUNT');
WORK[work](image, Number(amount));
console.log(peakMegabytes());
