/** Open files, their contents, and copies. */
import { constants } from 'node:fs';
import { FsError, isFsError } from '../bytes/index.js';
import { cloneRange, type Inode } from '../filesystem/index.js';
import type { OpenFile } from './calls.js';
import { NameCalls } from './name-calls.js';
import { type OpenFlags, type OpenMode, parseFlags } from './open-flags.js';
import type { PathLike } from './paths.js';

export interface ReadOptions {
  readonly offset?: number;
  readonly length?: number;
  /** Where in the file; null, the default, reads on from where the last read ended. */
  readonly position?: number | bigint | null;
}

export interface ReadFileOptions {
  readonly encoding?: BufferEncoding | null;
  readonly flag?: OpenFlags;
}

export interface WriteFileOptions {
  readonly encoding?: BufferEncoding | null;
  /** Permission bits of a new file. Default 0o666, less the umask. */
  readonly mode?: number;
  readonly flag?: OpenFlags;
}

type TextOptions = BufferEncoding | { readonly encoding: BufferEncoding; readonly flag?: OpenFlags };
type BytesOptions = { readonly encoding?: null; readonly flag?: OpenFlags } | null;

const COPY_PIECE = 1024 * 1024;

export class FileCalls extends NameCalls {
  /**
   * Opens a file, or a directory for reading.
   *
   * @returns a descriptor of this volume, no number the host knows
   * @throws FsError ENOENT, EEXIST, EISDIR, ENOTDIR, ELOOP (`O_NOFOLLOW`), ENOKEY, EROFS, ENXIO (fifo, socket, device)
   */
  openSync(path: PathLike, flags: OpenFlags = 'r', mode = 0o666): number {
    return this.call('open', path, () => this.open(path, parseFlags(flags), mode));
  }

  closeSync(fd: number): void {
    this.onFile('close', fd, () => this.removeFile(fd));
  }

