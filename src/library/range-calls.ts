/** Ranges of files: preallocation, holes, shared extents. None of it is in `node:fs`. */
import { FsError } from '../bytes/index.js';
import { cloneRange, dedupeRange, type FileExtentInfo, type Inode } from '../filesystem/index.js';
import { cloneAll, FileCalls } from './file-calls.js';
import type { PathLike } from './paths.js';

export interface FallocateOptions {
  /** Space past the end of the file does not lengthen it. */
  readonly keepSize?: boolean;
}

/** What {@link RangeCalls.cloneRangeSync} shares. Bytes; sector multiples but at the end of the source. */
export interface CloneOptions {
  readonly sourceOffset?: number;
  /** 0, the default, reaches to the end of the source. */
  readonly length?: number;
  readonly offset?: number;
}

export class RangeCalls extends FileCalls {
  /**
   * Sets space aside for a range of a file, which reads as zeros until written.
   *
   * @throws FsError ENOSPC, EINVAL, EFBIG
   */
  fallocateSync(
    path: PathLike | number,
    offset: number,
    length: number,
    { keepSize = false }: FallocateOptions = {},
  ): void {
    this.onRange('fallocate', path, offset, length, (inode) => inode.data.preallocate(offset, length, keepSize));
  }

  /** Makes a range a hole: zeros that take no space. The size stays. */
  punchHoleSync(path: PathLike | number, offset: number, length: number): void {
    this.onRange('fallocate', path, offset, length, (inode) => inode.data.punchHole(offset, length));
  }

  /** Makes a range zeros with space set aside for it. */
  zeroRangeSync(
    path: PathLike | number,
    offset: number,
    length: number,
    { keepSize = false }: FallocateOptions = {},
  ): void {
    this.onRange('fallocate', path, offset, length, (inode) => inode.data.zeroRange(offset, length, keepSize));
  }

  /**
   * Makes a range of `dest` share the extents of a range of `src`, as FICLONERANGE.
   *
   * @throws FsError EINVAL (not aligned, overlapping, one plain and one encrypted, different keys), ENOSPC
   */
  cloneRangeSync(src: PathLike | number, dest: PathLike | number, options: CloneOptions = {}): void {
    const { sourceOffset = 0, length = 0, offset = 0 } = options;
    this.onBoth('ficlone', src, dest, (source, target) => {
      const wanted = length === 0 ? Math.max(0, source.data.size - sourceOffset) : length;
      cloneRange(source, sourceOffset, wanted, target, offset);
    });
  }

  /**
   * Makes `dest` a file that shares all extents of `src`, as `cp --reflink=always`.
   *
   * @throws FsError as {@link cloneRangeSync}
   */
  reflinkSync(src: PathLike, dest: PathLike): void {
    this.call('ficlone', src, () => this.duplicate(src, dest, false, cloneAll), dest);
  }

  /**
   * Shares the extents of equal ranges, as FIDEDUPERANGE.
   *
   * @returns false, with nothing changed, if the ranges differ
   */
  dedupeRangeSync(
    src: PathLike | number,
    sourceOffset: number,
    length: number,
    dest: PathLike | number,
    offset: number,
  ): boolean {
    return this.onBoth('fidedupe', src, dest, (source, target) =>
      dedupeRange(source, sourceOffset, length, target, offset),
    );
  }

  /** The first byte at or after `offset` that is not in a hole, as SEEK_DATA. @throws FsError ENXIO if there is none */
  seekDataSync(path: PathLike | number, offset: number): number {
    return this.onRegular('lseek', path, 'r', (inode) => inode.data.dataAfter(offset));
  }

  /** The first byte at or after `offset` that is in a hole, the end of the file at the latest, as SEEK_HOLE. */
  seekHoleSync(path: PathLike | number, offset: number): number {
    return this.onRegular('lseek', path, 'r', (inode) => inode.data.holeAfter(offset));
  }

  /** What a file is made of on disk. What was just written appears after the next {@link fsyncSync}. */
  extentsSync(path: PathLike): FileExtentInfo[] {
    return this.onInode('fiemap', path, true, (inode) => {
      if (!inode.isRegular) throw new FsError('EINVAL', 'only regular files have extents');
      return [...inode.data.extents()];
    });
  }

  private onRange(
    syscall: string,
    path: PathLike | number,
    offset: number,
    length: number,
    work: (inode: Inode) => void,
  ): void {
    this.onRegular(syscall, path, 'r+', (inode) => {
      const isRange =
        Number.isSafeInteger(offset) && Number.isSafeInteger(offset + length) && offset >= 0 && length > 0;
      if (!isRange) throw new FsError('EINVAL', `${length} bytes from ${offset} on are no range of a file`);
      work(inode);
    });
  }

  private onBoth<T>(
    syscall: string,
    src: PathLike | number,
    dest: PathLike | number,
    work: (source: Inode, target: Inode) => T,
  ): T {
    return this.onRegular(syscall, src, 'r', (source) =>
      this.onRegular(syscall, dest, 'r+', (target) => work(source, target)),
    );
  }

  private onRegular<T>(syscall: string, path: PathLike | number, flags: 'r' | 'r+', work: (inode: Inode) => T): T {
    return this.withFile(path, flags, 0, (fd) =>
      this.call(syscall, typeof path === 'number' ? undefined : path, () => {
        const { inode, writable } = this.file(fd);
        if (flags === 'r+' && !writable) throw new FsError('EBADF', 'the file is not open for writing');
        if (!inode.isRegular) throw new FsError(inode.isDirectory ? 'EISDIR' : 'EINVAL', 'it is no regular file');
        return work(inode);
      }),
    );
  }
}
