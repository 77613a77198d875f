/** Volumes made by mkfs.btrfs and filled by the running kernel, with the kernel's own listing of them. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { mustRun } from './command.js';
import { type Entry, sortEntries } from './entries.js';
import * as contents from './kernel-contents.js';
import { type Fill, mixture } from './kernel-contents.js';
import { withKernelMount } from './kernel-mount.js';
import { readNativeTree } from './native-tree.js';
import { copySparseFile } from './sparse.js';
import { temporaryPath } from './temporary.js';

export interface KernelVolume {
  readonly imagePath: string;
  /** As the kernel lists the top subvolume. */
  readonly entries: Entry[];
}

export interface KernelScenario {
  readonly name: string;
  /** Options of mkfs.btrfs. Default none. */
  readonly mkfs?: readonly string[];
  /** Mount options. Default none. */
  readonly mount?: readonly string[];
  readonly fill: Fill;
}

const IMAGE_BYTES = 512 * 2 ** 20;
/** Mounts the top of the volume, whatever its default subvolume is. */
const TOP = 'subvolid=5';

const mkfsScenarios: readonly KernelScenario[] = [
  ...['crc32c', 'xxhash', 'sha256', 'blake2'].map((type) => ({
    name: `checksums ${type}`,
    mkfs: ['--csum', type],
    fill: mixture,
  })),
  ...[4096, 8192, 32768, 65536].map((size) => ({ name: `nodes of ${size}`, mkfs: ['-n', `${size}`], fill: mixture })),
  { name: 'mixed block groups', mkfs: ['--mixed', '-n', '4096'], fill: mixture },
  { name: 'single metadata', mkfs: ['-m', 'single'], fill: mixture },
  { name: 'dup data', mkfs: ['-d', 'dup'], fill: mixture },
  { name: 'explicit holes', mkfs: ['-O', '^no-holes'], fill: mixture },
  { name: 'old extent items', mkfs: ['-O', '^skinny-metadata'], fill: mixture },
  { name: 'no extended references', mkfs: ['-O', '^extref'], fill: mixture },
  { name: 'no free-space tree', mkfs: ['-R', '^free-space-tree'], mount: ['nospace_cache'], fill: mixture },
  { name: 'version 1 space cache', mkfs: ['-R', '^free-space-tree'], mount: ['space_cache=v1'], fill: mixture },
];

const mountScenarios: readonly KernelScenario[] = [
  ...['zlib', 'lzo', 'zstd', 'zstd:15'].map((type) => ({
    name: `compression ${type}`,
    mount: [`compress-force=${type}`],
    fill: mixture,
  })),
  { name: 'compression lzo in nodes of 4096', mkfs: ['-n', '4096'], mount: ['compress-force=lzo'], fill: mixture },
  { name: 'no data checksums', mount: ['nodatasum'], fill: mixture },
  { name: 'no copy on write of data', mount: ['nodatacow'], fill: mixture },
  { name: 'large inline files', mount: ['max_inline=4095'], fill: mixture },
];

const contentScenarios: readonly KernelScenario[] = [
  { name: 'thousands of files', fill: contents.thousands },
  { name: 'thousands of files in nodes of 4096', mkfs: ['-n', '4096'], fill: contents.thousands },
  { name: 'deep directories', fill: contents.depth },
  { name: 'hash collisions', fill: contents.collisions },
  { name: 'many hard links', fill: contents.hardLinks },
  { name: 'a file beyond 4 GiB', fill: contents.beyond4GiB },
  { name: 'random operations', fill: contents.randomOperations },
  { name: 'random operations in nodes of 4096', mkfs: ['-n', '4096'], fill: contents.randomOperations },
  { name: 'a default subvolume', fill: contents.defaultSubvolume },
];

export const KERNEL_SCENARIOS: readonly KernelScenario[] = [...mkfsScenarios, ...mountScenarios, ...contentScenarios];

/** Makes the volume of a scenario. Needs the abilities `btrfs-progs` and `kernel-btrfs`. */
export function makeKernelVolume({ mkfs = [], mount = [], fill }: KernelScenario): KernelVolume {
  const imagePath = newImage(mkfs);
  withKernelMount(imagePath, { options: mount }, fill);
  return { imagePath, entries: listWithKernel(imagePath) };
}

/** What the kernel shows of an image, mounted read-only. */
export function listWithKernel(imagePath: string): Entry[] {
  return comparableEntries(withKernelMount(imagePath, { readOnly: true, options: [TOP] }, readNativeTree));
}

/** The stand-in for a subvolume that its snapshot does not hold. */
export const PLACEHOLDER_INO = 2;

/** Entries without what differs between two listings of the same: the time of a placeholder is that of listing. */
export function comparableEntries(entries: Entry[]): Entry[] {
  return sortEntries(entries.map((entry) => (entry.ino === PLACEHOLDER_INO ? { ...entry, mtimeNs: 0n } : entry)));
}

/**
 * A volume as a power cut leaves it: a file without a name that was open, and a subvolume whose
 * deletion is committed and not yet done.
 */
export function makeInterruptedVolume(): KernelVolume {
  const imagePath = newImage([]);
  const copy = temporaryPath('-interrupted.img');
  withKernelMount(imagePath, {}, (top) => {
    contents.sizes(top);
    const doomed = join(top, 'doomed');
    mustRun('btrfs', 'subvolume', 'create', doomed);
    contents.sizes(doomed);
    contents.thousands(doomed);
    const unlinked = fs.openSync(join(top, 'unlinked'), 'w');
    // While a file in it is open the kernel only marks the subvolume as deleted.
    const inDoomed = fs.openSync(join(doomed, 'zero 0'), 'r');
    try {
      fs.writeSync(unlinked, Buffer.alloc(100_000, 'gone'));
      mustRun('sync', '-f', top);
      fs.unlinkSync(join(top, 'unlinked'));
      mustRun('btrfs', 'subvolume', 'delete', '--commit-after', doomed);
      copyFrozen(top, imagePath, copy);
    } finally {
      fs.closeSync(unlinked);
      fs.closeSync(inDoomed);
    }
  });
  return { imagePath: copy, entries: listWithKernel(imagePath) };
}

/** Copies the image of a mounted volume at one moment. */
function copyFrozen(top: string, imagePath: string, copy: string): void {
  mustRun('fsfreeze', '--freeze', top);
  try {
    copySparseFile(imagePath, copy);
  } finally {
    mustRun('fsfreeze', '--unfreeze', top);
  }
}

function newImage(mkfs: readonly string[]): string {
  const imagePath = temporaryPath('-kernel.img');
  fs.closeSync(fs.openSync(imagePath, 'wx', 0o600));
  fs.truncateSync(imagePath, IMAGE_BYTES);
  mustRun('mkfs.btrfs', '-q', ...mkfs, imagePath);
  return imagePath;
}
