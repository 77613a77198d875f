/** What a volume shows of its entries, in one form whoever lists it: the kernel, the library, a manifest. */
import { isUtf8 } from 'node:buffer';

export type EntryType = 'dir' | 'file' | 'symlink' | 'blk' | 'chr' | 'fifo' | 'socket';

export interface Entry {
  /** Relative to the top of the volume, which is `.`; see {@link pathText}. */
  path: string;
  type: EntryType;
  ino: number;
  /** Permission bits. */
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  /** Bytes. */
  size: number;
  /** Nanoseconds since 1970. */
  mtimeNs: bigint;
  target?: string;
  /** Major and minor number. */
  rdev?: readonly [number, number];
  /** Of a regular file's contents. */
  sha256?: string;
  /** Values in hexadecimal; absent when there are none. */
  xattrs?: Record<string, string>;
}

/** A path as a string that two different paths never share: as it is, or `hex:` when it is not UTF-8. */
export function pathText(path: Uint8Array): string {
  return isUtf8(path) ? Buffer.from(path).toString() : `hex:${Buffer.from(path).toString('hex')}`;
}

/** The order of listings that are compared. */
export function sortEntries<T extends { path: string }>(entries: T[]): T[] {
  return entries.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

const TYPES = new Map<number, EntryType>([
  [0o040000, 'dir'],
  [0o100000, 'file'],
  [0o120000, 'symlink'],
  [0o060000, 'blk'],
  [0o020000, 'chr'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
]);

/** The type in the mode of an inode, as stat(2) has it. */
export function entryType(mode: number): EntryType {
  const type = TYPES.get(mode & 0o170000);
  if (type === undefined) throw new Error(`mode ${mode.toString(8)} is of no file type`);
  return type;
}

/** Major and minor number of a Linux `dev_t` as stat(2) gives it. */
export function deviceNumbers(rdev: bigint): readonly [number, number] {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return [Number(major), Number(minor)];
}
