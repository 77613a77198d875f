/** ls, tree, stat, readlink: looking without changing anything. */
import type { Command } from 'commander';
import type { PathLike, VolumeStats } from '../../library/index.js';
import type { CommandFs } from '../command-volume.js';
import { forEach } from '../each.js';
import { describeEntry, type Entry, entriesBelow, entryPath, fullPath, isTop } from '../entry.js';
import { EXIT_DAMAGED } from '../failure.js';
import { baseName, bytesOf, imagePath } from '../image-path.js';
import { formatTime } from '../numbers.js';
import { output, shown } from '../output.js';
import { type ImageOptions, reading, withImageOptions } from '../session.js';
import { formatMode } from './format-mode.js';

interface ListOptions extends ImageOptions {
  readonly long?: boolean;
  readonly recursive?: boolean;
  readonly sha256?: boolean;
  readonly directory?: boolean;
  readonly json?: boolean;
}

export function addListCommands(program: Command): void {
  withImageOptions(program.command('ls <image> [path]'))
    .description('list a directory, or show one entry')
    .option('-l, --long', 'with mode, links, owner, size and time')
    .option('-R, --recursive', 'and everything below')
    .option('-d, --directory', 'the directory itself, not what it holds')
    .option('--sha256', "with the digest of each file's contents")
    .option('--json', 'one JSON object per line and entry, with everything')
    .action((image: string, path: string | undefined, options: ListOptions) => {
      reading(image, options, ({ fs }) => list(fs, entryPath(bytesOf(imagePath(path ?? '/'))), options));
    });

  withImageOptions(program.command('tree <image> [path]'))
    .description('show everything below a directory as a tree')
    .option('--json', 'one JSON object per line and entry')
    .action((image: string, path: string | undefined, options: ListOptions) => {
      reading(image, options, ({ fs }) => {
        const top = entryPath(bytesOf(imagePath(path ?? '/')));
        if (options.json === true) list(fs, top, { ...options, recursive: true });
        else showTree(fs, top);
      });
    });

  withImageOptions(program.command('stat <image> <path...>'))
    .description('show all there is to know of an entry, symlinks as themselves')
    .option('--sha256', "with the digest of a file's contents")
    .option('--json', 'one JSON object per line and entry')
    .action((image: string, paths: string[], options: ListOptions) => {
      reading(image, options, (volume) => forEach(volume, paths, (path, fs) => showStat(fs, imagePath(path), options)));
    });

  withImageOptions(program.command('readlink <image> <path...>'))
    .description('print the target of a symlink')
    .option('--json', 'one JSON string per line and target')
    .action((image: string, paths: string[], options: ListOptions) => {
      reading(image, options, (volume) =>
        forEach(volume, paths, (path, fs) => {
          const target = fs.readlinkSync(imagePath(path), 'buffer');
          if (options.json === true) output.json(target.toString());
          else output.bytes(Buffer.concat([target, Buffer.from('\n')]));
        }),
      );
    });
}

function list(fs: CommandFs, top: Uint8Array, options: ListOptions): void {
  const details = { sha256: options.sha256 ?? false };
  const isDirectory = fs.lstatSync(fullPath(top)).isDirectory();
  const isListed = isDirectory && options.directory !== true;
  if (options.json === true) {
    if (!isListed || options.recursive === true) outputEntry(describeEntry(fs, top, details));
    if (!isListed) return;
    for (const { path } of entriesBelow(fs, top, options.recursive ?? false))
      outputEntry(describeEntry(fs, path, details));
    return;
  }
  const show = (path: Uint8Array, name: Uint8Array): void =>
    showLine(describeEntry(fs, path, details), shown(name), options);
  if (!isListed) {
    show(top, top);
    return;
  }
  for (const { path } of entriesBelow(fs, top, options.recursive ?? false)) {
    show(path, options.recursive === true ? path : baseName(path));
  }
}

function outputEntry(entry: Entry): void {
  noteDamage(entry);
  output.json(entry);
}

/** An entry that cannot be read for damage does not end the listing, but shows in the exit code. */
function noteDamage({ stat_error, open_error, policy_error }: Entry): void {
  const isDamage = (code: string | undefined): boolean => code === 'EIO' || code === 'EUCLEAN';
  if ([stat_error, open_error, policy_error].some(isDamage)) output.noteExitCode(EXIT_DAMAGED);
}

