/** Copies inside one volume, keeping modes, owners, times, symlinks, hard links and attributes. */
import { constants } from 'node:fs';
import { FsError } from '../../bytes/index.js';
import type { VolumeStats } from '../../library/index.js';
import type { CommandFs } from '../command-volume.js';
import { join, parentOf } from '../image-path.js';

export type ReflinkMode = 'always' | 'auto' | 'never';

export interface CopyWithinOptions {
  readonly recursive: boolean;
  readonly reflink: ReflinkMode;
}

const COPY_MODES: Record<ReflinkMode, number> = {
  always: constants.COPYFILE_FICLONE_FORCE,
  auto: constants.COPYFILE_FICLONE,
  never: 0,
};

/** @throws FsError EISDIR (a directory, without `recursive`), EINVAL (a directory into itself), and so on */
export function copyWithin(fs: CommandFs, source: Uint8Array, target: Uint8Array, options: CopyWithinOptions): void {
  const links = new Map<string, Uint8Array>();
  const stats = fs.lstatSync(source, { bigint: true });
  if (stats.isDirectory() && !options.recursive)
    throw new FsError('EISDIR', 'a directory is copied only with -r', { path: String(Buffer.from(source)) });
  if (stats.isDirectory() && isBelow(fs, source, target)) {
    throw new FsError('EINVAL', 'a directory cannot be copied into itself', { path: String(Buffer.from(source)) });
  }
  if (!stats.isSymbolicLink() && isSameFile(fs, source, target)) {
    const paths = { path: String(Buffer.from(source)), dest: String(Buffer.from(target)) };
    throw new FsError('EINVAL', 'both are the same file', paths);
  }
  copyAny(fs, source, target, options, links);
}

function isSameFile(fs: CommandFs, a: Uint8Array, b: Uint8Array): boolean {
  const [first, second] = [fs.statSync(a), fs.statSync(b, { throwIfNoEntry: false })];
  return first.dev === second?.dev && first.ino === second.ino;
}

function copyAny(
  fs: CommandFs,
  source: Uint8Array,
  target: Uint8Array,
  options: CopyWithinOptions,
  links: Map<string, Uint8Array>,
): void {
  const stats = fs.lstatSync(source, { bigint: true });
  const identity = `${stats.dev}:${stats.ino}`;
  const first = stats.isDirectory() || stats.nlink < 2n ? undefined : links.get(identity);
  if (first !== undefined) {
    fs.linkSync(first, target);
    return;
  }
  if (stats.isDirectory()) copyDirectory(fs, source, target, options, links);
  else if (stats.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(source, 'buffer'), target);
  else if (stats.isFile()) fs.copyFileSync(source, target, COPY_MODES[options.reflink]);
  else fs.mknodSync(target, Number(stats.mode), Number(stats.rdev));
  if (stats.nlink > 1n) links.set(identity, target);
  keepAttributes(fs, source, target, stats);
}

function copyDirectory(
  fs: CommandFs,
  source: Uint8Array,
  target: Uint8Array,
  options: CopyWithinOptions,
  links: Map<string, Uint8Array>,
): void {
  if (fs.lstatSync(target, { throwIfNoEntry: false })?.isDirectory() !== true) fs.mkdirSync(target);
  for (const { name } of fs.opendirSync(source)) {
    copyAny(fs, join(source, name), join(target, name), options, links);
  }
}

function keepAttributes(fs: CommandFs, source: Uint8Array, target: Uint8Array, stats: VolumeStats<bigint>): void {
  for (const name of fs.listxattrSync(source, { follow: false })) {
    fs.setxattrSync(target, name, fs.getxattrSync(source, name, { follow: false }), { follow: false });
  }
  fs.lchownSync(target, Number(stats.uid), Number(stats.gid));
  if (!stats.isSymbolicLink()) fs.chmodSync(target, Number(stats.mode) & 0o7777);
  fs.lutimesSync(target, stats.atimeNs, stats.mtimeNs);
}

function isBelow(fs: CommandFs, directory: Uint8Array, path: Uint8Array): boolean {
  const above = fs.realpathSync(directory, 'buffer');
  const parent = fs.realpathSync(parentOf(path), 'buffer');
  const prefix = above.at(-1) === 0x2f ? above : Buffer.concat([above, Buffer.from('/')]);
  return parent.equals(above) || parent.subarray(0, prefix.length).equals(prefix);
}
