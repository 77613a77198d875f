/** mkdir, rm, rmdir, truncate, fallocate, chmod, chown, touch: changing what is there. */
import { constants } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import type { PathLike } from '../../library/index.js';
import type { CommandFs } from '../command-volume.js';
import { forEach } from '../each.js';
import { UsageError } from '../failure.js';
import { imagePath } from '../image-path.js';
import { parseInteger, parseMode, parseSize } from '../numbers.js';
import { type ImageOptions, withImageOptions, writing } from '../session.js';

interface ChangeOptions extends ImageOptions {
  readonly parents?: boolean;
  readonly recursive?: boolean;
  readonly force?: boolean;
  readonly noDereference?: boolean;
}

interface AllocateOptions extends ImageOptions {
  readonly offset: number;
  readonly length: number;
  readonly punchHole?: boolean;
  readonly zeroRange?: boolean;
  readonly keepSize?: boolean;
}

export function addChangeCommands(program: Command): void {
  pathsCommand(program, 'mkdir', 'make directories', (fs, path, { parents }) => {
    fs.mkdirSync(path, { recursive: parents ?? false });
  }).option('-p, --parents', 'and those above; one that is there is fine');

  pathsCommand(program, 'rm', 'remove files, or with -r anything', (fs, path, { recursive, force }) => {
    fs.rmSync(path, { recursive: recursive ?? false, force: force ?? false });
  })
    .option('-r, --recursive', 'directories and subvolumes with everything in them')
    .option('-f, --force', 'what is not there is no error');

  pathsCommand(program, 'rmdir', 'remove empty directories', (fs, path) => fs.rmdirSync(path));

  withImageOptions(program.command('truncate <image> <path...>'))
    .description('set the size of files')
    .requiredOption('-s, --size <size>', 'in bytes, or like 10M', parseSize)
    .action((image: string, paths: string[], options: ImageOptions & { size: number }) => {
      writing(image, options, (volume) =>
        forEach(volume, paths, (path, fs) => truncate(fs, imagePath(path), options.size)),
      );
    });

  withImageOptions(program.command('fallocate <image> <path>'))
    .description('set space aside for a range of a file, or give it back')
    .option('-o, --offset <bytes>', 'where the range begins', parseSize, 0)
    .requiredOption('-l, --length <bytes>', 'how long it is', parseSize)
    .option('-p, --punch-hole', 'make the range a hole: zeros that take no space')
    .option('-z, --zero-range', 'make the range zeros, with space set aside')
    .option('-n, --keep-size', 'leave the size of the file as it is')
    .action((image: string, path: string, options: AllocateOptions) => {
      writing(image, options, ({ fs }) => allocate(fs, imagePath(path), options));
    });

  addAttributeCommands(program);
}

function addAttributeCommands(program: Command): void {
  withImageOptions(program.command('chmod <image> <mode> <path...>'))
    .description('set permission bits, in octal')
    .action((image: string, mode: string, paths: string[], options: ImageOptions) => {
      const bits = argument(mode, parseMode);
      writing(image, options, (volume) => forEach(volume, paths, (path, fs) => fs.chmodSync(imagePath(path), bits)));
    });

  withImageOptions(program.command('chown <image> <owner> <path...>'))
    .description('set the owner: UID, UID:GID or :GID')
    .option('-h, --no-dereference', 'change symlinks, not what they lead to')
    .action((image: string, owner: string, paths: string[], options: ImageOptions & { dereference: boolean }) => {
      const { uid, gid } = argument(owner, parseOwner);
      const change = (fs: CommandFs, path: PathLike): void =>
        options.dereference ? fs.chownSync(path, uid, gid) : fs.lchownSync(path, uid, gid);
      writing(image, options, (volume) => forEach(volume, paths, (path, fs) => change(fs, imagePath(path))));
    });

  withImageOptions(program.command('touch <image> <path...>'))
    .description('set access and modification time, making files that are not there')
    .option(
      '-d, --date <time>',
      'an ISO 8601 time, or @SECONDS since 1970 with up to 9 decimals; now by default',
      parseTime,
    )
    .option('-c, --no-create', 'leave alone what is not there')
    .action((image: string, paths: string[], options: ImageOptions & { date?: bigint; create: boolean }) => {
      writing(image, options, (volume) => forEach(volume, paths, (path, fs) => touch(fs, imagePath(path), options)));
    });
}

function pathsCommand(
  program: Command,
  name: string,
  description: string,
  work: (fs: CommandFs, path: PathLike, options: ChangeOptions) => void,
): Command {
  return withImageOptions(program.command(`${name} <image> <path...>`))
    .description(description)
    .action((image: string, paths: string[], options: ChangeOptions) => {
      writing(image, options, (volume) => forEach(volume, paths, (path, fs) => work(fs, imagePath(path), options)));
    });
}

/** Makes the file if it is not there, as truncate(1) does. */
function truncate(fs: CommandFs, path: PathLike, size: number): void {
  if (!fs.existsSync(path)) makeFile(fs, path);
  fs.truncateSync(path, size);
}

function allocate(
  fs: CommandFs,
  path: PathLike,
  { offset, length, punchHole, zeroRange, keepSize }: AllocateOptions,
): void {
  if (punchHole === true && zeroRange === true)
    throw new UsageError('--punch-hole and --zero-range do not go together');
  if (punchHole === true) {
    fs.punchHoleSync(path, offset, length);
    return;
  }
  if (!fs.existsSync(path)) makeFile(fs, path);
  const keep = { keepSize: keepSize ?? false };
  if (zeroRange === true) fs.zeroRangeSync(path, offset, length, keep);
  else fs.fallocateSync(path, offset, length, keep);
}

function touch(fs: CommandFs, path: PathLike, { date, create }: { date?: bigint; create: boolean }): void {
  if (!fs.existsSync(path)) {
    if (!create) return;
    makeFile(fs, path);
  }
  const time = date ?? BigInt(Date.now()) * 1_000_000n;
  fs.utimesSync(path, time, time);
}

function makeFile(fs: CommandFs, path: PathLike): void {
  fs.closeSync(fs.openSync(path, constants.O_WRONLY | constants.O_CREAT));
}

/** Arguments are parsed by hand where options follow them. */
function argument<T>(text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw new UsageError(error.message);
    throw error;
  }
}

function parseOwner(text: string): { uid: number; gid: number } {
  const match = /^(\d*)(?::(\d*))?$/.exec(text);
  if (match === null || text === '' || text === ':')
    throw new UsageError(`'${text}' is no owner; write UID, UID:GID or :GID`);
  const id = (digits: string | undefined): number =>
    digits === undefined || digits === '' ? -1 : parseInteger(digits);
  return { uid: id(match[1]), gid: id(match[2]) };
}

/** Nanoseconds since 1970. */
function parseTime(text: string): bigint {
  const seconds = /^@(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (seconds !== null) {
    const ns = BigInt(seconds[2] ?? 0) * 1_000_000_000n + BigInt((seconds[3] ?? '').padEnd(9, '0'));
    return seconds[1] === '-' ? -ns : ns;
  }
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw new InvalidArgumentError(`'${text}' is no time; write it like 2026-11-22T23:16:39Z or @1795389399`);
  return BigInt(ms) * 1_000_000n;
}
