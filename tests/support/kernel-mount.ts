/** Mounts an image with the running kernel's own btrfs, through a loop device. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { appendFileSync, closeSync, mkdirSync, openSync, readSync, rmdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { mustRun, runCommand } from './command.js';
import { waitForLock } from './system-calls.js';
import { temporaryPath } from './temporary.js';

export interface MountOptions {
  /** Default false: the kernel writes, if only a new generation. */
  readonly readOnly?: boolean;
  /** Further mount options, such as `compress-force=zstd`. */
  readonly options?: readonly string[];
}

/**
 * Mounts the image, hands its mount point to `use` and unmounts it in any case. Fails if the
 * kernel complains about the volume meanwhile. Needs the ability `kernel-btrfs`.
 */
export function withKernelMount<T>(imagePath: string, options: MountOptions, use: (top: string) => T): T {
  const lock = lockVolume(imagePath);
  const top = temporaryPath('-mount');
  mkdirSync(top);
  const mark = `butterlock ${randomUUID()}`;
  appendFileSync('/dev/kmsg', `${mark}\n`);
  try {
    const flags = ['loop', options.readOnly === true ? 'ro' : 'rw', ...(options.options ?? [])];
    mustRun('mount', '-t', 'btrfs', '-o', flags.join(','), imagePath, top);
    const device = mustRun('findmnt', '-n', '-o', 'SOURCE', '--first-only', top).trim().replace(/\[.*/, '');
    let result: T;
    try {
      result = use(top);
    } finally {
      mustRun('umount', top);
    }
    assert.deepEqual(kernelComplaints(mark, device), [], `the kernel about ${imagePath}`);
    return result;
  } finally {
    rmdirSync(top);
    closeSync(lock);
  }
}

/** What the kernel logged as wrong with the volume on `device` since it was told `mark`. */
function kernelComplaints(mark: string, device: string): string[] {
  const lines = mustRun('dmesg').split('\n');
  const since = lines.findLastIndex((line) => line.includes(mark)) + 1;
  const about = `(device ${device.replace('/dev/', '')}`;
  const complaints = lines.slice(since).filter((line) => /BTRFS (warning|error|critical)/.test(line));
  return complaints.filter((line) => line.includes(about) && !line.includes('is being deprecated'));
}

/** Reads every block and compares it with its checksum, in every copy. Fails on any fault. */
export function scrubMounted(top: string): void {
  const { status, stdout, stderr } = runCommand('btrfs', 'scrub', 'start', '-B', top);
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /Error summary:\s+no errors found/);
}

const FSID = { at: 65536 + 32, size: 16 };

/**
 * The kernel refuses to mount two volumes of one fsid at a time, and tests use copies of the same
 * image: waits for its turn with this fsid. Closing the descriptor gives the turn to the next.
 */
function lockVolume(imagePath: string): number {
  const fsid = Buffer.alloc(FSID.size);
  const image = openSync(imagePath, 'r');
  readSync(image, fsid, 0, FSID.size, FSID.at);
  closeSync(image);
  const directory = join(tmpdir(), `butterlock-mounts-${userInfo().uid}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const lock = openSync(join(directory, fsid.toString('hex')), 'a', 0o600);
  waitForLock(lock);
  return lock;
}
