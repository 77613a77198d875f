/**
 * What all calls of a volume's filesystem share: finding inodes, open files, and errors in the
 * form that `node:fs` gives them.
 */
import { FsError, systemText } from '../bytes/index.js';
import type { Filesystem, Inode } from '../filesystem/index.js';
import { PathWalk } from './path-walk.js';
import { type PathLike, pathText } from './paths.js';

/** Who owns what is created, and which permission bits it does not get. */
export interface Creator {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
}

/** One open file. */
export interface OpenFile {
  readonly inode: Inode;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly append: boolean;
  /** Where the next read or write without a position happens. Bytes. */
  position: number;
}

/** Descriptors below are the host's own by convention, so a mix-up shows at once. */
const FIRST_DESCRIPTOR = 3;

export class Calls {
  protected readonly filesystem: Filesystem;
  protected readonly paths: PathWalk;
  protected readonly creator: Creator;
  private readonly files = new Map<number, OpenFile>();
  private isClosed = false;

  constructor(filesystem: Filesystem, topSubvolume: number, creator: Creator) {
    this.filesystem = filesystem;
    this.paths = new PathWalk(filesystem, topSubvolume);
    this.creator = creator;
  }

  /** Closes all open files; every later call gives EBADF. */
  protected end(): void {
    this.isClosed = true;
    for (const { inode } of this.files.values()) this.filesystem.closeInode(inode);
    this.files.clear();
  }

  /**
   * Runs one call and gives its errors the form of `node:fs`; the inner error is the `cause`. Of a
   * call that is made of others, the outermost gives its name; errors of the host stay as they are.
   */
  protected call<T>(syscall: string, path: PathLike | undefined, work: () => T, dest?: PathLike): T {
    try {
      if (this.isClosed) throw new FsError('EBADF', 'the volume is closed');
      return work();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      const inner = error.syscall !== undefined && error.cause instanceof FsError ? error.cause : error;
      if (inner.syscall !== undefined) throw error;
      throw callError(inner, syscall, path, dest);
    }
  }

  /** As {@link call}, for a path or a descriptor: hands the inode to `work`. */
  protected onInode<T>(syscall: string, path: PathLike, follow: boolean, work: (inode: Inode) => T): T {
    return this.call(syscall, path, () => work(this.paths.inode(path, follow)));
  }

  protected onFile<T>(syscall: string, fd: number, work: (file: OpenFile) => T): T {
    return this.call(syscall, undefined, () => work(this.file(fd)));
  }

  protected file(fd: number): OpenFile {
    const file = this.files.get(fd);
    if (file === undefined) throw new FsError('EBADF', `${fd} is no open file`);
    return file;
  }

  protected addFile(file: OpenFile): number {
    let fd = FIRST_DESCRIPTOR;
    while (this.files.has(fd)) fd += 1;
    this.files.set(fd, file);
    return fd;
  }

  protected removeFile(fd: number): void {
    const { inode } = this.file(fd);
    this.files.delete(fd);
    this.filesystem.closeInode(inode);
  }

  protected permissions(mode: number): number {
    return mode & ~this.creator.umask & 0o7777;
  }
}

function callError(error: FsError, syscall: string, path: PathLike | undefined, dest: PathLike | undefined): FsError {
  const details = {
    syscall,
    cause: error,
    ...(path === undefined ? {} : { path: pathText(path) }),
    ...(dest === undefined ? {} : { dest: pathText(dest) }),
  };
  const from = details.path === undefined ? '' : ` '${details.path}'`;
  const to = details.dest === undefined ? '' : ` -> '${details.dest}'`;
  return new FsError(error.code, `${describeCode(error)}, ${syscall}${from}${to}`, details);
}

/** The system's own words; ours where it has none for the code. */
function describeCode(error: FsError): string {
  return systemText(error.code) ?? error.message.slice(error.code.length + 2);
}
