/**
 * From a volume to the host, keeping modes, times, owners, symlinks, hard links, attributes and
 * holes.
 *
 * A volume may come from a stranger: nothing in it leads this out of the destination. Symlinks
 * that are there already, or that the volume itself holds, are never followed below it.
 */
import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { FsError, isFsError } from '../../bytes/index.js';
import type { VolumeStats } from '../../library/index.js';
import type { CommandFs, CommandVolume } from '../command-volume.js';
import { attempt } from '../each.js';
import { makeHostNode, setHostTimes, setHostXattr } from '../host.js';
import { join } from '../image-path.js';
import { warn } from '../output.js';

import type { Progress } from './progress.js';

export interface GetOptions {
  readonly recursive: boolean;
}

const PIECE = 1024 * 1024;
const NEW_FILE_MODE = 0o600;
const NEW_DIRECTORY_MODE = 0o700;
const PRIVILEGED = /^(trusted|security)\./;

export class Get {
  private readonly volume: CommandVolume;
  private readonly fs: CommandFs;
  private readonly options: GetOptions;
  private readonly progress: Progress;
  private readonly isRoot = process.getuid?.() === 0;
  private readonly links = new Map<string, Buffer>();
  private readonly piece = Buffer.alloc(PIECE);

  constructor(volume: CommandVolume, options: GetOptions, progress: Progress) {
    this.volume = volume;
    this.fs = volume.fs;
    this.options = options;
    this.progress = progress;
  }

  /** @throws FsError, or the host's error; what is below a directory fails one by one */
  get(source: Buffer, target: Buffer): void {
    const stats = this.fs.lstatSync(source, { bigint: true });
    if (stats.isDirectory()) {
      this.getDirectory(source, target, stats);
      return;
    }
    if (stats.isFile() || stats.isSymbolicLink()) this.checkReadable(source, stats);
    clear(target);
    const identity = `${stats.dev}:${stats.ino}`;
    const first = stats.nlink > 1n ? this.links.get(identity) : undefined;
    if (first !== undefined) {
      linkSync(first, target);
      return;
    }
    if (stats.isSymbolicLink()) symlinkSync(this.fs.readlinkSync(source, 'buffer'), target);
    else if (stats.isFile()) this.getFile(source, target, Number(stats.size));
    else makeHostNode(target, Number(stats.mode), Number(stats.rdev));
    if (stats.nlink > 1n) this.links.set(identity, target);
    this.keepAttributes(source, target, stats);
  }

  private getDirectory(source: Buffer, target: Buffer, stats: VolumeStats<bigint>): void {
    if (!this.options.recursive)
      throw new FsError('EISDIR', 'a directory is copied only with -r', { path: source.toString() });
    const old = lstatSync(target, { throwIfNoEntry: false });
    if (old === undefined) mkdirSync(target, NEW_DIRECTORY_MODE);
    else if (!old.isDirectory()) throw new FsError('ENOTDIR', 'something else is there', { path: target.toString() });
    for (const entry of this.fs.opendirSync(source)) {
      attempt(this.volume, () => this.get(join(source, entry.name), join(target, entry.name)));
    }
    this.keepAttributes(source, target, stats);
  }

  /** Before what is at the destination goes. */
  private checkReadable(source: Buffer, stats: VolumeStats<bigint>): void {
    if (stats.isFile()) this.fs.closeSync(this.fs.openSync(source));
    else if (stats.encrypted) this.checkKey(source);
  }

  /** A symlink can be read without its key, too, but what it says is no target. */
  private checkKey(source: Buffer): void {
    const { masterKeyIdentifier } = this.fs.getPolicySync(source, { follow: false });
    if (this.volume.keyring.status(masterKeyIdentifier) !== 'present')
      throw new FsError('ENOKEY', 'the target of the symlink is encrypted', { path: source.toString() });
  }

  private getFile(source: Buffer, target: Buffer, size: number): void {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const fd = this.fs.openSync(source);
    try {
      const host = openSync(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, NEW_FILE_MODE);
      try {
        this.copyData(fd, host, size);
      } finally {
        closeSync(host);
      }
    } finally {
      this.fs.closeSync(fd);
    }
  }

  private copyData(fd: number, host: number, size: number): void {
    for (let at = this.nextData(fd, 0); at !== undefined && at < size; at = this.nextData(fd, at)) {
      const end = this.fs.seekHoleSync(fd, at);
      while (at < end) {
        const count = this.fs.readSync(fd, this.piece, 0, Math.min(PIECE, end - at), at);
        if (count === 0) break;
        for (let done = 0; done < count; ) done += writeSync(host, this.piece, done, count - done, at + done);
        at += count;
        this.progress.add(count);
      }
    }
    ftruncateSync(host, size);
  }

  private nextData(fd: number, offset: number): number | undefined {
    try {
      return this.fs.seekDataSync(fd, offset);
    } catch (error) {
      if (isFsError(error, 'ENXIO')) return undefined;
      throw error;
    }
  }

  private keepAttributes(source: Buffer, target: Buffer, stats: VolumeStats<bigint>): void {
    if (this.isRoot) lchownSync(target, Number(stats.uid), Number(stats.gid));
    for (const name of this.fs.listxattrSync(source, { follow: false })) {
      if (this.isRoot || !PRIVILEGED.test(name.toString('latin1'))) this.keepXattr(source, target, name);
    }
    if (!stats.isSymbolicLink()) chmodSync(target, Number(stats.mode) & 0o7777);
    setHostTimes(target, stats.atimeNs, stats.mtimeNs, { follow: false });
  }

  private keepXattr(source: Buffer, target: Buffer, name: Buffer): void {
    const value = this.fs.getxattrSync(source, name, { follow: false });
    try {
      setHostXattr(target, name, value, { follow: false });
    } catch (error) {
      if (!isFsError(error, 'EOPNOTSUPP', 'EPERM', 'ENOSPC', 'E2BIG', 'EINVAL')) throw error;
      warn(`${target.toString()}: the attribute ${name.toString()} is not kept, the filesystem there refuses it`);
    }
  }
}

/** Bytes of all files below a path of the volume, as far as they can be told. */
export function volumeBytes(fs: CommandFs, source: Buffer): number {
  try {
    const stats = fs.lstatSync(source);
    if (!stats.isDirectory()) return stats.isFile() ? stats.size : 0;
    let sum = 0;
    for (const { name } of fs.opendirSync(source)) sum += volumeBytes(fs, join(source, name));
    return sum;
  } catch (error) {
    if (isFsError(error)) return 0;
    throw error;
  }
}

/** Files are never written through what was there: a symlink, or one of several names. */
function clear(target: Buffer): void {
  const old = lstatSync(target, { throwIfNoEntry: false });
  if (old === undefined) return;
  if (old.isDirectory()) throw new FsError('EISDIR', 'a directory is there', { path: target.toString() });
  unlinkSync(target);
}