  /** @returns bytes read; 0 at the end of the file. @throws FsError EBADF, EISDIR, EIO, EUCLEAN, ENOKEY */
  readSync(fd: number, buffer: Uint8Array, options?: ReadOptions | null): number;
  readSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | bigint | null): number;
  readSync(
    fd: number,
    buffer: Uint8Array,
    options: ReadOptions | number | null = {},
    length?: number,
    position?: number | bigint | null,
  ): number {
    return this.onFile('read', fd, (file) => {
      const where = typeof options === 'number' ? { offset: options, length, position } : (options ?? {});
      const into = part(buffer, where.offset, where.length);
      return this.readAt(file, into, where.position ?? null);
    });
  }

  /** @returns bytes written: fewer than asked when space ran out on the way. @throws FsError EBADF, ENOSPC, EFBIG */
  writeSync(
    fd: number,
    buffer: Uint8Array,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): number;
  writeSync(fd: number, text: string, position?: number | null, encoding?: BufferEncoding | null): number;
  writeSync(
    fd: number,
    data: Uint8Array | string,
    offset?: number | null,
    length?: number | BufferEncoding | null,
    position?: number | null,
  ): number {
    return this.onFile('write', fd, (file) => {
      if (typeof data === 'string') {
        const encoding = typeof length === 'string' ? length : 'utf8';
        return this.writeAt(file, Buffer.from(data, encoding), offset ?? null);
      }
      const bytes = part(data, offset ?? 0, typeof length === 'number' ? length : undefined);
      return this.writeAt(file, bytes, position ?? null);
    });
  }

  /** All of a file. @throws FsError as {@link openSync} and {@link readSync} */
  readFileSync(path: PathLike | number, options?: BytesOptions): Buffer;
  readFileSync(path: PathLike | number, options: TextOptions): string;
  readFileSync(path: PathLike | number, options: ReadFileOptions | BufferEncoding | null = {}): string | Buffer {
    const { encoding, flag } = typeof options === 'string' ? { encoding: options } : (options ?? {});
    const bytes = this.withFile(path, flag ?? 'r', 0, (fd) => this.onFile('read', fd, (file) => this.readAll(file)));
    return encoding === undefined || encoding === null ? bytes : bytes.toString(encoding);
  }

  /** Replaces the contents. @throws FsError as {@link openSync}; ENOSPC with what fitted written */
  writeFileSync(
    path: PathLike | number,
    data: string | Uint8Array,
    options: WriteFileOptions | BufferEncoding | null = {},
  ): void {
    const { encoding, mode, flag } = typeof options === 'string' ? { encoding: options } : (options ?? {});
    const bytes = typeof data === 'string' ? Buffer.from(data, encoding ?? 'utf8') : data;
    this.withFile(path, flag ?? 'w', mode ?? 0o666, (fd) =>
      this.onFile('write', fd, (file) => this.writeAll(file, bytes)),
    );
  }

  appendFileSync(
    path: PathLike | number,
    data: string | Uint8Array,
    options: WriteFileOptions | BufferEncoding | null = {},
  ): void {
    const given = typeof options === 'string' ? { encoding: options } : (options ?? {});
    this.writeFileSync(path, data, { flag: 'a', ...given });
  }

  /** Makes the file durable, and more of the volume where that is less work. */
  fsyncSync(fd: number): void {
    this.onFile('fsync', fd, ({ inode }) => this.filesystem.fsync(inode));
  }

  fdatasyncSync(fd: number): void {
    this.onFile('fdatasync', fd, ({ inode }) => this.filesystem.fsync(inode));
  }

  /**
   * Copies the contents and permission bits of a regular file.
   *
   * @param mode - `COPYFILE_EXCL`: EEXIST if `dest` is there. `COPYFILE_FICLONE`: share the extents if possible;
   * `COPYFILE_FICLONE_FORCE`: or fail
   */
  copyFileSync(src: PathLike, dest: PathLike, mode = 0): void {
    const work = (): void => {
      const exclusive = (mode & constants.COPYFILE_EXCL) !== 0;
      const { COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = constants;
      if ((mode & (COPYFILE_FICLONE | COPYFILE_FICLONE_FORCE)) !== 0) {
        try {
          this.duplicate(src, dest, exclusive, cloneAll);
          return;
        } catch (error) {
          if ((mode & COPYFILE_FICLONE_FORCE) !== 0 || !isFsError(error, 'EINVAL')) throw error;
        }
      }
      this.duplicate(src, dest, exclusive, copyData);
    };
    this.call('copyfile', src, work, dest);
  }

  /** Makes `dest` a copy of the regular file `src` by `work`; if that fails, a new `dest` goes and an old one stays. */
  protected duplicate(
    src: PathLike,
    dest: PathLike,
    exclusive: boolean,
    work: (source: Inode, target: Inode) => void,
  ): void {
    const { O_RDWR, O_CREAT, O_EXCL } = constants;
    this.withFile(src, 'r', 0, (source) => {
      const from = this.file(source).inode;
      if (!from.isRegular) throw new FsError('EINVAL', 'only regular files are copied');
      const old = this.paths.place(dest, true).inode;
      if (exclusive && old !== undefined) throw new FsError('EEXIST', 'something is there');
      if (old === from) return;
      const flags = exclusive ? O_RDWR | O_CREAT | O_EXCL : O_RDWR | O_CREAT;
      this.withFile(dest, flags, from.item.mode & 0o777, (target) => {
        try {
          const to = this.file(target).inode;
          work(from, to);
          if (to.data.size !== from.data.size) this.resize(to, from.data.size);
        } catch (error) {
          if (old === undefined) this.removeNew(dest);
          throw error;
        }
      });
    });
  }

  /** Opens unless it is open already, and closes what it opened. */
  protected withFile<T>(path: PathLike | number, flags: OpenFlags, mode: number, work: (fd: number) => T): T {
    if (typeof path === 'number') return work(path);
    const fd = this.openSync(path, flags, mode);
    try {
      return work(fd);
    } finally {
      this.closeSync(fd);
    }
  }

  private open(path: PathLike, flags: OpenMode, mode: number): number {
    const follow = !flags.noFollow && !(flags.create && flags.exclusive);
    const place = this.paths.place(path, follow);
    const { directory } = place;
    if (place.inode === undefined && !flags.create) throw new FsError('ENOENT', 'there is no such file');
    if (place.inode === undefined && place.isDirectoryWanted)
      throw new FsError('EISDIR', 'files have no slash at the end');
    if (place.inode !== undefined && flags.create && flags.exclusive)
      throw new FsError('EEXIST', 'it is there already');
    const isNew = place.inode === undefined;
    const found = place.inode ?? this.filesystem.create(directory, place.name, this.permissions(mode), this.creator);
    this.checkOpenable(found, flags);
    const inode = this.filesystem.openInode(found, directory);
    try {
      if (flags.truncate && !isNew && inode.isRegular && flags.writable) this.resize(inode, 0);
    } catch (error) {
      this.filesystem.closeInode(inode);
      throw error;
    }
    return this.addFile({ inode, position: 0, ...flags });
  }

  private checkOpenable(inode: Inode, { writable, directory }: OpenMode): void {
    if (inode.isSymlink) throw new FsError('ELOOP', 'it is a symlink');
    if (directory && !inode.isDirectory) throw new FsError('ENOTDIR', 'it is no directory');
    if (inode.isDirectory && writable) throw new FsError('EISDIR', 'it is a directory');
    if (!inode.isDirectory && !inode.isRegular)
      throw new FsError('ENXIO', 'fifos, sockets and devices have no contents here');
    if (writable) this.filesystem.assertWritable(inode.subvolume);
  }

  private readAt(file: OpenFile, into: Uint8Array, position: number | bigint | null): number {
    if (!file.readable) throw new FsError('EBADF', 'the file is not open for reading');
    if (file.inode.isDirectory) throw new FsError('EISDIR', 'it is a directory');
    const isAtCursor = position === null || Number(position) < 0;
    const at = isAtCursor ? file.position : Number(position);
    const count = file.inode.data.read(at, into);
    if (isAtCursor) file.position += count;
    return count;
  }

  private writeAt(file: OpenFile, bytes: Uint8Array, position: number | null): number {
    if (!file.writable) throw new FsError('EBADF', 'the file is not open for writing');
    const isAtCursor = position === null;
    const at = file.append ? file.inode.data.size : (position ?? file.position);
    const count = file.inode.data.write(at, bytes);
    if (isAtCursor) file.position = at + count;
    return count;
  }

  private readAll(file: OpenFile): Buffer {
    if (file.inode.isDirectory) throw new FsError('EISDIR', 'it is a directory');
    const length = Math.max(0, file.inode.data.size - file.position);
    if (length > MAX_READ_FILE) throw new FsError('EFBIG', `a file of ${length} bytes does not fit into one buffer`);
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, this.readAt(file, bytes, null));
  }

  private writeAll(file: OpenFile, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) done += this.writeAt(file, bytes.subarray(done), null);
  }

  private removeNew(path: PathLike): void {
    const { directory, name } = this.paths.place(path, true);
    this.filesystem.unlink(directory, name);
  }
}

