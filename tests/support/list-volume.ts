/** Lists a volume through the library: everything it shows, in the form of tests/support/entries.ts. */
import { isFsError, type OpenVolume, openVolume, type VolumeFs, type VolumeStats } from '../../src/index.js';
import { contentDigest } from './content-digest.js';
import { deviceNumbers, type Entry, entryType, pathText, sortEntries } from './entries.js';

/** An entry as Butterlock shows it. What could not be had is absent, with the errno's name in its stead. */
export interface VolumeEntry extends Partial<Entry> {
  path: string;
  /** Tree id of the subvolume. */
  root?: number;
  encrypted?: boolean;
  policy?: { contentsMode: number; filenamesMode: number; flags: number; masterKeyIdentifier: string };
  /** In hexadecimal. */
  nonce?: string;
  statError?: string;
  openError?: string;
}

export interface VolumeListing {
  readonly entries: VolumeEntry[];
  /** Faults that were survived on the way. */
  readonly warnings: readonly string[];
}

/** The top of the volume, whatever its default subvolume is. */
const FS_TREE = 5;

/** Opens the image read-only and lists all of it, as {@link listOpenVolume}. */
export function listVolume(imagePath: string, keys: readonly Uint8Array[] = []): VolumeListing {
  const volume = openVolume(imagePath, { readOnly: true, keys, subvolume: FS_TREE });
  try {
    return { entries: listOpenVolume(volume), warnings: volume.warnings };
  } finally {
    volume.close();
  }
}

/** Every entry below the top and the top itself, in the order of their paths. */
export function listOpenVolume({ fs }: Pick<OpenVolume, 'fs'>): VolumeEntry[] {
  const entries: VolumeEntry[] = [];
  const visit = (path: Buffer): void => {
    const entry = describe(fs, path);
    entries.push(entry);
    if (entry.type !== 'dir') return;
    for (const name of fs.readdirSync(path, 'buffer')) visit(Buffer.concat([path, Buffer.from('/'), name]));
  };
  visit(Buffer.from('.'));
  return sortEntries(entries);
}

function describe(fs: VolumeFs, path: Buffer): VolumeEntry {
  const shown = pathText(path.length > 1 ? path.subarray(2) : path);
  const stats = orError(() => fs.lstatSync(path, { bigint: true }));
  if (typeof stats === 'string') return { path: shown, statError: stats };
  return {
    path: shown,
    ...attributesOf(stats),
    ...encryptionOf(fs, path, stats),
    ...contentsOf(fs, path, stats),
    ...xattrsOf(fs, path),
  };
}

/** What `attempt` gives, or the name of the errno it failed with. */
function orError<T>(attempt: () => T): T | string {
  try {
    return attempt();
  } catch (error) {
    if (isFsError(error)) return error.code;
    throw error;
  }
}

function attributesOf(stats: VolumeStats<bigint>): Partial<VolumeEntry> {
  return {
    type: entryType(Number(stats.mode)),
    ino: Number(stats.ino),
    root: Number(stats.dev),
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    nlink: Number(stats.nlink),
    size: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    encrypted: stats.encrypted,
  };
}

function encryptionOf(fs: VolumeFs, path: Buffer, stats: VolumeStats<bigint>): Partial<VolumeEntry> {
  if (!stats.encrypted) return {};
  const policy = orError(() => fs.getPolicySync(path, { follow: false }));
  if (typeof policy === 'string') return {};
  const { contentsMode, filenamesMode, flags, masterKeyIdentifier, nonce } = policy;
  const identifier = Buffer.from(masterKeyIdentifier).toString('hex');
  return {
    policy: { contentsMode, filenamesMode, flags, masterKeyIdentifier: identifier },
    ...(nonce === undefined ? {} : { nonce: nonce.toString('hex') }),
  };
}

function contentsOf(fs: VolumeFs, path: Buffer, stats: VolumeStats<bigint>): Partial<VolumeEntry> {
  if (stats.isSymbolicLink()) return { target: pathText(fs.readlinkSync(path, { encoding: 'buffer' })) };
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return { rdev: deviceNumbers(stats.rdev) };
  if (!stats.isFile()) return {};
  const sha256 = orError(() => digestOf(fs, path, Number(stats.size)));
  return /^E[A-Z]+$/.test(sha256) ? { openError: sha256 } : { sha256 };
}

function digestOf(fs: VolumeFs, path: Buffer, size: number): string {
  const fd = fs.openSync(path);
  try {
    return contentDigest(size, (into, position) => {
      const length = fs.readSync(fd, into, 0, into.length, position);
      if (length !== into.length) throw new Error(`${path}: read ${length} of ${into.length} bytes at ${position}`);
    });
  } finally {
    fs.closeSync(fd);
  }
}

function xattrsOf(fs: VolumeFs, path: Buffer): Partial<VolumeEntry> {
  const names = fs.listxattrSync(path, { follow: false }).map((name) => name.toString());
  if (names.length === 0) return {};
  const values = names.sort().map((name) => [name, fs.getxattrSync(path, name, { follow: false }).toString('hex')]);
  return { xattrs: Object.fromEntries(values) };
}
