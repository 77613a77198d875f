/** From the host into a volume, keeping modes, times, owners, symlinks, hard links, attributes and holes. */
import {
  type BigIntStats,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { FsError, isFsError } from '../../bytes/index.js';
import type { CommandFs, CommandVolume } from '../command-volume.js';
import { attempt } from '../each.js';
import { hostXattr, hostXattrNames, nextHostData } from '../host.js';
import { join } from '../image-path.js';
import { warn } from '../output.js';
import type { Progress } from './progress.js';

export interface PutOptions {
  readonly recursive: boolean;
}

const PIECE = 1024 * 1024;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
const NEW_FILE_MODE = 0o600;
/** Attributes of these namespaces are the host's own affair unless root copies. */
const PRIVILEGED = /^(trusted|security)\./;

export class Put {
  private readonly volume: CommandVolume;
  private readonly fs: CommandFs;
  private readonly options: PutOptions;
  private readonly progress: Progress;
  private readonly isRoot = process.getuid?.() === 0;
  /** Where each inode with several names was put first. */
  private readonly links = new Map<string, Buffer>();
  private readonly piece = Buffer.alloc(PIECE);

  constructor(volume: CommandVolume, options: PutOptions, progress: Progress) {
    this.volume = volume;
    this.fs = volume.fs;
    this.options = options;
    this.progress = progress;
  }

  /** @throws FsError, or the host's error; what is below a directory fails one by one */
  put(source: Buffer, target: Buffer): void {
    const stats = lstatSync(source, { bigint: true });
    if (stats.isDirectory()) {
      this.putDirectory(source, target, stats);
      return;
    }
    this.clear(target, stats);
    const identity = `${stats.dev}:${stats.ino}`;
    const first = stats.nlink > 1n ? this.links.get(identity) : undefined;
    if (first !== undefined) {
      this.fs.linkSync(first, target);
      return;
    }
    if (stats.isSymbolicLink()) this.fs.symlinkSync(readlinkSync(source, 'buffer'), target);
    else if (stats.isFile()) this.putFile(source, target, stats);
    else this.fs.mknodSync(target, Number(stats.mode), Number(stats.rdev));
    if (stats.nlink > 1n) this.links.set(identity, target);
    this.keepAttributes(source, target, stats);
  }

  private putDirectory(source: Buffer, target: Buffer, stats: BigIntStats): void {
    if (!this.options.recursive)
      throw new FsError('EISDIR', 'a directory is copied only with -r', { path: source.toString() });
    const old = this.fs.lstatSync(target, { throwIfNoEntry: false });
    if (old === undefined) this.fs.mkdirSync(target);
    else if (!old.isDirectory()) throw new FsError('ENOTDIR', 'something else is there', { path: target.toString() });
    for (const name of readdirSync(source, { encoding: 'buffer' })) {
      attempt(this.volume, () => this.put(join(source, name), join(target, name)));
    }
    this.keepAttributes(source, target, stats);
  }

  /** Makes room for what is not written over. */
  private clear(target: Buffer, stats: BigIntStats): void {
    const old = this.fs.lstatSync(target, { throwIfNoEntry: false });
    if (old === undefined) return;
    if (old.isDirectory()) throw new FsError('EISDIR', 'a directory is there', { path: target.toString() });
    const isOverwritten = old.isFile() && stats.isFile() && stats.nlink === 1n;
    if (!isOverwritten) this.fs.unlinkSync(target);
  }

  private putFile(source: Buffer, target: Buffer, stats: BigIntStats): void {
    const host = openSync(source, 'r');
    try {
      const fd = this.fs.openSync(target, NEW_FILE, NEW_FILE_MODE);
      try {
        this.copyData(host, fd, Number(stats.size));
      } finally {
        this.fs.closeSync(fd);
      }
    } finally {
      closeSync(host);
    }
  }

  private copyData(host: number, fd: number, size: number): void {
    let copied = 0;
    for (let range = nextHostData(host, 0); range !== undefined; range = nextHostData(host, copied)) {
      copied = this.copyRange(host, fd, range.start, range.end);
      if (copied < range.end) break;
    }
    if (copied < size) this.fs.ftruncateSync(fd, size);
  }

  /** @returns where the copying ended: before `end` if the host's file has become shorter */
  private copyRange(host: number, fd: number, start: number, end: number): number {
    for (let at = start; at < end; ) {
      const count = readSync(host, this.piece, 0, Math.min(PIECE, end - at), at);
      if (count === 0) return at;
      for (let done = 0; done < count; ) {
        const written = this.fs.writeSync(fd, this.piece, done, count - done, at + done);
        if (written === 0) throw new FsError('ENOSPC', 'no space left on the volume');
        done += written;
      }
      at += count;
      this.progress.add(count);
    }
    return end;
  }

  private keepAttributes(source: Buffer, target: Buffer, stats: BigIntStats): void {
    for (const name of hostXattrNames(source, { follow: false })) {
      if (this.isRoot || !PRIVILEGED.test(name.toString('latin1'))) this.keepXattr(source, target, name);
    }
    if (this.isRoot) this.fs.lchownSync(target, Number(stats.uid), Number(stats.gid));
    if (!stats.isSymbolicLink()) this.fs.chmodSync(target, Number(stats.mode) & 0o7777);
    this.fs.lutimesSync(target, stats.atimeNs, stats.mtimeNs);
  }

  private keepXattr(source: Buffer, target: Buffer, name: Buffer): void {
    try {
      const value = hostXattr(source, name, { follow: false });
      this.fs.setxattrSync(target, name, value, { follow: false });
    } catch (error) {
      if (!isFsError(error, 'EOPNOTSUPP', 'EPERM', 'ENODATA')) throw error;
      warn(`${target.toString()}: the attribute ${name.toString()} is not kept`);
    }
  }
}

/** Bytes of all files below a host's path, but for what cannot be looked at: copying will tell of that. */
export function hostBytes(source: Buffer): number {
  const stats = lstatSync(source, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.isFile() ? stats.size : 0;
  return namesIn(source).reduce((sum, name) => sum + hostBytes(join(source, name)), 0);
}

function namesIn(directory: Buffer): Buffer[] {
  try {
    return readdirSync(directory, { encoding: 'buffer' });
  } catch (error) {
    if (error instanceof Error && 'code' in error) return [];
    throw error;
  }
}
