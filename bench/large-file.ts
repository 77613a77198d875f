/** One large encrypted file against the same file on the host filesystem, which also holds the image. */
import { spawnSync } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { mustRun } from '../tests/support/command.js';
import { temporaryDirectory, temporaryPath } from '../tests/support/temporary.js';
import { createEncrypted, openEncrypted } from './encrypted-volume.js';
import { alternate, type BenchOptions, type Measurement, seconds } from './measure.js';

const MIB = 1024 ** 2;
const FILE = '/secret/file';

interface Contest {
  readonly bytes: number;
  /** Of random bytes, which nothing on the way can shrink. */
  readonly source: string;
  readonly image: string;
  readonly copy: string;
}

export function benchLargeFile({ megabytes, rounds }: BenchOptions): Measurement[] {
  const contest: Contest = {
    bytes: megabytes * MIB,
    source: temporaryPath('-source'),
    image: temporaryPath('.img'),
    copy: temporaryPath('-copy'),
  };
  writeRandom(contest.source, megabytes);
  try {
    writeToVolume(contest);
    writeToHost(contest);
    verify(contest);
    const speed = (work: (contest: Contest) => number) => () => contest.bytes / work(contest) / 1e6;
    const [written = NaN, copied = NaN] = alternate(rounds, [speed(writeToVolume), speed(writeToHost)]);
    const cold = (path: string, read: (contest: Contest) => number) =>
      speed(() => {
        dropFromCache(path);
        return read(contest);
      });
    const { image, copy } = contest;
    const [coldRead = NaN, coldHost = NaN] = alternate(rounds, [cold(image, readVolume), cold(copy, readHost)]);
    const [warmRead = NaN, warmHost = NaN] = alternate(rounds, [speed(readVolume), speed(readHost)]);
    const line = (what: string, value: number, name: string, reference: number): Measurement => {
      return {
        what: `${what} ${megabytes} MiB, encrypted`,
        unit: 'MB/s',
        value,
        reference: { name, value: reference },
      };
    };
    return [
      line('write and sync', written, 'cp; sync', copied),
      line('read from disk', coldRead, 'cat', coldHost),
      line('read from page cache', warmRead, 'cat', warmHost),
    ];
  } finally {
    for (const path of [contest.source, contest.image, contest.copy]) rmSync(path, { force: true });
  }
}

/** Makes a file that nothing can shrink. */
export function writeRandom(path: string, megabytes: number): void {
  const fd = openSync(path, 'w');
  const piece = Buffer.alloc(MIB);
  for (let i = 0; i < megabytes; i++) writeSync(fd, randomFillSync(piece));
  closeSync(fd);
}

/** Seconds from opening the file to its durability, as with {@link writeToHost}. */
function writeToVolume({ image, source, bytes }: Contest): number {
  rmSync(image, { force: true });
  using volume = createEncrypted(image, bytes + bytes / 8 + 512 * MIB);
  settle();
  return seconds(() => {
    const from = openSync(source, 'r');
    const to = volume.fs.openSync(FILE, 'w');
    const piece = Buffer.alloc(MIB);
    for (let count = readSync(from, piece); count > 0; count = readSync(from, piece)) {
      volume.fs.writeSync(to, piece, 0, count);
    }
    volume.fs.fsyncSync(to);
    volume.fs.closeSync(to);
    closeSync(from);
  });
}

function writeToHost({ copy, source }: Contest): number {
  rmSync(copy, { force: true });
  settle();
  return seconds(() => {
    mustRun('cp', source, copy);
    mustRun('sync', copy);
  });
}

function readVolume({ image }: Contest): number {
  using volume = openEncrypted(image, true);
  return seconds(() => readPieces(volume.fs, FILE, () => undefined));
}

function readHost({ copy }: Contest): number {
  return seconds(() => spawnSync('cat', [copy], { stdio: 'ignore' }));
}

/** What `node:fs` and the library's `fs` have in common for reading. */
interface Reading {
  openSync(path: string, flags: 'r'): number;
  readSync(fd: number, into: Uint8Array): number;
  closeSync(fd: number): void;
}

function readPieces(fs: Reading, path: string, use: (piece: Uint8Array) => void): void {
  const fd = fs.openSync(path, 'r');
  const piece = Buffer.alloc(MIB);
  for (let count = fs.readSync(fd, piece); count > 0; count = fs.readSync(fd, piece)) use(piece.subarray(0, count));
  fs.closeSync(fd);
}

/** @throws Error if the volume's file is not the source */
function verify({ image, source }: Contest): void {
  const digest = (fs: Reading, path: string): string => {
    const hash = createHash('sha256');
    readPieces(fs, path, (piece) => hash.update(piece));
    return hash.digest('hex');
  };
  using volume = openEncrypted(image, true);
  const same = digest(volume.fs, FILE) === digest({ openSync, readSync, closeSync }, source);
  if (!same) throw new Error('the file read back is not the file written');
}

/** Lets the host finish earlier work first. */
function settle(): void {
  mustRun('sync', '-f', temporaryDirectory());
}

/** Makes the next reading of a file come from the disk. */
function dropFromCache(path: string): void {
  mustRun('sync', path);
  mustRun('dd', `if=${path}`, 'iflag=nocache', 'count=0', 'status=none');
}
