/**
 * Paths that start at a directory of the host and never lead out of it: that directory is their `/`,
 * for `..` and for symlinks, too.
 *
 * Node's calls take paths. So what is found is handed on as `/proc/self/fd/N`, which stands for the
 * very inode, or for the directory in front of a name.
 */
import { closeSync, constants, openSync, readlinkSync } from 'node:fs';
import { type ErrorCode, FsError } from '../../bytes/index.js';
import type { PathLike } from '../../library/index.js';
import { O_PATH, openBelow } from '../host.js';
import { baseName, bytesOf, parentOf } from '../image-path.js';

export class Beneath {
  private readonly top: number;

  /** @throws the host's errors */
  constructor(directory: string) {
    this.top = openSync(directory, O_PATH | constants.O_DIRECTORY);
  }

  close(): void {
    closeSync(this.top);
  }

  /** @param flags - those of open(2). @returns a descriptor. @throws FsError */
  open(path: PathLike, flags: number, mode = 0): number {
    return openBelow(this.top, bytesOf(path), flags, mode);
  }

  /** Runs `work` with an open file or directory. */
  opened<T>(path: PathLike, flags: number, work: (fd: number) => T): T {
    const fd = this.open(path, flags);
    try {
      return work(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Runs `work` with a path that stands for an inode, also for a symlink itself unless `follow`. */
  inode<T>(path: PathLike, follow: boolean, work: (path: Buffer) => T): T {
    return this.opened(path, O_PATH | (follow ? 0 : constants.O_NOFOLLOW), (fd) => work(Buffer.from(pathOf(fd))));
  }

  /**
   * Runs `work` with a path that stands for a name, which need not be there, for calls that do not
   * follow a symlink.
   *
   * @param codeOfTop - what the error is if the path names the top itself, or ends in `..`
   */
  name<T>(path: PathLike, codeOfTop: ErrorCode, work: (path: Buffer) => T): T {
    const name = entryName(path, codeOfTop);
    const end = bytesOf(path).at(-1) === SLASH ? '/' : '';
    return this.opened(parentOf(path), O_PATH | constants.O_DIRECTORY, (directory) =>
      work(Buffer.concat([Buffer.from(`${pathOf(directory)}/`), name, Buffer.from(end)])),
    );
  }

  /** Runs `work` with an open directory and a name in it, which need not be there. */
  entry<T>(path: PathLike, codeOfTop: ErrorCode, work: (directory: number, name: Buffer) => T): T {
    const name = entryName(path, codeOfTop);
    return this.opened(parentOf(path), constants.O_DIRECTORY, (directory) => work(directory, name));
  }

  /** The path of an inode from the top, without symlinks. */
  realPath(path: PathLike): Buffer {
    return this.inode(path, true, (found) => {
      const top = readlinkSync(pathOf(this.top), 'buffer');
      const whole = readlinkSync(found, 'buffer');
      const below = top.length === 1 ? whole : whole.subarray(top.length);
      return below.length === 0 ? Buffer.from('/') : below;
    });
  }
}

const SLASH = 0x2f;

/** Whether a path ends in a name, and not at the top or in `..`. */
export function isEntry(path: PathLike): boolean {
  return !['', '.', '..'].includes(baseName(path).toString('latin1'));
}

function entryName(path: PathLike, codeOfTop: ErrorCode): Buffer {
  if (!isEntry(path)) throw new FsError(codeOfTop, 'that is the top, or ends in ..');
  return baseName(path);
}

function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}
