/**
 * Looking at everything a damaged volume shows, with every answer either a value or an FsError.
 *
 * Anything else (TypeError, RangeError, a broken invariant) is thrown on: that is what the tests
 * look for. The look is bounded, because damage can make a small volume claim to be endless.
 */
import { createHash } from 'node:crypto';
import { FsError } from '../../../src/bytes/index.js';
import type { BlockDevice } from '../../../src/device/index.js';
import type { Filesystem, Inode } from '../../../src/filesystem/index.js';
import { listSubvolumes } from '../../../src/filesystem/subvolume-list.js';
import { openFilesystem } from '../open-filesystem.js';

const MOST_ENTRIES = 4000;
const MOST_BYTES = 24 * 1024 * 1024;
const MOST_BYTES_PER_FILE = 2 * 1024 * 1024;
/** A single look at a volume of a few MiB that takes longer than this hangs, in a user's eyes. */
const MOST_MILLISECONDS = 10_000;

/** What was seen: by path, a line that describes the entry or the error that looking at it gave. */
export type Sight = Map<string, string>;

/** The error of `work` if it is one that callers can act on. Others are thrown on. */
export function fsErrorOf(work: () => void): FsError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof FsError) return error;
    throw error;
  }
}

/** Opens a device for reading, and looks. The key `error` stands for a volume that does not open. */
export function explore(device: BlockDevice, keys: readonly Uint8Array[]): Sight {
  const sight: Sight = new Map();
  const started = performance.now();
  const error = fsErrorOf(() => {
    const { filesystem } = openFilesystem(device, { keys, readOnly: true });
    new Look(filesystem, sight).lookAround();
  });
  if (error !== undefined) sight.set('error', error.code);
  const took = performance.now() - started;
  if (took > MOST_MILLISECONDS) throw new Error(`looking at the volume took ${Math.round(took)} ms`);
  return sight;
}

class Look {
  private readonly filesystem: Filesystem;
  private readonly sight: Sight;
  private readonly piece = new Uint8Array(128 * 1024);
  private bytes = 0;

  constructor(filesystem: Filesystem, sight: Sight) {
    this.filesystem = filesystem;
    this.sight = sight;
  }

  lookAround(): void {
    this.note('subvolumes', () => [...listSubvolumes(this.filesystem)].length.toString());
    this.lookInto(this.filesystem.root(), '');
  }

  private note(path: string, describe: () => string): void {
    const error = fsErrorOf(() => this.sight.set(path, describe()));
    if (error !== undefined) this.sight.set(path, error.code);
  }

  private lookInto(directory: Inode, path: string): void {
    this.note(`${path}/`, () => {
      let count = 0;
      for (const entry of this.filesystem.readDirectory(directory)) {
        if (this.sight.size > MOST_ENTRIES) return 'cut short';
        count++;
        const below = `${path}/${Buffer.from(entry.name).toString('latin1')}`;
        this.note(below, () => this.lookAt(directory, entry.name, below));
      }
      return `${count} entries`;
    });
  }

  private lookAt(directory: Inode, name: Uint8Array, path: string): string {
    const { filesystem } = this;
    const inode = filesystem.lookup(directory, name);
    const { mode, nlink, size, uid } = filesystem.stat(inode);
    this.note(`${path} xattrs`, () => this.xattrsOf(inode));
    this.note(`${path} policy`, () => JSON.stringify(filesystem.policy(inode).policy));
    const head = `${mode.toString(8)} ${nlink} ${uid} ${size}`;
    if (inode.isSymlink) return `${head} ${Buffer.from(filesystem.readlink(inode)).toString('latin1')}`;
    if (inode.isDirectory) this.lookInto(inode, path);
    return inode.isRegular ? `${head} ${this.contentsOf(inode, size)}` : head;
  }

  private xattrsOf(inode: Inode): string {
    const { filesystem } = this;
    return filesystem
      .listXattr(inode)
      .map((name) => `${Buffer.from(name)}=${Buffer.from(filesystem.getXattr(inode, name)).toString('hex')}`)
      .join();
  }

  private contentsOf(inode: Inode, size: number): string {
    const { data } = inode;
    const hash = createHash('sha256');
    for (let at = 0; at < size && at < MOST_BYTES_PER_FILE && this.bytes < MOST_BYTES; ) {
      const length = data.read(at, this.piece);
      if (length <= 0) throw new Error(`inode ${inode.ino} ends at ${at}, before its size ${size}`);
      hash.update(this.piece.subarray(0, length));
      at += length;
      this.bytes += length;
    }
    let pieces = 0;
    for (const _extent of data.extents()) if (++pieces > MOST_ENTRIES) break;
    fsErrorOf(() => data.holeAfter(data.dataAfter(0)));
    return hash.digest('hex');
  }
}
