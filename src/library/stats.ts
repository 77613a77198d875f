/** What stat and readdir give: the classes of `node:fs`, with what btrfs adds. */
import { constants } from 'node:fs';
import type { Timespec } from '../bytes/index.js';
import type { Attributes } from '../filesystem/index.js';

const NS_PER_SECOND = 1_000_000_000n;
/** As Node shows it for most filesystems. */
const BLOCK_SIZE = 4096;

/** Nanoseconds since 1970. */
export function nanoseconds({ sec, nsec }: Timespec): bigint {
  return BigInt(sec) * NS_PER_SECOND + BigInt(nsec);
}

/** Type tests over a mode, as `fs.Stats` and `fs.Dirent` have them. */
abstract class Typed {
  protected abstract readonly typeBits: number;

  isFile(): boolean {
    return this.typeBits === constants.S_IFREG;
  }

  isDirectory(): boolean {
    return this.typeBits === constants.S_IFDIR;
  }

  isSymbolicLink(): boolean {
    return this.typeBits === constants.S_IFLNK;
  }

  isFIFO(): boolean {
    return this.typeBits === constants.S_IFIFO;
  }

  isSocket(): boolean {
    return this.typeBits === constants.S_IFSOCK;
  }

  isCharacterDevice(): boolean {
    return this.typeBits === constants.S_IFCHR;
  }

  isBlockDevice(): boolean {
    return this.typeBits === constants.S_IFBLK;
  }
}

/** As `fs.Stats`, or `fs.BigIntStats` with bigint. */
export class VolumeStats<T extends number | bigint = number> extends Typed {
  /** Id of the subvolume: inode numbers repeat in others. */
  readonly dev: T;
  readonly ino: T;
  /** Type and permission bits. */
  readonly mode: T;
  readonly nlink: T;
  readonly uid: T;
  readonly gid: T;
  readonly rdev: T;
  /** Bytes. */
  readonly size: T;
  readonly blksize: T;
  /** Of 512 bytes. */
  readonly blocks: T;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly birthtimeNs: bigint;
  protected readonly typeBits: number;
  private readonly as: (value: number) => T;
  private readonly from: Pick<Attributes, 'encrypted'>;

  private constructor(from: Attributes, as: (value: number) => T) {
    super();
    this.as = as;
    this.from = from;
    this.dev = as(from.root);
    this.ino = as(from.ino);
    this.mode = as(from.mode);
    this.nlink = as(from.nlink);
    this.uid = as(from.uid);
    this.gid = as(from.gid);
    this.rdev = as(from.rdev);
    this.size = as(from.size);
    this.blksize = as(BLOCK_SIZE);
    this.blocks = as(from.blocks);
    this.atimeNs = nanoseconds(from.atime);
    this.mtimeNs = nanoseconds(from.mtime);
    this.ctimeNs = nanoseconds(from.ctime);
    this.birthtimeNs = nanoseconds(from.otime);
    this.typeBits = from.mode & constants.S_IFMT;
  }

  static numbers(from: Attributes): VolumeStats<number> {
    return new VolumeStats(from, (value) => value);
  }

  static bigints(from: Attributes): VolumeStats<bigint> {
    return new VolumeStats(from, BigInt);
  }

  /** Whether its contents, or a directory's names, are ciphertext on disk. */
  get encrypted(): boolean {
    return this.from.encrypted;
  }

  get atimeMs(): T {
    return this.milliseconds(this.atimeNs);
  }

  get mtimeMs(): T {
    return this.milliseconds(this.mtimeNs);
  }

  get ctimeMs(): T {
    return this.milliseconds(this.ctimeNs);
  }

  get birthtimeMs(): T {
    return this.milliseconds(this.birthtimeNs);
  }

  get atime(): Date {
    return new Date(Number(this.atimeNs / 1_000_000n));
  }

  get mtime(): Date {
    return new Date(Number(this.mtimeNs / 1_000_000n));
  }

  get ctime(): Date {
    return new Date(Number(this.ctimeNs / 1_000_000n));
  }

  get birthtime(): Date {
    return new Date(Number(this.birthtimeNs / 1_000_000n));
  }

  /** With a fraction as a number, whole as a bigint: as Node has both. */
  private milliseconds(ns: bigint): T {
    const whole = this.as(Number(ns / 1_000_000n));
    return typeof whole === 'bigint' ? whole : this.as(Number(ns) / 1e6);
  }
}

const TYPE_BITS: readonly number[] = [
  0,
  constants.S_IFREG,
  constants.S_IFDIR,
  constants.S_IFCHR,
  constants.S_IFBLK,
  constants.S_IFIFO,
  constants.S_IFSOCK,
  constants.S_IFLNK,
];

/** As `fs.Dirent`. */
export class VolumeDirent<N extends string | Buffer = string> extends Typed {
  readonly name: N;
  /** Path of the directory that was listed, or of the one below it that holds the entry. */
  readonly parentPath: N;
  /** 256 for a subvolume. */
  readonly ino: number;
  /** Set if the entry is a subvolume. */
  readonly subvolumeId: number | undefined;
  /** The name is shown in its no-key form. */
  readonly noKey: boolean;
  protected readonly typeBits: number;

  /** @param fileType - FT_* number of the directory entry */
  constructor(name: N, parentPath: N, fileType: number, about: { ino: number; subvolumeId?: number; noKey: boolean }) {
    super();
    this.name = name;
    this.parentPath = parentPath;
    this.ino = about.ino;
    this.subvolumeId = about.subvolumeId;
    this.noKey = about.noKey;
    this.typeBits = TYPE_BITS[fileType] ?? 0;
  }
}
