/** One entry of a listing, in the form of docs/CLI.md ("Entries"). */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { FsError, isFsError } from '../bytes/index.js';
import type { FilePolicy, VolumeStats } from '../library/index.js';
import type { CommandFs } from './command-volume.js';
import { join } from './image-path.js';

export type EntryType = 'dir' | 'file' | 'symlink' | 'blk' | 'chr' | 'fifo' | 'socket';

export interface EntryPolicy {
  readonly version: 2;
  readonly contents_mode: number;
  readonly filenames_mode: number;
  readonly flags: number;
  readonly log2_data_unit_size: number;
  readonly master_key_identifier: string;
}

/** Fields are missing where they make no sense, or where an `…_error` says why there is none. */
export interface Entry {
  /** From the top of the volume, which is `.`; null where it is no UTF-8. */
  path: string | null;
  path_hex?: string;
  type?: EntryType;
  ino?: number;
  /** Id of the subvolume. */
  root?: number;
  /** Permission bits, octal. */
  mode?: string;
  uid?: number;
  gid?: number;
  nlink?: number;
  size?: number;
  mtime_ns?: bigint;
  encrypted?: boolean;
  policy?: EntryPolicy;
  nonce?: string;
  target?: string;
  target_hex?: string;
  rdev?: [major: number, minor: number];
  /** Values in hexadecimal. */
  xattrs?: Record<string, string>;
  sha256?: string;
  stat_error?: string;
  open_error?: string;
  flags_error?: string;
  policy_error?: string;
}

/** What a listing has to show of each entry. */
export interface EntryDetails {
  readonly sha256: boolean;
}

const READ_PIECE = 1024 * 1024;
/** The inode number of the directory that stands for a subvolume missing in a snapshot. */
const PLACEHOLDER_INO = 2;

/** Describes the entry at a path; what cannot be told is told as an error in it. */
export function describeEntry(fs: CommandFs, path: Uint8Array, details: EntryDetails): Entry {
  const entry: Entry = pathFields(path);
  let stats: VolumeStats<bigint>;
  try {
    stats = fs.lstatSync(fullPath(path), { bigint: true });
  } catch (error) {
    return { ...entry, root: rootOf(fs, path), stat_error: codeOf(error) };
  }
  Object.assign(entry, statFields(stats));
  if (stats.ino === BigInt(PLACEHOLDER_INO)) return { ...entry, flags_error: 'ENOTTY', policy_error: 'ENOTTY' };
  addXattrs(fs, path, entry);
  if (stats.isSymbolicLink()) addTarget(fs, path, entry);
  if (stats.isFile() || stats.isDirectory()) addEncryption(fs, path, stats, entry);
  if (stats.isFile() && details.sha256 && entry.open_error === undefined) addDigest(fs, path, entry);
  return entry;
}

/** Entries below a directory, depth first, names in ascending order. The directory itself is not among them. */
export function* entriesBelow(
  fs: CommandFs,
  directory: Uint8Array,
  isRecursive: boolean,
): Generator<{ path: Buffer; isDirectory: boolean }> {
  const found = [...fs.opendirSync(fullPath(directory))];
  found.sort((a, b) => Buffer.compare(a.name, b.name));
  for (const dirent of found) {
    const path = isTop(directory) ? dirent.name : join(directory, dirent.name);
    const isDirectory = dirent.isDirectory();
    yield { path, isDirectory };
    if (isRecursive && isDirectory && canEnter(fs, path)) yield* entriesBelow(fs, path, true);
  }
}

/** A subvolume in an encrypted directory cannot be entered without the key; its entry says so. */
function canEnter(fs: CommandFs, path: Uint8Array): boolean {
  try {
    return fs.lstatSync(fullPath(path)).isDirectory();
  } catch (error) {
    if (isFsError(error)) return false;
    throw error;
  }
}

/** The path of an entry as the library takes it. */
export function fullPath(path: Uint8Array): Buffer {
  return isTop(path) ? Buffer.from('/') : join('/', path);
}

/** The subvolume of the directory that an entry is in. */
function rootOf(fs: CommandFs, path: Uint8Array): number {
  const slash = path.lastIndexOf(0x2f);
  return fs.lstatSync(fullPath(path.subarray(0, Math.max(0, slash)))).dev;
}

