/** Directories and names: making, listing, linking, moving and removing. */
import { FsError, isFsError } from '../bytes/index.js';
import type { DirectoryEntry, Inode, RenameMode } from '../filesystem/index.js';
import { AttributeCalls } from './attribute-calls.js';
import { VolumeDirectory } from './directory.js';
import type { Place } from './path-walk.js';
import { joinPath, type PathLike, pathBytes } from './paths.js';
import { VolumeDirent } from './stats.js';

export interface MkdirOptions {
  /** Make missing directories on the way, too; one that is there already is fine. */
  readonly recursive?: boolean;
  /** Permission bits. Default 0o777, less the umask. */
  readonly mode?: number;
}

export interface ReaddirOptions {
  readonly encoding?: BufferEncoding | 'buffer' | null;
  readonly withFileTypes?: boolean;
  readonly recursive?: boolean;
}

export interface RmOptions {
  /** What is not there is no error. */
  readonly force?: boolean;
  readonly recursive?: boolean;
}

export interface RenameOptions {
  /** `noreplace` refuses to replace (EEXIST); `exchange` swaps the two. Default `replace`. */
  readonly mode?: RenameMode;
}

type EncodingOption = BufferEncoding | { readonly encoding?: BufferEncoding | null } | null;
type BufferOption = 'buffer' | { readonly encoding: 'buffer' };
interface Listing {
  readonly withFileTypes?: false;
  readonly recursive?: boolean;
}

const TEMPORARY_NAME_CHARACTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

export class NameCalls extends AttributeCalls {
  /** @returns with `recursive`, the first directory made, if any. @throws FsError EEXIST, ENOENT, ENOKEY */
  mkdirSync(path: PathLike, options: number | MkdirOptions | null = {}): string | undefined {
    const { recursive = false, mode = 0o777 } = typeof options === 'number' ? { mode: options } : (options ?? {});
    return this.call('mkdir', path, () => {
      if (recursive) return this.makeAll(pathBytes(path), mode);
      this.makeDirectory(path, mode);
      return undefined;
    });
  }

  mkdtempSync(prefix: PathLike): string {
    return this.call('mkdtemp', prefix, () => {
      for (;;) {
        const path = Buffer.concat([pathBytes(prefix), Buffer.from(this.randomSuffix())]);
        if (this.paths.place(path, false).inode !== undefined) continue;
        this.makeDirectory(path, 0o700);
        return path.toString();
      }
    });
  }

  /** Names in the order of their making; with `recursive`, paths relative to `path`. @throws FsError ENOTDIR */
  readdirSync(
    path: PathLike,
    options?: BufferEncoding | ({ encoding?: BufferEncoding | null } & Listing) | null,
  ): string[];
  readdirSync(path: PathLike, options: 'buffer' | ({ encoding: 'buffer' } & Listing)): Buffer[];
  readdirSync(
    path: PathLike,
    options: { withFileTypes: true; encoding: 'buffer'; recursive?: boolean },
  ): VolumeDirent<Buffer>[];
  readdirSync(
    path: PathLike,
    options: { withFileTypes: true; encoding?: BufferEncoding | null; recursive?: boolean },
  ): VolumeDirent[];
  readdirSync(
    path: PathLike,
    options: BufferEncoding | 'buffer' | ReaddirOptions | null = {},
  ): string[] | Buffer[] | VolumeDirent[] | VolumeDirent<Buffer>[] {
    const { encoding, withFileTypes, recursive } =
      typeof options === 'string' ? { encoding: options } : (options ?? {});
    const found = this.call('scandir', path, () => this.list(pathBytes(path), recursive ?? false));
    if (withFileTypes !== true) {
      if (encoding === 'buffer') return found.map(({ below }) => below);
      return found.map(({ below }) => below.toString(encoding ?? 'utf8'));
    }
    if (encoding === 'buffer') {
      return found.map(({ entry, parent }) => new VolumeDirent(Buffer.from(entry.name), parent, entry.type, entry));
    }
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString(encoding ?? 'utf8');
    return found.map(({ entry, parent }) => new VolumeDirent(text(entry.name), text(parent), entry.type, entry));
  }

  /** Opens a directory to list it entry by entry, however large it is. */
  opendirSync(path: PathLike): VolumeDirectory {
    return this.onInode('opendir', path, true, (inode) => {
      const entries = this.filesystem.readDirectory(inode);
      return new VolumeDirectory(Buffer.from(pathBytes(path)), entries);
    });
  }

