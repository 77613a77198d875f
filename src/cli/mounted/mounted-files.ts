/** What every program can do with the files and names of a mount, below a directory of it. */
import * as fs from 'node:fs';
import { codeOfErrno, type ErrorCode, FsError, isFsError, systemText, type Timespec } from '../../bytes/index.js';
import type { Attributes } from '../../filesystem/index.js';
import { inodeShownAs } from '../../fuse/index.js';
import {
  type FollowOptions,
  type MkdirOptions,
  type PathLike,
  type RenameOptions,
  type RmOptions,
  type StatOptions,
  type VolumeFs,
  VolumeStats,
} from '../../library/index.js';
import type { CommandEntry, KeepSize } from '../command-volume.js';
import * as host from '../host.js';
import { bytesOf, join, parentOf } from '../image-path.js';
import { Beneath, isEntry } from './beneath.js';

const PIECE = 1024 * 1024;
const NS_PER_SECOND = 1_000_000_000n;
/** Paths of `/proc/self/fd` lead to the inode itself when they are followed. */
const FOLLOWED = { follow: true } as const;
const { O_RDONLY, O_RDWR, O_WRONLY, O_CREAT, O_TRUNC } = fs.constants;

type AnyStats = VolumeStats<number> | VolumeStats<bigint> | undefined;

export abstract class MountedFiles {
  protected readonly beneath: Beneath;
  readonly statSync = this.statCall('stat', true) as VolumeFs['statSync'];
  readonly lstatSync = this.statCall('lstat', false) as VolumeFs['lstatSync'];

  constructor(directory: string) {
    this.beneath = new Beneath(directory);
  }

  /** Whether an inode is encrypted: no call of node:fs tells. */
  protected abstract isEncrypted(path: PathLike, follow: boolean): boolean;

  close(): void {
    this.beneath.close();
  }

  // --- attributes ---

  existsSync(path: PathLike): boolean {
    try {
      return this.beneath.inode(path, true, () => true);
    } catch (error) {
      if (isFsError(error)) return false;
      throw error;
    }
  }

  chmodSync(path: PathLike, mode: number): void {
    this.onInode('chmod', path, true, (found) => fs.chmodSync(found, mode));
  }

  chownSync(path: PathLike, uid: number, gid: number): void {
    this.onInode('chown', path, true, (found) => fs.chownSync(found, uid, gid));
  }

  lchownSync(path: PathLike, uid: number, gid: number): void {
    this.onInode('lchown', path, false, (found) => fs.chownSync(found, uid, gid));
  }

  utimesSync(path: PathLike, atime: bigint, mtime: bigint): void {
    this.onInode('utime', path, true, (found) => host.setHostTimes(found, atime, mtime, FOLLOWED));
  }

  lutimesSync(path: PathLike, atime: bigint, mtime: bigint): void {
    this.onInode('lutime', path, false, (found) => host.setHostTimes(found, atime, mtime, FOLLOWED));
  }

  truncateSync(path: PathLike, length = 0): void {
    asCall('open', path, () => this.beneath.opened(path, O_WRONLY, (fd) => fs.ftruncateSync(fd, length)));
  }

  listxattrSync(path: PathLike, { follow = true }: FollowOptions = {}): Buffer[] {
    return this.onInode('listxattr', path, follow, (found) => host.hostXattrNames(found, FOLLOWED));
  }

  getxattrSync(path: PathLike, name: PathLike, { follow = true }: FollowOptions = {}): Buffer {
    return this.onInode('getxattr', path, follow, (found) => host.hostXattr(found, bytesOf(name), FOLLOWED));
  }

  setxattrSync(path: PathLike, name: PathLike, value: PathLike, { follow = true }: FollowOptions): void {
    this.onInode('setxattr', path, follow, (found) =>
      host.setHostXattr(found, bytesOf(name), bytesOf(value), FOLLOWED),
    );
  }

  removexattrSync(path: PathLike, name: PathLike, { follow = true }: FollowOptions = {}): void {
    this.onInode('removexattr', path, follow, (found) => host.removeHostXattr(found, bytesOf(name), FOLLOWED));
  }

  // --- names ---

  opendirSync(path: PathLike): CommandEntry[] {
    return this.onInode('opendir', path, true, (found) =>
      fs.readdirSync(found, { withFileTypes: true, encoding: 'buffer' }),
    );
  }