export function isTop(path: Uint8Array): boolean {
  const text = Buffer.from(path).toString('latin1');
  return text === '.' || /^\/*$/.test(text);
}

/** The form that entries have: from the top, no slash before or after. */
export function entryPath(path: Uint8Array): Buffer {
  let start = 0;
  let end = path.length;
  while (start < end && path[start] === 0x2f) start += 1;
  while (end > start && path[end - 1] === 0x2f) end -= 1;
  return start === end ? Buffer.from('.') : Buffer.from(path.subarray(start, end));
}

export function typeOf(stats: VolumeStats<bigint>): EntryType {
  if (stats.isDirectory()) return 'dir';
  if (stats.isFile()) return 'file';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isBlockDevice()) return 'blk';
  if (stats.isCharacterDevice()) return 'chr';
  return stats.isFIFO() ? 'fifo' : 'socket';
}

export function policyFields(policy: FilePolicy): EntryPolicy {
  return {
    version: 2,
    contents_mode: policy.contentsMode,
    filenames_mode: policy.filenamesMode,
    flags: policy.flags,
    log2_data_unit_size: policy.log2DataUnitSize,
    master_key_identifier: Buffer.from(policy.masterKeyIdentifier).toString('hex'),
  };
}

function pathFields(path: Uint8Array): Entry {
  const bytes = Buffer.from(path);
  return isUtf8(bytes) ? { path: bytes.toString() } : { path: null, path_hex: bytes.toString('hex') };
}

function statFields(stats: VolumeStats<bigint>): Partial<Entry> {
  const isDevice = stats.isBlockDevice() || stats.isCharacterDevice();
  return {
    type: typeOf(stats),
    ino: Number(stats.ino),
    root: Number(stats.dev),
    mode: (Number(stats.mode) & 0o7777).toString(8),
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    nlink: Number(stats.nlink),
    size: Number(stats.size),
    mtime_ns: stats.mtimeNs,
    ...(isDevice ? { rdev: deviceNumbers(Number(stats.rdev)) } : {}),
  };
}

function deviceNumbers(rdev: number): [number, number] {
  return [(rdev >>> 8) & 0xfff, (rdev & 0xff) | ((rdev >>> 12) & 0xfff00)];
}

function addXattrs(fs: CommandFs, path: Uint8Array, entry: Entry): void {
  const names = fs.listxattrSync(fullPath(path), { follow: false }).sort(Buffer.compare);
  if (names.length === 0) return;
  const value = (name: Buffer): string => fs.getxattrSync(fullPath(path), name, { follow: false }).toString('hex');
  entry.xattrs = Object.fromEntries(names.map((name) => [name.toString(), value(name)]));
}

function addTarget(fs: CommandFs, path: Uint8Array, entry: Entry): void {
  try {
    const target = fs.readlinkSync(fullPath(path), 'buffer');
    if (isUtf8(target)) entry.target = target.toString();
    else entry.target_hex = target.toString('hex');
  } catch (error) {
    entry.open_error = codeOf(error);
  }
}

/** As the kernel does, a regular file tells its policy only to who can open it. */
function addEncryption(fs: CommandFs, path: Uint8Array, stats: VolumeStats<bigint>, entry: Entry): void {
  try {
    if (stats.isFile()) fs.closeSync(fs.openSync(fullPath(path)));
    entry.encrypted = stats.encrypted;
    if (!stats.encrypted) return;
    const policy = fs.getPolicySync(fullPath(path), { follow: false });
    entry.policy = policyFields(policy);
    if (policy.nonce !== undefined) entry.nonce = policy.nonce.toString('hex');
  } catch (error) {
    const code = codeOf(error);
    if (stats.isFile() && entry.encrypted === undefined) Object.assign(entry, { open_error: code, flags_error: code });
    entry.policy_error = code;
  }
}

function addDigest(fs: CommandFs, path: Uint8Array, entry: Entry): void {
  try {
    entry.sha256 = digestOf(fs, fullPath(path));
  } catch (error) {
    entry.open_error = codeOf(error);
  }
}

function digestOf(fs: CommandFs, path: Uint8Array): string {
  const hash = createHash('sha256');
  const fd = fs.openSync(path);
  const piece = Buffer.alloc(READ_PIECE);
  try {
    for (let count = -1; count !== 0; hash.update(piece.subarray(0, count)))
      count = fs.readSync(fd, piece, 0, piece.length, null);
    return hash.digest('hex');
  } finally {
    fs.closeSync(fd);
  }
}

function codeOf(error: unknown): string {
  if (error instanceof FsError) return error.code;
  throw error;
}
