/**
 * What a random sequence of operations drives: the library, the kernel's own btrfs, or the model,
 * behind one set of calls named as in node:fs. Paths are absolute, `/` being the top of the volume.
 *
 * Calls throw errors that carry an errno's name as `code`. Nothing follows a symlink but to fail:
 * the steps only make symlinks that lead nowhere, so following one gives ENOENT.
 */
import { createHash } from 'node:crypto';
import type { EntryType } from './entries.js';

export type RenameMode = 'replace' | 'noreplace' | 'exchange';
export type FallocateMode = 'allocate' | 'keepSize' | 'punchHole' | 'zeroRange' | 'zeroRangeKeepSize';

export interface DrivenStats {
  readonly type: EntryType;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  /** Bytes; of a directory whatever the filesystem likes. */
  readonly size: number;
  /** Nanoseconds since 1970; the model does not know it after a change of its own making. */
  readonly mtimeNs: bigint | undefined;
  /** Equal for two names of one inode, and for them alone. */
  readonly identity: string;
}

export interface DrivenFilesystem {
  lstat(path: string): DrivenStats;
  /** Names without `.` and `..`, in any order. */
  readdir(path: string): string[];
  readFile(path: string): Uint8Array;
  readlink(path: string): string;
  /** Names in any order, values. */
  xattrs(path: string): Record<string, Uint8Array>;

  /** Makes an empty file. EEXIST if there is anything at the path. */
  create(path: string, mode: number): void;
  mkdir(path: string, mode: number): void;
  symlink(target: string, path: string): void;
  mkfifo(path: string, mode: number): void;
  link(existing: string, path: string): void;
  unlink(path: string): void;
  rmdir(path: string): void;
  rename(from: string, to: string, mode: RenameMode): void;

  /** Writes into a file that exists, like open without O_CREAT, pwrite and close. */
  write(path: string, position: number, bytes: Uint8Array): void;
  truncate(path: string, size: number): void;
  fallocate(path: string, mode: FallocateMode, offset: number, length: number): void;
  /** Like FICLONERANGE: `length` 0 reaches to the end of the source. */
  cloneRange(from: string, offset: number, length: number, to: string, position: number): void;

  chmod(path: string, mode: number): void;
  chown(path: string, uid: number, gid: number): void;
  utimes(path: string, mtimeNs: bigint): void;
  setXattr(path: string, name: string, value: Uint8Array): void;
  removeXattr(path: string, name: string): void;

  createSubvolume(path: string): void;
  snapshot(source: string, path: string, readOnly: boolean): void;
  deleteSubvolume(path: string): void;
  /** Encrypts an empty directory under one of the caller's named policies. */
  setPolicy?(path: string, policy: string): void;

  /** Makes everything durable. */
  sync(): void;
  /** Closes and opens again. */
  reopen?(): void;
}

/** One entry of a whole-state comparison. */
export interface EntryState {
  readonly type: EntryType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly mtimeNs?: bigint | undefined;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
  readonly xattrs?: Record<string, string>;
  /** The first path, in order, of the same inode. */
  readonly sameAs?: string;
}

export type FilesystemState = Map<string, EntryState>;

/** Everything a user can see below `top`, by path in order. */
export function stateOf(filesystem: DrivenFilesystem, top = '/'): FilesystemState {
  const state: FilesystemState = new Map();
  const firstPaths = new Map<string, string>();
  const visit = (path: string): void => {
    const stats = filesystem.lstat(path);
    const sameAs = stats.type !== 'dir' && stats.nlink > 1 ? firstPaths.get(stats.identity) : undefined;
    firstPaths.set(stats.identity, sameAs ?? path);
    state.set(path, { ...entryState(filesystem, path, stats), ...(sameAs === undefined ? {} : { sameAs }) });
    if (stats.type !== 'dir') return;
    for (const name of filesystem.readdir(path).sort()) visit(path === '/' ? `/${name}` : `${path}/${name}`);
  };
  visit(top);
  return state;
}

function entryState(filesystem: DrivenFilesystem, path: string, stats: DrivenStats): EntryState {
  const { type, mode, uid, gid, nlink, mtimeNs, size } = stats;
  const xattrs = Object.entries(filesystem.xattrs(path)).map(([name, value]) => [
    name,
    Buffer.from(value).toString('hex'),
  ]);
  return {
    type,
    mode,
    uid,
    gid,
    nlink,
    mtimeNs,
    ...(type === 'file' ? { size, sha256: createHash('sha256').update(filesystem.readFile(path)).digest('hex') } : {}),
    ...(type === 'symlink' ? { target: filesystem.readlink(path) } : {}),
    ...(xattrs.length > 0 ? { xattrs: Object.fromEntries(xattrs.sort()) } : {}),
  };
}

/** The real state with the times left out that the model does not know, to be compared with the model's. */
export function comparableState(real: FilesystemState, model: FilesystemState): FilesystemState {
  const known = (path: string, entry: EntryState): EntryState =>
    model.get(path)?.mtimeNs === undefined ? { ...entry, mtimeNs: undefined } : entry;
  return new Map([...real].map(([path, entry]) => [path, known(path, entry)]));
}