  mkdirSync(path: PathLike, options: number | MkdirOptions | null = {}): string | undefined {
    const { recursive = false, mode = 0o777 } = typeof options === 'number' ? { mode: options } : (options ?? {});
    if (recursive && parentOf(path).length > 1) this.mkdirSync(parentOf(path), { recursive, mode });
    if (recursive && this.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return undefined;
    this.onName('mkdir', path, 'EEXIST', (found) => fs.mkdirSync(found, mode));
    return undefined;
  }

  rmdirSync(path: PathLike): void {
    this.onName('rmdir', path, 'EBUSY', (found) => fs.rmdirSync(found));
  }

  unlinkSync(path: PathLike): void {
    this.onName('unlink', path, 'EISDIR', (found) => fs.unlinkSync(found));
  }

  rmSync(path: PathLike, { force = false, recursive = false }: RmOptions = {}): void {
    const stats = this.lstatSync(path, { throwIfNoEntry: !force });
    if (stats === undefined) return;
    if (!stats.isDirectory()) {
      this.unlinkSync(path);
      return;
    }
    asCall('rm', path, () => {
      if (!recursive) throw new FsError('EISDIR', 'it is a directory');
      if (!isEntry(path)) throw new FsError('EBUSY', 'the top stays');
    });
    for (const { name } of this.opendirSync(path)) this.rmSync(join(path, name), { recursive });
    this.rmdirSync(path);
  }

  renameSync(oldPath: PathLike, newPath: PathLike, { mode = 'replace' }: RenameOptions = {}): void {
    this.onNames('rename', oldPath, newPath, 'EBUSY', (from, to) => host.renameOnHost(from, to, mode));
  }

  linkSync(existingPath: PathLike, newPath: PathLike): void {
    this.onNames('link', existingPath, newPath, 'EEXIST', (from, to) => fs.linkSync(from, to));
  }

  symlinkSync(target: PathLike, path: PathLike): void {
    const link = (found: Buffer): void => fs.symlinkSync(bytesOf(target), found);
    asCall('symlink', target, () => this.beneath.name(path, 'EEXIST', link), path);
  }

  mknodSync(path: PathLike, mode: number, rdev = 0): void {
    this.onName('mknod', path, 'EEXIST', (found) => host.makeHostNode(found, mode, rdev));
  }

  readlinkSync(path: PathLike, encoding: 'buffer'): Buffer {
    return this.onName('readlink', path, 'EINVAL', (found) => fs.readlinkSync(found, encoding));
  }

  realpathSync(path: PathLike, _encoding: 'buffer'): Buffer {
    return asCall('realpath', path, () => this.beneath.realPath(path));
  }

  // --- contents ---

  openSync(path: PathLike, flags = O_RDONLY, mode = 0o666): number {
    return asCall('open', path, () => this.beneath.open(path, flags, (flags & O_CREAT) === 0 ? 0 : mode));
  }

  closeSync(fd: number): void {
    fs.closeSync(fd);
  }

  readSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number {
    return asCall('read', undefined, () => fs.readSync(fd, buffer, offset, length, position));
  }

  writeSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number {
    return asCall('write', undefined, () => fs.writeSync(fd, buffer, offset, length, position));
  }

  ftruncateSync(fd: number, length = 0): void {
    asCall('ftruncate', undefined, () => fs.ftruncateSync(fd, length));
  }

  seekDataSync(fd: number, offset: number): number {
    return asCall('lseek', undefined, () => host.seekOnHost(fd, offset, 'data'));
  }

  seekHoleSync(fd: number, offset: number): number {
    return asCall('lseek', undefined, () => host.seekOnHost(fd, offset, 'hole'));
  }

  fallocateSync(path: PathLike, offset: number, length: number, { keepSize }: KeepSize): void {
    this.allocate(path, keepSize ? host.FALLOCATE.keepSize : 0, offset, length);
  }

  zeroRangeSync(path: PathLike, offset: number, length: number, { keepSize }: KeepSize): void {
    this.allocate(path, host.FALLOCATE.zeroRange | (keepSize ? host.FALLOCATE.keepSize : 0), offset, length);
  }

  punchHoleSync(path: PathLike, offset: number, length: number): void {
    this.allocate(path, host.FALLOCATE.punchHole | host.FALLOCATE.keepSize, offset, length);
  }

  /** With `COPYFILE_FICLONE` data is shared where it can be. Whether it was, the kernel does not tell. */
  copyFileSync(src: PathLike, dest: PathLike, mode = 0): void {
    const { COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = fs.constants;
    const copy = (from: number): void => {
      if ((mode & COPYFILE_FICLONE_FORCE) !== 0)
        throw new FsError('EOPNOTSUPP', 'a mount shares data where it can, but does not promise it: use auto');
      const { mode: permissions, size } = fs.fstatSync(from);
      const to = this.beneath.open(dest, O_RDWR | O_CREAT | O_TRUNC, permissions & 0o777);
      try {
        if ((mode & COPYFILE_FICLONE) !== 0) while (host.copyOnHost(from, to, size + 1) > 0);
        else copyData(from, to);
        fs.ftruncateSync(to, size);
      } finally {
        fs.closeSync(to);
      }
    };
    asCall('copyfile', src, () => this.beneath.opened(src, O_RDONLY, copy), dest);
  }

  // --- how it is done ---

  protected onInode<T>(syscall: string, path: PathLike, follow: boolean, work: (found: Buffer) => T): T {
    return asCall(syscall, path, () => this.beneath.inode(path, follow, work));
  }

  private onName<T>(syscall: string, path: PathLike, codeOfTop: ErrorCode, work: (found: Buffer) => T): T {
    return asCall(syscall, path, () => this.beneath.name(path, codeOfTop, work));
  }

  private onNames(
    syscall: string,
    path: PathLike,
    dest: PathLike,
    codeOfTop: ErrorCode,
    work: (from: Buffer, to: Buffer) => void,
  ): void {
    const onDest = (from: Buffer): void => this.beneath.name(dest, codeOfTop, (to) => work(from, to));
    asCall(syscall, path, () => this.beneath.name(path, codeOfTop, onDest), dest);
  }

  private allocate(path: PathLike, flags: number, offset: number, length: number): void {
    const work = (fd: number): void => host.allocateOnHost(fd, flags, offset, length);
    asCall('fallocate', path, () => this.beneath.opened(path, O_RDWR, work));
  }

  private statCall(syscall: string, follow: boolean) {
    return (path: PathLike, { bigint, throwIfNoEntry }: StatOptions = {}): AnyStats => {
      try {
        const stats = this.onInode(syscall, path, follow, (found) => fs.statSync(found, { bigint: true }));
        const attributes = attributesOf(stats, () => this.isEncrypted(path, follow));
        return bigint === true ? VolumeStats.bigints(attributes) : VolumeStats.numbers(attributes);
      } catch (error) {
        if (throwIfNoEntry === false && isFsError(error, 'ENOENT', 'ENOTDIR')) return undefined;
        throw error;
      }
    };
  }
}

/** Runs a call and gives its errors the form that those of the library have. */
export function asCall<T>(syscall: string, path: PathLike | undefined, work: () => T, dest?: PathLike): T {
  try {
    return work();
  } catch (error) {
    const cause = fromHost(error);
    throw new FsError(cause.code, cause.message.slice(cause.code.length + 2), {
      syscall,
      cause,
      ...(path === undefined ? {} : { path: bytesOf(path).toString() }),
      ...(dest === undefined ? {} : { dest: bytesOf(dest).toString() }),
    });
  }
}

/** What the system has no words for. */
const NO_KEY = 'its key is not there';

function fromHost(error: unknown): FsError {
  if (isFsError(error)) return error;
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') throw error;
  const code = codeOfErrno(error.errno);
  return new FsError(code, code === 'ENOKEY' ? NO_KEY : (systemText(code) ?? error.message), { cause: error });
}

/** @param isEncrypted - asked only if somebody wants to know */
function attributesOf(stats: fs.BigIntStats, isEncrypted: () => boolean): Attributes {
  return {
    ...inodeShownAs(stats.ino),
    mode: Number(stats.mode),
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    size: Number(stats.size),
    rdev: Number(stats.rdev),
    blocks: Number(stats.blocks),
    atime: timespecOf(stats.atimeNs),
    mtime: timespecOf(stats.mtimeNs),
    ctime: timespecOf(stats.ctimeNs),
    otime: timespecOf(stats.birthtimeNs),
    get encrypted() {
      return isEncrypted();
    },
  };
}

function timespecOf(ns: bigint): Timespec {
  const nsec = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  return { sec: Number((ns - nsec) / NS_PER_SECOND), nsec: Number(nsec) };
}

/** Copies byte by byte, sharing nothing; holes stay holes. The target is empty. */
function copyData(from: number, to: number): void {
  const piece = Buffer.alloc(PIECE);
  for (let range = host.nextHostData(from, 0); range !== undefined; range = host.nextHostData(from, range.end)) {
    for (let at = range.start; at < range.end; ) {
      const count = fs.readSync(from, piece, 0, Math.min(PIECE, range.end - at), at);
      if (count === 0) return;
      for (let done = 0; done < count; ) done += fs.writeSync(to, piece, done, count - done, at + done);
      at += count;
    }
  }
}
