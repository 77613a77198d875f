/** Opening what a command works on, an image or a mount, with its keys, and closing it whatever happens. */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { FsError } from '../bytes/index.js';
import { isDeadMount } from '../fuse/index.js';
import { openVolume } from '../library/index.js';
import type { CommandVolume } from './command-volume.js';
import { UsageError } from './failure.js';
import { identifierOf, keyFiles, withKey, withKeys } from './key-files.js';
import { explained } from './missing-key.js';
import { MountedVolume } from './mounted/mounted-volume.js';
import { parseInteger } from './numbers.js';
import { warn } from './output.js';

/** Options of every command that opens an image. */
export interface ImageOptions {
  readonly keyFile?: string[];
  readonly subvolume?: number;
}

interface Access {
  readonly readOnly: boolean;
}

/** Adds the options of {@link ImageOptions}. */
export function withImageOptions(command: Command): Command {
  return command
    .option(
      '--key-file <file>',
      'add the master key in this file (repeatable; also BUTTERLOCK_KEY_FILES=FILE:FILE…)',
      collect,
    )
    .option('--subvolume <id>', 'take paths from the top of this subvolume, not of the default one', parseInteger);
}

/** Opens the volume for reading only: not a byte of an image changes. */
export function reading<T>(image: string, options: ImageOptions, work: (volume: CommandVolume) => T): T {
  return session(image, options, { readOnly: true }, work);
}

/** Opens the volume for writing; what was done is durable on return. */
export function writing<T>(image: string, options: ImageOptions, work: (volume: CommandVolume) => T): T {
  return session(image, options, { readOnly: false }, work);
}

/** Whether a command was given a directory in a mount where an image can stand. */
export function isDirectory(image: string): boolean {
  return isDeadMount(image) || statSync(image, { throwIfNoEntry: false })?.isDirectory() === true;
}

function session<T>(image: string, options: ImageOptions, access: Access, work: (volume: CommandVolume) => T): T {
  const volume = isDirectory(image) ? openMounted(image, options, access) : openImage(image, options, access);
  let result: T;
  try {
    result = work(volume);
  } catch (error) {
    const told = explained(volume, error);
    closeAfterFailure(volume);
    throw told;
  }
  volume.close();
  return result;
}

function openImage(image: string, { keyFile, subvolume }: ImageOptions, access: Access): CommandVolume {
  return withKeys(keyFiles(keyFile), (keys) =>
    openVolume(image, { ...access, keys, warn, ...(subvolume === undefined ? {} : { subvolume }) }),
  );
}

/** Keys belong to the mount and its users, so none is added on the quiet: those named must be there. */
function openMounted(directory: string, { keyFile = [], subvolume }: ImageOptions, access: Access): CommandVolume {
  if (subvolume !== undefined)
    throw new UsageError('--subvolume goes with an image; of a mount give the directory of the subvolume');
  const volume = new MountedVolume(directory, access);
  for (const path of keyFile) {
    if (volume.keyring.status(withKey(path, identifierOf)) === 'present') continue;
    closeAfterFailure(volume);
    throw new FsError('ENOKEY', 'the mount does not have this key', { path });
  }
  return volume;
}

/** The first failure is the one to tell. */
function closeAfterFailure(volume: CommandVolume): void {
  try {
    volume.close();
  } catch (error) {
    warn(`closing failed too: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}
