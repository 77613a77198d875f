/** stat and what changes it; extended attributes. */
import { constants } from 'node:fs';
import { FsError } from '../bytes/index.js';
import type { Inode, XattrMode } from '../filesystem/index.js';
import { Calls } from './calls.js';
import type { PathLike } from './paths.js';
import { VolumeStats } from './stats.js';
import { type TimeLike, timespecOf } from './times.js';

export interface StatOptions {
  readonly bigint?: boolean;
  /** With false, undefined stands for an entry that is not there. Default true. */
  readonly throwIfNoEntry?: boolean;
}

export interface SetXattrOptions {
  /** `create` refuses to replace (EEXIST), `replace` refuses to make (ENODATA). Default `either`. */
  readonly mode?: XattrMode;
  /** Act on a symlink itself. Default true: false acts on its target. */
  readonly follow?: boolean;
}

export interface FollowOptions {
  /** Default true: a symlink at the end of the path stands for its target. */
  readonly follow?: boolean;
}

type AnyStats = VolumeStats<number> | VolumeStats<bigint>;

export class AttributeCalls extends Calls {
  /** @throws FsError ENOENT and whatever looking up a path gives */
  statSync(path: PathLike, options?: { readonly bigint?: false; readonly throwIfNoEntry?: true }): VolumeStats<number>;
  statSync(path: PathLike, options: { readonly bigint: true; readonly throwIfNoEntry?: true }): VolumeStats<bigint>;
  statSync(path: PathLike, options: StatOptions): AnyStats | undefined;
  statSync(path: PathLike, options: StatOptions = {}): AnyStats | undefined {
    return this.statOf('stat', path, true, options);
  }

  /** As {@link statSync}, of a symlink itself. */
  lstatSync(path: PathLike, options?: { readonly bigint?: false; readonly throwIfNoEntry?: true }): VolumeStats<number>;
  lstatSync(path: PathLike, options: { readonly bigint: true; readonly throwIfNoEntry?: true }): VolumeStats<bigint>;
  lstatSync(path: PathLike, options: StatOptions): AnyStats | undefined;
  lstatSync(path: PathLike, options: StatOptions = {}): AnyStats | undefined {
    return this.statOf('lstat', path, false, options);
  }

  fstatSync(fd: number, options?: { readonly bigint?: false }): VolumeStats<number>;
  fstatSync(fd: number, options: { readonly bigint: true }): VolumeStats<bigint>;
  fstatSync(fd: number, options: { readonly bigint?: boolean } = {}): AnyStats {
    return this.onFile('fstat', fd, ({ inode }) => this.stats(inode, options));
  }

  existsSync(path: PathLike): boolean {
    try {
      this.paths.inode(path, true);
      return true;
    } catch (error) {
      if (error instanceof FsError) return false;
      throw error;
    }
  }

  /**
   * Checks as for the superuser: everything may be read; writing needs a volume and a subvolume
   * that can be written, executing some `x` bit.
   *
   * @throws FsError ENOENT, EROFS, EACCES
   */
  accessSync(path: PathLike, mode: number = constants.F_OK): void {
    this.onInode('access', path, true, (inode) => {
      if ((mode & constants.W_OK) !== 0) this.filesystem.assertWritable(inode.subvolume);
      const canExecute = inode.isDirectory || (inode.item.mode & 0o111) !== 0;
      if ((mode & constants.X_OK) !== 0 && !canExecute) throw new FsError('EACCES', 'nobody may execute it');
    });
  }

  chmodSync(path: PathLike, mode: number): void {
    this.onInode('chmod', path, true, (inode) => this.filesystem.setAttributes(inode, { mode }));
  }

  fchmodSync(fd: number, mode: number): void {
    this.onFile('fchmod', fd, ({ inode }) => this.filesystem.setAttributes(inode, { mode }));
  }

  /** @param uid - -1 leaves it as it is; so for `gid` */
  chownSync(path: PathLike, uid: number, gid: number): void {
    this.onInode('chown', path, true, (inode) => this.chownInode(inode, uid, gid));
  }

  lchownSync(path: PathLike, uid: number, gid: number): void {
    this.onInode('lchown', path, false, (inode) => this.chownInode(inode, uid, gid));
  }

  fchownSync(fd: number, uid: number, gid: number): void {
    this.onFile('fchown', fd, ({ inode }) => this.chownInode(inode, uid, gid));
  }

