/** mount, umount and sync: a volume as a directory of this machine. */
import type { Command } from 'commander';
import { endMount, syncMount } from '../../fuse/index.js';
import { type MountRequest, mountVolume } from '../mount-server.js';
import { parseInteger } from '../numbers.js';

export function addMountCommands(program: Command): void {
  program
    .command('mount <image> <mountpoint>')
    .description('mount a volume; returns when it can be used, with a process behind it that serves it')
    .option(
      '--subvolume <subvolume>',
      'mount this subvolume, its PATH from the top of the volume or ID, not the default one',
      parseSubvolume,
    )
    .option('-r, --read-only', 'so that nothing can be changed')
    .option('--allow-other', 'let other users in, as far as permissions go')
    .option('--commit <seconds>', 'make changes durable after this time at the latest (default 30)', parseInteger)
    .option('--no-atime', 'do not note when files were read')
    .option('-f, --foreground', 'serve in this process, until the mount ends')
    .option('--log <file>', 'write what goes wrong into this file')
    .option(
      '--key-file <file>',
      'add the master key in this file (repeatable; also BUTTERLOCK_KEY_FILES=FILE:FILE…)',
      (file: string, before: string[] = []) => [...before, file],
    )
    .action((image: string, mountPoint: string, options: MountRequest) => mountVolume(image, mountPoint, options));

  program
    .command('umount <mountpoint>')
    .description('unmount a volume, and return when everything is durable')
    .action((mountPoint: string) => endMount(mountPoint));

  program
    .command('sync <mountpoint>')
    .description('make everything written to a mounted volume so far durable')
    .action((mountPoint: string) => syncMount(mountPoint));
}

function parseSubvolume(text: string): string | number {
  return /^\d+$/.test(text) ? parseInteger(text) : text;
}