function showLine(entry: Entry, name: string, { long, sha256 }: ListOptions): void {
  noteDamage(entry);
  const digest = sha256 === true ? `${(entry.sha256 ?? entry.open_error ?? '').padEnd(64)}  ` : '';
  if (long !== true) {
    output.line(`${digest}${name}`);
    return;
  }
  if (entry.stat_error !== undefined) {
    output.line(`${digest}?????????? ${entry.stat_error} ${name}`);
    return;
  }
  const size = entry.rdev === undefined ? String(entry.size) : entry.rdev.join(', ');
  const isEncrypted = entry.encrypted === true || entry.open_error === 'ENOKEY';
  const target = entry.target === undefined ? '' : ` -> ${shown(Buffer.from(entry.target))}`;
  const fields = [
    `${formatMode(entry)}${isEncrypted ? 'e' : ' '}`,
    String(entry.nlink).padStart(3),
    String(entry.uid).padStart(5),
    String(entry.gid).padStart(5),
    size.padStart(12),
    formatTime(entry.mtime_ns ?? 0n),
  ];
  output.line(`${digest}${fields.join(' ')} ${name}${target}`);
}

function showTree(fs: CommandFs, top: Uint8Array): void {
  output.line(shown(isTop(top) ? Buffer.from('/') : top));
  const visit = (directory: Uint8Array, indent: string): void => {
    const entries = [...entriesBelow(fs, directory, false)];
    entries.forEach(({ path, isDirectory }, i) => {
      const isLast = i === entries.length - 1;
      output.line(`${indent}${isLast ? '└── ' : '├── '}${shown(baseName(path))}${linkTarget(fs, path)}`);
      if (isDirectory && fs.lstatSync(fullPath(path), { throwIfNoEntry: false }) !== undefined) {
        visit(path, `${indent}${isLast ? '    ' : '│   '}`);
      }
    });
  };
  visit(top, '');
}

function linkTarget(fs: CommandFs, path: Uint8Array): string {
  const entry = describeEntry(fs, path, { sha256: false });
  if (entry.stat_error !== undefined) return ` [${entry.stat_error}]`;
  return entry.target === undefined ? '' : ` -> ${shown(Buffer.from(entry.target))}`;
}

function showStat(fs: CommandFs, path: PathLike, options: ListOptions): void {
  const stats = fs.lstatSync(path, { bigint: true });
  const entry = describeEntry(fs, entryPath(bytesOf(path)), { sha256: options.sha256 ?? false });
  noteDamage(entry);
  const times = { atime_ns: stats.atimeNs, ctime_ns: stats.ctimeNs, btime_ns: stats.birthtimeNs, blocks: stats.blocks };
  if (options.json === true) output.json({ ...entry, ...times });
  else for (const [name, value] of statRows(entry, stats)) output.line(`${`${name}:`.padEnd(12)}${value}`);
}

function statRows(entry: Entry, stats: VolumeStats<bigint>): [string, string][] {
  const time = (ns: bigint): string =>
    `${formatTime(ns)}.${String(((ns % 10n ** 9n) + 10n ** 9n) % 10n ** 9n).padStart(9, '0')} UTC`;
  const rows: [string, string | undefined][] = [
    ['path', entry.path === null ? `hex:${entry.path_hex}` : shown(Buffer.from(entry.path))],
    ['type', entry.type],
    ['inode', `${entry.ino} of subvolume ${entry.root}`],
    ['mode', `${entry.mode} ${formatMode(entry)}`],
    ['owner', `${entry.uid}:${entry.gid}`],
    ['links', String(entry.nlink)],
    ['size', String(entry.size)],
    ['blocks', String(stats.blocks)],
    ['device', entry.rdev?.join(', ')],
    ['target', entry.target && shown(Buffer.from(entry.target))],
    ['sha256', entry.sha256],
    ['accessed', time(stats.atimeNs)],
    ['modified', time(stats.mtimeNs)],
    ['changed', time(stats.ctimeNs)],
    ['created', time(stats.birthtimeNs)],
    ['encrypted', stats.encrypted ? 'yes' : 'no'],
    ['key', entry.policy?.master_key_identifier],
    ['nonce', entry.nonce],
    ['error', entry.open_error ?? entry.policy_error],
    ...Object.entries(entry.xattrs ?? {}).map(([name, value]): [string, string] => [
      'xattr',
      `${shown(Buffer.from(name))}=0x${value}`,
    ]),
  ];
  return rows.filter((row): row is [string, string] => row[1] !== undefined);
}