/** As `fs.readFileSync` has it: 2 GiB. */
const MAX_READ_FILE = 2 ** 31 - 1;

/** Makes the target share everything the source has. */
export function cloneAll(source: Inode, target: Inode): void {
  cloneRange(source, 0, source.data.size, target, 0);
}

/** Copies data; holes stay holes. */
function copyData(source: Inode, target: Inode): void {
  target.data.truncate(0);
  const piece = Buffer.alloc(COPY_PIECE);
  const { size } = source.data;
  for (let at = nextData(source, 0); at < size; ) {
    const end = Math.min(source.data.holeAfter(at), at + COPY_PIECE);
    const bytes = piece.subarray(0, end - at);
    source.data.read(at, bytes);
    const count = target.data.write(at, bytes);
    if (count < bytes.length) throw new FsError('ENOSPC', 'the volume is full');
    at = nextData(source, end);
  }
}

function nextData(inode: Inode, offset: number): number {
  try {
    return inode.data.dataAfter(offset);
  } catch (error) {
    if (isFsError(error, 'ENXIO')) return inode.data.size;
    throw error;
  }
}

function part(buffer: Uint8Array, offset = 0, length = buffer.length - offset): Uint8Array {
  const end = offset + length;
  if (offset < 0 || length < 0 || end > buffer.length) throw new FsError('EINVAL', 'the range leaves the buffer');
  return buffer.subarray(offset, end);
}
