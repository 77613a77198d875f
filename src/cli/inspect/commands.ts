/** The commands `dump-super` and `dump-tree`. */
import { closeSync } from 'node:fs';
import type { Command } from 'commander';
import type { FsError } from '../../bytes/index.js';
import { type BlockDevice, FileDevice } from '../../device/index.js';
import { ask, openMount, syncMount } from '../../fuse/index.js';
import { openVolumeDevices } from '../../volume/index.js';
import { UsageError } from '../failure.js';
import { output, warn } from '../output.js';
import { isDirectory } from '../session.js';
import { superLines } from './dump-super.js';
import { treeLines } from './dump-tree.js';
import { treeIdOf } from './tree-names.js';

const COPIES = ['0', '1', '2'];

/** Adds `dump-super` and `dump-tree` to the program. */
export function registerInspect(program: Command): void {
  program
    .command('dump-super')
    .description('print the superblock, in the lines of btrfs inspect-internal dump-super')
    .argument('<image>', 'image file or block device')
    .option('-f, --full', 'also the system chunks and the backup roots')
    .option('-s, --super <copy>', 'which copy to print: 0, 1 or 2', '0')
    .action((image: string, options: { full?: boolean; super: string }) => {
      if (!COPIES.includes(options.super)) throw new UsageError(`--super ${options.super}: not 0, 1 or 2`);
      dumpSuper(image, Number(options.super), options.full ?? false);
    });
  program
    .command('dump-tree')
    .description('print the items of all trees, in the lines of btrfs inspect-internal dump-tree')
    .argument('<image>', 'image file or block device')
    .option('-t, --tree <tree>', 'only this tree: its id, or a name such as fs, extent, csum, TREE_LOG')
    .action((image: string, options: { tree?: string }) => dumpTree(image, options.tree));
}

function dumpSuper(image: string, copy: number, full: boolean): void {
  onDevice(image, (device) => {
    for (const line of superLines(device, { copy, full })) output.line(line);
  });
}

/** Damage is told of where it is met, and by the exit code; the rest of the trees is still printed. */
function dumpTree(image: string, treeText: string | undefined): void {
  const tree = treeText === undefined ? undefined : treeIdOf(treeText);
  if (treeText !== undefined && tree === undefined) {
    throw new UsageError(`--tree ${treeText}: neither a tree's id nor its name`);
  }
  const report = (error: FsError): void => output.failure(error);
  onDevice(image, (device) => {
    const volume = openVolumeDevices(device, { warn });
    for (const line of treeLines(volume, tree === undefined ? { report } : { report, tree })) output.line(line);
  });
}

/** Of a mount, the image that it shows is read, as the last commit left it. */
function onDevice(image: string, work: (device: BlockDevice) => void): void {
  const device = FileDevice.open(isDirectory(image) ? imageOfMount(image) : image, { readOnly: true });
  try {
    work(device);
  } finally {
    device.close();
  }
}

function imageOfMount(directory: string): string {
  const fd = openMount(directory);
  try {
    const { image, readOnly } = ask(fd, 'status', {});
    if (!readOnly) syncMount(directory);
    return image;
  } finally {
    closeSync(fd);
  }
}
