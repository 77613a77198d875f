/** What commands work on: the volume of an image, or one that is mounted. */
import type { ContextLayout } from '../filesystem/index.js';
import type { OpenVolume, PathLike, PolicyOptions, VolumeFs, VolumeInfo, VolumeKeyring } from '../library/index.js';

export interface CommandVolume {
  readonly fs: CommandFs;
  readonly keyring: Pick<VolumeKeyring, 'status'>;
  readonly info: VolumeInfo;
  enableEncryption(extentContext: ContextLayout): void;
  trim: OpenVolume['trim'];
  /** Makes everything durable that was done. */
  close(): void;
}

/** Calls that mean the same for both, by the library's names. */
type SharedCall =
  | 'statSync'
  | 'lstatSync'
  | 'existsSync'
  | 'chmodSync'
  | 'chownSync'
  | 'lchownSync'
  | 'truncateSync'
  | 'ftruncateSync'
  | 'getxattrSync'
  | 'listxattrSync'
  | 'removexattrSync'
  | 'closeSync'
  | 'copyFileSync'
  | 'mkdirSync'
  | 'rmdirSync'
  | 'unlinkSync'
  | 'rmSync'
  | 'renameSync'
  | 'linkSync'
  | 'symlinkSync'
  | 'mknodSync'
  | 'createSubvolumeSync'
  | 'snapshotSync'
  | 'deleteSubvolumeSync'
  | 'listSubvolumesSync'
  | 'subvolumeSync'
  | 'setDefaultSubvolumeSync'
  | 'getPolicySync';

/** One entry of a directory. */
export interface CommandEntry {
  readonly name: Buffer;
  isDirectory(): boolean;
}

export interface KeepSize {
  readonly keepSize: boolean;
}

/** Paths start at the top of the volume, or at the directory of the mount that was given. */
export interface CommandFs extends Pick<VolumeFs, SharedCall> {
  opendirSync(path: PathLike): Iterable<CommandEntry>;
  readlinkSync(path: PathLike, encoding: 'buffer'): Buffer;
  realpathSync(path: PathLike, encoding: 'buffer'): Buffer;
  /** @param flags - those of open(2); for reading without them */
  openSync(path: PathLike, flags?: number, mode?: number): number;
  readSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number;
  writeSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number | null): number;
  seekDataSync(fd: number, offset: number): number;
  seekHoleSync(fd: number, offset: number): number;
  fallocateSync(path: PathLike, offset: number, length: number, options: KeepSize): void;
  zeroRangeSync(path: PathLike, offset: number, length: number, options: KeepSize): void;
  punchHoleSync(path: PathLike, offset: number, length: number): void;
  /** Nanoseconds since 1970. */
  utimesSync(path: PathLike, atime: bigint, mtime: bigint): void;
  lutimesSync(path: PathLike, atime: bigint, mtime: bigint): void;
  setxattrSync(path: PathLike, name: PathLike, value: PathLike, options: { readonly follow: boolean }): void;
  setPolicySync(path: PathLike, options: Required<PolicyOptions>): void;
}
