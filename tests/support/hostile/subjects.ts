/** Small sound volumes with a bit of everything, to be damaged over overlays. */
import { type BlockDevice, FileDevice, MemoryDevice, OverlayDevice } from '../../../src/device/index.js';
import { cloneRange, type Filesystem, type Inode } from '../../../src/filesystem/index.js';
import { createSnapshot, createSubvolume } from '../../../src/filesystem/subvolumes.js';
import { type ExtentContextPlace, makeVolume, type NewVolumeOptions } from '../../../src/mkfs/index.js';
import { type ImageName, imagePath, manifestKeys, readManifest } from '../images.js';
import { openFilesystem } from '../open-filesystem.js';
import { seededRandom, steppingClock } from '../seeded.js';

const MIB = 1024 * 1024;
const OWNER = { uid: 0, gid: 0 };
export const KEY = Buffer.alloc(64, 0x5a);

export interface Subject {
  readonly name: string;
  /** Never written: damage goes to overlays of it. */
  readonly base: BlockDevice;
  readonly keys: readonly Uint8Array[];
}

/** One of our own volumes: plain, or with encryption in a layout. */
export function ownSubject(layout?: ExtentContextPlace, options: NewVolumeOptions = {}): Subject {
  const name = layout ?? 'plain';
  const base = new MemoryDevice(128 * MIB);
  const random = seededRandom(`subject ${name}`);
  const clock = steppingClock();
  makeVolume(base, { random, clock, nodesize: 4096, ...options, ...(layout && { extentContext: layout }) });
  const { filesystem } = openFilesystem(base, { keys: [KEY], random, clock });
  fill(filesystem);
  filesystem.close();
  return { name, base, keys: [KEY] };
}

/** A kernel-made image. */
export function kernelSubject(name: Exclude<ImageName, 't-basic-bit14'>): Subject {
  const base = FileDevice.open(imagePath(name), { readOnly: true });
  return { name, base, keys: manifestKeys(readManifest(name)) };
}

/** A fresh overlay to damage. */
export function overlayOf({ base, name }: Subject): OverlayDevice {
  return new OverlayDevice(base, name);
}

export function nameBytes(text: string): Uint8Array {
  return Buffer.from(text);
}

function fill(filesystem: Filesystem): void {
  const root = filesystem.root();
  const work = filesystem.mkdir(root, nameBytes('vault'), 0o755, OWNER);
  if (filesystem.layout !== undefined) {
    const masterKeyIdentifier = filesystem.keyring.add(KEY);
    filesystem.setPolicy(work, {
      contentsMode: 1,
      filenamesMode: 4,
      flags: 2,
      log2DataUnitSize: 0,
      masterKeyIdentifier,
    });
  }
  fillDirectory(filesystem, work, 24);
  filesystem.commit();
  createSnapshot(root.subvolume, root, nameBytes('snapshot'), false);
  write(filesystem, work, 'file3', 5000, 9000, 1);
  filesystem.unlink(work, nameBytes('file4'));
  const subvolume = createSubvolume(root, nameBytes('subvolume'), OWNER);
  fillDirectory(filesystem, subvolume, 6);
  fillDirectory(filesystem, filesystem.mkdir(root, nameBytes('plain'), 0o755, OWNER), 5);
  filesystem.commit();
}

function fillDirectory(filesystem: Filesystem, directory: Inode, files: number): void {
  for (let i = 0; i < files; i++) write(filesystem, directory, `file${i}`, 0, 300 + i * 1700, i);
  const sparse = write(filesystem, directory, 'sparse', 100_000, 60_000, 7);
  sparse.data.punchHole(110_592, 8192);
  sparse.data.preallocate(200_000, 50_000);
  filesystem.symlink(directory, nameBytes('link'), nameBytes('file1/elsewhere'), OWNER);
  filesystem.link(sparse, directory, nameBytes('hard link'));
  filesystem.setXattr(sparse, nameBytes('user.color'), nameBytes('blue'));
  filesystem.setXattr(directory, nameBytes('user.shape'), Buffer.alloc(700, 3));
  filesystem.mknod(directory, nameBytes('fifo'), 0o010644, OWNER);
  const below = filesystem.mkdir(directory, nameBytes('below'), 0o700, OWNER);
  const deep = filesystem.mkdir(below, nameBytes('deep'), 0o700, OWNER);
  write(filesystem, deep, 'bottom', 0, 20_000, 9);
  const copy = filesystem.create(directory, nameBytes('clone'), 0o600, OWNER);
  cloneRange(sparse, 98_304, 16_384, copy, 4096);
}

/** Writes into a file, made where there is none. */
export function write(fs: Filesystem, directory: Inode, name: string, at: number, length: number, fill: number): Inode {
  const isThere = [...fs.readDirectory(directory)].some((entry) => Buffer.compare(entry.name, nameBytes(name)) === 0);
  const file = isThere ? fs.lookup(directory, nameBytes(name)) : fs.create(directory, nameBytes(name), 0o644, OWNER);
  file.data.write(at, Buffer.alloc(length, fill + 1));
  return file;
}
