/** From a path to an inode: symlinks, `..` across subvolumes, trailing slashes, as path_resolution(7) says. */
import { equalBytes, FsError } from '../bytes/index.js';
import type { Filesystem, Inode } from '../filesystem/index.js';
import { components, endsWithSlash, isAbsolute, joinPath, type PathLike, pathBytes } from './paths.js';

/** As Linux: a path meets at most this many symlinks. */
const MAX_SYMLINKS = 40;

/** A name in a directory, and what it names, if anything. */
export interface Place {
  readonly directory: Inode;
  /** `.` for the top of the volume. May be `.` or `..`. */
  readonly name: Uint8Array;
  readonly inode: Inode | undefined;
  /** The path ended with a slash: only a directory may be meant. */
  readonly isDirectoryWanted: boolean;
}

interface Step {
  at: Inode;
  last: { directory: Inode; name: Uint8Array };
  /** Names from the top to `at`, no symlinks among them. */
  trail: Uint8Array[];
  /** Names still to go, the next one last. */
  pending: Uint8Array[];
  links: number;
  isDirectoryWanted: boolean;
}

const DOT = Buffer.from('.');
const DOT_DOT = Buffer.from('..');

export class PathWalk {
  private readonly filesystem: Filesystem;
  /** Id of the subvolume whose top is `/`. */
  private readonly subvolumeId: number;

  constructor(filesystem: Filesystem, subvolumeId: number) {
    this.filesystem = filesystem;
    this.subvolumeId = subvolumeId;
  }

  get top(): Inode {
    return this.filesystem.inode(this.subvolumeId, TOP_INO);
  }

  /**
   * The inode a path names.
   *
   * @param follow - whether a symlink at the end stands for its target
   * @throws FsError ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EINVAL, ENOKEY, EUCLEAN
   */
  inode(path: PathLike, follow: boolean): Inode {
    const { inode } = this.place(path, follow);
    if (inode === undefined) throw new FsError('ENOENT', 'there is no such file or directory');
    return inode;
  }

  /** The place a path names; what it lies in must exist, itself need not. @throws FsError as {@link inode} */
  place(path: PathLike, follow: boolean): Place {
    return this.walk(path, follow).place;
  }

  /** The path of the same inode without symlinks, `.` and `..`. @throws FsError as {@link inode} */
  realPath(path: PathLike): Uint8Array {
    const { place, trail } = this.walk(path, true);
    if (place.inode === undefined) throw new FsError('ENOENT', 'there is no such file or directory');
    return trail.reduce<Uint8Array>(joinPath, Buffer.from('/'));
  }

  private walk(path: PathLike, follow: boolean): { place: Place; trail: Uint8Array[] } {
    const bytes = pathBytes(path);
    if (bytes.length === 0) throw new FsError('ENOENT', 'the path is empty');
    const { top } = this;
    const step: Step = {
      at: top,
      last: { directory: top, name: DOT },
      trail: [],
      pending: components(bytes).reverse(),
      links: 0,
      isDirectoryWanted: endsWithSlash(bytes),
    };
    for (let name = step.pending.pop(); name !== undefined; name = step.pending.pop()) {
      const isLast = step.pending.length === 0;
      const next = this.child(step, name, isLast);
      if (next === undefined) return { place: placeOf(step, undefined), trail: step.trail };
      if (next.isSymlink && (!isLast || follow || step.isDirectoryWanted)) this.followLink(step, next, isLast);
      else enter(step, name, next);
    }
    if (step.isDirectoryWanted && !step.at.isDirectory) throw new FsError('ENOTDIR', 'it is no directory');
    return { place: placeOf(step, step.at), trail: step.trail };
  }

  /** @returns undefined if the last name of the path does not exist */
  private child(step: Step, name: Uint8Array, isLast: boolean): Inode | undefined {
    step.last = { directory: step.at, name };
    if (equalBytes(name, DOT_DOT) && this.isTop(step.at)) return step.at;
    return isLast ? this.filesystem.find(step.at, name) : this.filesystem.lookup(step.at, name);
  }

  private followLink(step: Step, link: Inode, isLast: boolean): void {
    step.links += 1;
    if (step.links > MAX_SYMLINKS) throw new FsError('ELOOP', `more than ${MAX_SYMLINKS} symlinks on the way`);
    const target = this.filesystem.readlink(link);
    if (target.length === 0) throw new FsError('ENOENT', 'a symlink on the way has no target');
    if (isAbsolute(target)) {
      step.at = this.top;
      step.trail = [];
      step.last = { directory: step.at, name: DOT };
    }
    if (isLast && endsWithSlash(target)) step.isDirectoryWanted = true;
    step.pending.push(...components(target).reverse());
  }

  private isTop(inode: Inode): boolean {
    return inode.ino === TOP_INO && inode.subvolume.id === this.subvolumeId;
  }
}

/** The top directory of every subvolume. */
const TOP_INO = 256;

function enter(step: Step, name: Uint8Array, next: Inode): void {
  if (equalBytes(name, DOT_DOT)) step.trail.pop();
  else if (!equalBytes(name, DOT)) step.trail.push(name);
  step.at = next;
}

function placeOf(step: Step, inode: Inode | undefined): Place {
  const { directory, name } = step.last;
  return { directory, name, inode, isDirectoryWanted: step.isDirectoryWanted };
}