  /** @throws FsError ENOTEMPTY, ENOTDIR, EBUSY (the top) */
  rmdirSync(path: PathLike): void {
    this.call('rmdir', path, () => this.removeDirectory(this.paths.place(path, false)));
  }

  /** @throws FsError EISDIR, ENOENT */
  unlinkSync(path: PathLike): void {
    this.call('unlink', path, () => {
      const { directory, name, inode, isDirectoryWanted } = this.paths.place(path, false);
      if (inode?.isDirectory === false && isDirectoryWanted) throw new FsError('ENOTDIR', 'it is no directory');
      this.filesystem.unlink(directory, name);
    });
  }

  /** Removes a file, or with `recursive` whatever it is, subvolumes included. @throws FsError EISDIR, ENOENT */
  rmSync(path: PathLike, { force = false, recursive = false }: RmOptions = {}): void {
    this.call('rm', path, () => {
      const place = this.placeToRemove(path, force);
      if (place.inode === undefined) {
        if (force) return;
        throw new FsError('ENOENT', 'there is no such file or directory');
      }
      if (!place.inode.isDirectory) this.filesystem.unlink(place.directory, place.name);
      else if (recursive) this.removeTree(place, pathBytes(path));
      else throw new FsError('EISDIR', 'it is a directory');
    });
  }

  /** @throws FsError EXDEV, EINVAL (below itself), ENOTEMPTY, ENOTDIR, EISDIR, EEXIST, ENOKEY */
  renameSync(oldPath: PathLike, newPath: PathLike, { mode = 'replace' }: RenameOptions = {}): void {
    const work = (): void => {
      const from = this.paths.place(oldPath, false);
      const to = this.paths.place(newPath, false);
      if (from.inode === undefined) throw new FsError('ENOENT', 'there is no such file or directory');
      const wantsDirectory = from.isDirectoryWanted || to.isDirectoryWanted;
      if (wantsDirectory && !from.inode.isDirectory) throw new FsError('ENOTDIR', 'it is no directory');
      if (isSpecialName(from.name) || isSpecialName(to.name))
        throw new FsError('EBUSY', 'the directory cannot be moved');
      this.filesystem.rename(from.directory, from.name, to.directory, to.name, mode);
    };
    this.call('rename', oldPath, work, newPath);
  }

  /** @throws FsError EPERM (directory), EXDEV, EEXIST, EMLINK, ENOKEY */
  linkSync(existingPath: PathLike, newPath: PathLike): void {
    const work = (): void => {
      const inode = this.paths.inode(existingPath, false);
      const { directory, name, isDirectoryWanted, ...to } = this.paths.place(newPath, false);
      if (to.inode !== undefined) throw new FsError('EEXIST', 'the new name is there already');
      if (isDirectoryWanted) throw new FsError('ENOENT', 'there is no such directory');
      this.filesystem.link(inode, directory, name);
    };
    this.call('link', existingPath, work, newPath);
  }

  /** @param target - stored as it is; need not exist. @throws FsError EEXIST, ENAMETOOLONG, ENOKEY */
  symlinkSync(target: PathLike, path: PathLike): void {
    const work = (): void => {
      const { directory, name } = this.newPlace(path, false);
      this.filesystem.symlink(directory, name, pathBytes(target), this.creator);
    };
    this.call('symlink', target, work, path);
  }

  /** @throws FsError EINVAL if it is no symlink */
  readlinkSync(path: PathLike, options?: EncodingOption): string;
  readlinkSync(path: PathLike, options: BufferOption): Buffer;
  readlinkSync(path: PathLike, options: EncodingOption | BufferOption = {}): string | Buffer {
    const encoding = typeof options === 'string' ? options : (options?.encoding ?? 'utf8');
    const target = this.onInode('readlink', path, false, (inode) => Buffer.from(this.filesystem.readlink(inode)));
    return encoding === 'buffer' ? target : target.toString(encoding);
  }

  /** The path without symlinks, `.` and `..`. */
  realpathSync(path: PathLike, options?: EncodingOption): string;
  realpathSync(path: PathLike, options: BufferOption): Buffer;
  realpathSync(path: PathLike, options: EncodingOption | BufferOption = {}): string | Buffer {
    const encoding = typeof options === 'string' ? options : (options?.encoding ?? 'utf8');
    const found = this.call('realpath', path, () => Buffer.from(this.paths.realPath(path)));
    return encoding === 'buffer' ? found : found.toString(encoding);
  }

