/** The kernel-made images of tests/images and their manifests. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { decompress } from 'fzstd';
import { copySparseFile, writeSparseFile } from './sparse.js';
import { temporaryPath } from './temporary.js';

const IMAGES = join(process.cwd(), 'tests', 'images');
const IMAGE_BYTES = 2 ** 28;

/** Images with a manifest of their own. */
export const MANIFEST_NAMES = [
  'basic',
  'snap',
  'policies',
  'csum-xxhash',
  'compress',
  'stress3',
  'v6damaged',
  'dirtylog',
  't-basic',
  't-snap',
  't-policies',
  't-compress',
] as const;

export type ManifestName = (typeof MANIFEST_NAMES)[number];
export type ImageName = ManifestName | 't-basic-bit14';

export interface ManifestPolicy {
  readonly version: number;
  readonly contents_mode: number;
  readonly filenames_mode: number;
  readonly flags: number;
  readonly log2_data_unit_size: number;
  readonly master_key_identifier: string;
}

/** One entry as the kernel showed it. Fields are missing where it gave an error instead. */
export interface ManifestEntry {
  /** Relative to the top of the volume, which is `.`; null when not UTF-8. */
  readonly path: string | null;
  readonly path_hex?: string;
  readonly type?: 'dir' | 'file' | 'symlink' | 'blk' | 'chr' | 'fifo' | 'socket';
  /** 2 for the placeholder of a subvolume that is missing in a snapshot. */
  readonly ino?: number;
  /** Tree id of the subvolume. */
  readonly root?: number;
  /** Permission bits in octal. */
  readonly mode?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly nlink?: number;
  readonly size?: number;
  readonly mtime_ns?: bigint;
  readonly encrypted?: boolean;
  readonly policy?: ManifestPolicy;
  readonly nonce?: string;
  readonly target?: string;
  readonly sha256?: string;
  /** Major and minor number. */
  readonly rdev?: readonly [number, number];
  /** Values in hexadecimal. */
  readonly xattrs?: Readonly<Record<string, string>>;
  /** Errno names. */
  readonly stat_error?: string;
  readonly open_error?: string;
  readonly flags_error?: string;
  readonly policy_error?: string;
}

export interface Manifest {
  readonly name: string;
  readonly image_bytes: number;
  readonly image_sha256: string;
  readonly keys: readonly { readonly raw_hex: string; readonly identifier_hex: string }[];
  readonly with_key: readonly ManifestEntry[];
  readonly no_key: readonly ManifestEntry[];
  readonly no_replay_with_key?: readonly ManifestEntry[];
  readonly no_replay_no_key?: readonly ManifestEntry[];
  readonly live_before_crash?: readonly ManifestEntry[];
  /** Paths for which the kernel that wrote `v6damaged` answers EIO. */
  readonly kernel_cannot_read?: readonly string[];
}

export function readManifest(name: ManifestName): Manifest {
  const text = readFileSync(join(IMAGES, `${name}.json`), 'utf8');
  // Nanoseconds since 1970 need more than the 53 bits that JSON.parse keeps.
  const quoted = text.replace(/("mtime_ns":\s*)(-?\d+)/g, '$1"$2"');
  return JSON.parse(quoted, (field, value) => (field === 'mtime_ns' ? BigInt(value) : value));
}

/** The raw keys that a manifest's volume was written with. */
export function manifestKeys(manifest: Manifest): Uint8Array[] {
  return manifest.keys.map(({ raw_hex }) => Uint8Array.from(Buffer.from(raw_hex, 'hex')));
}

/**
 * The path of an unpacked image that is shared between tests and kept between runs: only for
 * reading. Unpacked at the first call, its SHA-256 compared with the manifest's.
 */
export function imagePath(name: ImageName): string {
  const packed = readFileSync(join(IMAGES, `${name}.img.zst`));
  const cache = join(tmpdir(), `butterlock-images-${userInfo().uid}`);
  const path = join(cache, `${name}-${sha256(packed).slice(0, 16)}.img`);
  if (existsSync(path)) return path;

  const bytes = decompress(packed, Buffer.alloc(IMAGE_BYTES));
  if (name !== 't-basic-bit14' && sha256(bytes) !== readManifest(name).image_sha256) {
    throw new Error(`tests/images/${name}.img.zst is not the image of its manifest`);
  }
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const unfinished = `${path}.${process.pid}`;
  writeSparseFile(unfinished, bytes);
  renameSync(unfinished, path);
  return path;
}

/** A copy of an image for a test to write to, gone when the process exits. */
export function copyOfImage(name: ImageName): string {
  const copy = temporaryPath(`-${name}.img`);
  copySparseFile(imagePath(name), copy);
  return copy;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