  utimesSync(path: PathLike, atime: TimeLike, mtime: TimeLike): void {
    this.onInode('utime', path, true, (inode) => this.setTimes(inode, atime, mtime));
  }

  lutimesSync(path: PathLike, atime: TimeLike, mtime: TimeLike): void {
    this.onInode('lutime', path, false, (inode) => this.setTimes(inode, atime, mtime));
  }

  futimesSync(fd: number, atime: TimeLike, mtime: TimeLike): void {
    this.onFile('futime', fd, ({ inode }) => this.setTimes(inode, atime, mtime));
  }

  /** @throws FsError EINVAL (negative, or no regular file), EISDIR, ENOKEY, EFBIG */
  truncateSync(path: PathLike, length = 0): void {
    this.onInode('open', path, true, (inode) => this.resize(inode, length));
  }

  /** @throws FsError EINVAL, also for a file not opened for writing */
  ftruncateSync(fd: number, length = 0): void {
    this.onFile('ftruncate', fd, ({ inode, writable }) => {
      if (!writable) throw new FsError('EINVAL', 'the file is not open for writing');
      this.resize(inode, length);
    });
  }

  // --- extended attributes: not in node:fs ---

  /** @param name - with its namespace, such as `user.comment`. @throws FsError ENODATA */
  getxattrSync(path: PathLike, name: PathLike, options: FollowOptions = {}): Buffer {
    return this.onInode('getxattr', path, options.follow ?? true, (inode) =>
      Buffer.from(this.filesystem.getXattr(inode, Buffer.from(name))),
    );
  }

  /** @throws FsError EOPNOTSUPP (unknown namespace), ERANGE, E2BIG, ENOSPC, EEXIST, ENODATA */
  setxattrSync(path: PathLike, name: PathLike, value: PathLike, options: SetXattrOptions = {}): void {
    this.onInode('setxattr', path, options.follow ?? true, (inode) =>
      this.filesystem.setXattr(inode, Buffer.from(name), Buffer.from(value), options.mode),
    );
  }

  /** Names, with their namespaces; in no particular order. */
  listxattrSync(path: PathLike, options: FollowOptions = {}): Buffer[] {
    return this.onInode('listxattr', path, options.follow ?? true, (inode) =>
      this.filesystem.listXattr(inode).map((name) => Buffer.from(name)),
    );
  }

  /** @throws FsError ENODATA */
  removexattrSync(path: PathLike, name: PathLike, options: FollowOptions = {}): void {
    this.onInode('removexattr', path, options.follow ?? true, (inode) =>
      this.filesystem.removeXattr(inode, Buffer.from(name)),
    );
  }

  protected resize(inode: Inode, size: number): void {
    if (size < 0 || !Number.isSafeInteger(size)) throw new FsError('EINVAL', `${size} is no size of a file`);
    this.filesystem.setAttributes(inode, { size });
  }

  private statOf(syscall: string, path: PathLike, follow: boolean, options: StatOptions): AnyStats | undefined {
    return this.call(syscall, path, () => {
      const { inode } = this.statPlace(path, follow, options);
      if (inode !== undefined) return this.stats(inode, options);
      if (options.throwIfNoEntry === false) return undefined;
      throw new FsError('ENOENT', 'there is no such file or directory');
    });
  }

  private statPlace(path: PathLike, follow: boolean, options: StatOptions): { inode: Inode | undefined } {
    try {
      return this.paths.place(path, follow);
    } catch (error) {
      const isAbsent = error instanceof FsError && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
      if (isAbsent && options.throwIfNoEntry === false) return { inode: undefined };
      throw error;
    }
  }

  private stats(inode: Inode, { bigint }: { readonly bigint?: boolean }): AnyStats {
    const attributes = this.filesystem.stat(inode);
    return bigint === true ? VolumeStats.bigints(attributes) : VolumeStats.numbers(attributes);
  }

  private chownInode(inode: Inode, uid: number, gid: number): void {
    this.filesystem.setAttributes(inode, { ...(uid === -1 ? {} : { uid }), ...(gid === -1 ? {} : { gid }) });
  }

  private setTimes(inode: Inode, atime: TimeLike, mtime: TimeLike): void {
    this.filesystem.setAttributes(inode, { atime: timespecOf(atime), mtime: timespecOf(mtime) });
  }
}
