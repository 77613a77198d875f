/** mv, ln, cp: names and copies inside one volume. */
import { type Command, Option } from 'commander';
import { FsError } from '../../bytes/index.js';
import type { PathLike } from '../../library/index.js';
import type { CommandFs } from '../command-volume.js';
import { forEach } from '../each.js';
import { UsageError } from '../failure.js';
import { baseName, bytesOf, imagePath, join } from '../image-path.js';
import { type ImageOptions, withImageOptions, writing } from '../session.js';
import { copyWithin, type ReflinkMode } from '../transfer/copy-within.js';

interface MoveOptions extends ImageOptions {
  readonly exchange?: boolean;
  readonly clobber: boolean;
}

interface CopyOptions extends ImageOptions {
  readonly recursive?: boolean;
  readonly reflink: ReflinkMode;
}

export function addCopyCommands(program: Command): void {
  withImageOptions(program.command('mv <image> <paths...>'))
    .description('move or rename: SOURCE… DEST')
    .option('-n, --no-clobber', 'fail if DEST is there')
    .option('--exchange', 'swap the two')
    .action((image: string, paths: string[], options: MoveOptions) => {
      const { sources, destination } = sourcesAndDestination(paths);
      if (options.exchange === true && (sources.length > 1 || !options.clobber))
        throw new UsageError('--exchange goes with two paths and without --no-clobber');
      writing(image, options, (volume) =>
        forEach(volume, sources, (source, fs) => {
          const mode = options.exchange === true ? 'exchange' : options.clobber ? 'replace' : 'noreplace';
          const target =
            options.exchange === true ? destination : placeFor(fs, source, destination, sources.length > 1);
          fs.renameSync(source, target, { mode });
        }),
      );
    });

  withImageOptions(program.command('ln <image> <target> <path>'))
    .description('give a file one more name, or with -s make a symlink')
    .option('-s, --symbolic', 'make a symlink that holds TARGET as it is')
    .action((image: string, target: string, path: string, options: ImageOptions & { symbolic?: boolean }) => {
      writing(image, options, ({ fs }) => {
        const place = placeFor(fs, imagePath(target), imagePath(path), false);
        if (options.symbolic === true) fs.symlinkSync(imagePath(target), place);
        else fs.linkSync(imagePath(target), place);
      });
    });

  withImageOptions(program.command('cp <image> <paths...>'))
    .description('copy inside the volume: SOURCE… DEST. Copies share their data with the original where possible')
    .option('-r, --recursive', 'directories with everything in them')
    .addOption(
      new Option('--reflink <when>', 'share data: always or fail, auto, or never')
        .choices(['always', 'auto', 'never'])
        .default('auto'),
    )
    .action((image: string, paths: string[], options: CopyOptions) => {
      const { sources, destination } = sourcesAndDestination(paths);
      writing(image, options, (volume) =>
        forEach(volume, sources, (source, fs) => {
          const place = placeFor(fs, source, destination, sources.length > 1);
          copyWithin(fs, bytesOf(source), bytesOf(place), {
            recursive: options.recursive ?? false,
            reflink: options.reflink,
          });
        }),
      );
    });
}

export function sourcesAndDestination(paths: string[]): { sources: PathLike[]; destination: PathLike } {
  const destination = paths.at(-1);
  if (destination === undefined || paths.length < 2) throw new UsageError('a source and a destination are needed');
  return { sources: paths.slice(0, -1).map(imagePath), destination: imagePath(destination) };
}

/** In a directory something keeps its name; otherwise the destination is its new name. */
export function placeFor(fs: CommandFs, source: PathLike, destination: PathLike, mustBeDirectory: boolean): PathLike {
  const stats = fs.statSync(destination, { throwIfNoEntry: false });
  if (stats?.isDirectory() === true) return join(destination, baseName(source));
  if (mustBeDirectory)
    throw new FsError('ENOTDIR', 'several sources need a directory as destination', {
      path: bytesOf(destination).toString(),
    });
  return destination;
}
