/** put, get: copies between the host and a volume. */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { FsError } from '../../bytes/index.js';
import { forEach } from '../each.js';
import { UsageError } from '../failure.js';
import { baseName, bytesOf, imagePath, join } from '../image-path.js';
import { type ImageOptions, reading, withImageOptions, writing } from '../session.js';
import { Get, volumeBytes } from '../transfer/get.js';
import { startProgress } from '../transfer/progress.js';
import { hostBytes, Put } from '../transfer/put.js';
import { placeFor } from './copy.js';

interface TransferOptions extends ImageOptions {
  readonly recursive?: boolean;
}

export function addTransferCommands(program: Command): void {
  withImageOptions(program.command('put <image> <paths...>'))
    .description('copy from the host into the volume: SOURCE… DEST')
    .option('-r, --recursive', 'directories with everything in them')
    .action((image: string, paths: string[], options: TransferOptions) => {
      const { sources, destination } = split(paths);
      const target = imagePath(destination);
      const hostPaths = sources.map((source) => Buffer.from(source));
      writing(image, options, (volume) => {
        const progress = startProgress(() => hostPaths.reduce((sum, source) => sum + hostBytes(source), 0));
        const put = new Put(volume, { recursive: options.recursive ?? false }, progress);
        try {
          forEach(volume, hostPaths, (source, fs) =>
            put.put(source, bytesOf(placeFor(fs, source, target, sources.length > 1))),
          );
        } finally {
          progress.stop();
        }
      });
    });

  withImageOptions(program.command('get <image> <paths...>'))
    .description('copy from the volume to the host: SOURCE… DEST')
    .option('-r, --recursive', 'directories with everything in them')
    .action((image: string, paths: string[], options: TransferOptions) => {
      const { sources, destination } = split(paths);
      const volumePaths = sources.map((source) => bytesOf(imagePath(source)));
      reading(image, options, (volume) => {
        const progress = startProgress(() =>
          volumePaths.reduce((sum, source) => sum + volumeBytes(volume.fs, source), 0),
        );
        const get = new Get(volume, { recursive: options.recursive ?? false }, progress);
        try {
          forEach(volume, volumePaths, (source) => get.get(source, hostPlace(source, destination, sources.length > 1)));
        } finally {
          progress.stop();
        }
      });
    });
}

function split(paths: string[]): { sources: string[]; destination: string } {
  const destination = paths.at(-1);
  if (destination === undefined || paths.length < 2) throw new UsageError('a source and a destination are needed');
  return { sources: paths.slice(0, -1), destination };
}

/** As {@link placeFor}, on the host. */
function hostPlace(source: Buffer, destination: string, mustBeDirectory: boolean): Buffer {
  const stats = statSync(destination, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) return join(destination, baseName(source));
  if (mustBeDirectory)
    throw new FsError('ENOTDIR', 'several sources need a directory as destination', { path: destination });
  return Buffer.from(destination);
}