  /**
   * Makes a fifo, socket, device node or regular file. Not in `node:fs`.
   *
   * @param mode - with file type bits
   * @param rdev - of a device, as in `stat`
   */
  mknodSync(path: PathLike, mode: number, rdev = 0): void {
    this.call('mknod', path, () => {
      const { directory, name } = this.newPlace(path, false);
      const bits = (mode & 0o170000) | this.permissions(mode);
      this.filesystem.mknod(directory, name, bits, this.creator, rdev);
    });
  }

  /** Where something new may be made. @throws FsError EEXIST */
  protected newPlace(path: PathLike, isDirectory: boolean): Place {
    const place = this.paths.place(path, false);
    if (place.inode !== undefined) throw new FsError('EEXIST', 'it is there already');
    if (place.isDirectoryWanted && !isDirectory) throw new FsError('ENOENT', 'there is no such directory');
    return place;
  }

  private makeDirectory(path: PathLike, mode: number): Inode {
    const { directory, name } = this.newPlace(path, true);
    return this.filesystem.mkdir(directory, name, this.permissions(mode), this.creator);
  }

  /** Makes a directory and those above it. Symlinks to directories on the way are followed. */
  private makeAll(path: Uint8Array, mode: number): string | undefined {
    let first: string | undefined;
    for (const prefix of prefixes(path)) {
      const { inode } = this.paths.place(prefix, true);
      if (inode === undefined) {
        this.makeDirectory(prefix, mode);
        first ??= Buffer.from(prefix).toString();
      } else if (!inode.isDirectory) {
        throw new FsError(prefix.length === path.length ? 'EEXIST' : 'ENOTDIR', 'something else is there');
      }
    }
    return first;
  }

  private list(path: Uint8Array, recursive: boolean): { entry: DirectoryEntry; parent: Buffer; below: Buffer }[] {
    const found: { entry: DirectoryEntry; parent: Buffer; below: Buffer }[] = [];
    const visit = (inode: Inode, parent: Buffer, below: Buffer): void => {
      for (const entry of this.filesystem.readDirectory(inode)) {
        const name = Buffer.from(entry.name);
        const shown = joinPath(below, name);
        found.push({ entry, parent, below: shown });
        if (recursive && entry.type === DIRECTORY_TYPE) {
          const child = joinPath(parent, name);
          visit(this.paths.inode(child, false), child, shown);
        }
      }
    };
    visit(this.paths.inode(path, true), Buffer.from(path), Buffer.alloc(0));
    return found;
  }

  private removeDirectory({ directory, name, inode }: Place): void {
    if (inode === undefined) throw new FsError('ENOENT', 'there is no such directory');
    if (inode === this.paths.top) throw new FsError('EBUSY', 'the top of the volume stays');
    this.filesystem.rmdir(directory, name);
  }

  /** Removes what a directory holds, then itself. Paths bound the depth. */
  private removeTree(place: Place, path: Uint8Array): void {
    if (place.inode === this.paths.top) throw new FsError('EBUSY', 'the top of the volume stays');
    if (place.inode !== undefined) {
      for (const entry of this.filesystem.readDirectory(place.inode)) {
        const below = joinPath(path, entry.name);
        const child = this.paths.place(below, false);
        if (child.inode === undefined) continue;
        if (child.inode.isDirectory) this.removeTree(child, below);
        else this.filesystem.unlink(child.directory, child.name);
      }
    }
    this.removeDirectory(place);
  }

  private placeToRemove(path: PathLike, force: boolean): Pick<Place, 'directory' | 'name'> & Partial<Place> & Place {
    try {
      return this.paths.place(path, false);
    } catch (error) {
      if (!force || !isFsError(error, 'ENOENT')) throw error;
      return { directory: this.paths.top, name: Buffer.alloc(0), inode: undefined, isDirectoryWanted: false };
    }
  }

  private randomSuffix(): string {
    const random = new Uint8Array(6);
    this.filesystem.transaction.random.fill(random);
    return Array.from(random, (byte) => TEMPORARY_NAME_CHARACTERS[byte % TEMPORARY_NAME_CHARACTERS.length]).join('');
  }
}

/** FT_DIR. */
const DIRECTORY_TYPE = 2;

function isSpecialName(name: Uint8Array): boolean {
  const text = Buffer.from(name).toString('latin1');
  return text === '.' || text === '..';
}

/** `/a`, `/a/b`, `/a/b/c`. */
function* prefixes(path: Uint8Array): Generator<Uint8Array> {
  const SLASH = 0x2f;
  for (let at = 1; at < path.length; at++) {
    if (path[at] === SLASH && path[at - 1] !== SLASH) yield path.subarray(0, at);
  }
  yield path;
}
