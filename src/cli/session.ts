/** Opening the image of a command, with its keys, and closing it whatever happens. */
import type { Command } from 'commander';
import { type OpenVolume, type OpenVolumeOptions, openVolume } from '../library/index.js';
import { keyFiles, withKeys } from './key-files.js';
import { explained } from './missing-key.js';
import { parseInteger } from './numbers.js';
import { warn } from './output.js';

/** Options of every command that opens an image. */
export interface ImageOptions {
  readonly keyFile?: string[];
  readonly subvolume?: number;
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

/** Opens the image for reading only: not a byte of it changes. */
export function reading<T>(image: string, options: ImageOptions, work: (volume: OpenVolume) => T): T {
  return session(image, options, { readOnly: true }, work);
}

/** Opens the image for writing; what was done is durable on return. */
export function writing<T>(
  image: string,
  options: ImageOptions,
  work: (volume: OpenVolume) => T,
  more: OpenVolumeOptions = {},
): T {
  return session(image, options, { ...more, readOnly: false }, work);
}

function session<T>(
  image: string,
  { keyFile, subvolume }: ImageOptions,
  more: OpenVolumeOptions,
  work: (volume: OpenVolume) => T,
): T {
  const volume = withKeys(keyFiles(keyFile), (keys) =>
    openVolume(image, { ...more, keys, warn, ...(subvolume === undefined ? {} : { subvolume }) }),
  );
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

/** The first failure is the one to tell. */
function closeAfterFailure(volume: OpenVolume): void {
  try {
    volume.close();
  } catch (error) {
    warn(`closing failed too: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}
