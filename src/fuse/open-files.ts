/** Files that programs have open: each holds its inode, and of an encrypted file the key. */
import { FsError, isFsError } from '../bytes/index.js';
import type { Filesystem, Inode } from '../filesystem/index.js';

const O_ACCMODE = 3;

interface OpenFile {
  readonly inode: Inode;
  readonly nodeid: number;
  readonly isWritable: boolean;
}

export class OpenFiles {
  private readonly filesystem: Filesystem;
  private readonly byHandle = new Map<number, OpenFile>();
  /** How many open files can be written, by node. */
  private readonly writers = new Map<number, number>();
  private nextHandle = 1;

  constructor(filesystem: Filesystem) {
    this.filesystem = filesystem;
  }

  /** @param flags - of open(2). @returns the handle. @throws FsError ENOKEY, EPERM */
  open(inode: Inode, nodeid: number, flags: number): number {
    const opened = this.filesystem.openInode(inode, this.directoryOf(inode));
    const handle = this.nextHandle++;
    const isWritable = (flags & O_ACCMODE) !== 0;
    this.byHandle.set(handle, { inode: opened, nodeid, isWritable });
    if (isWritable) this.countWriter(nodeid, 1);
    return handle;
  }

  close(handle: number): void {
    const file = this.byHandle.get(handle);
    if (file === undefined) throw new FsError('EBADF', `there is no open file ${handle}`);
    const { inode, nodeid, isWritable } = file;
    this.byHandle.delete(handle);
    if (isWritable) this.countWriter(nodeid, -1);
    if (!inode.isDetached) this.filesystem.closeInode(inode);
  }

  /** Whether the kernel may hold data that a program wrote: at each close it hands over all. */
  isWritten(nodeid: number): boolean {
    return this.writers.has(nodeid);
  }

  clear(): void {
    for (const handle of [...this.byHandle.keys()]) this.close(handle);
  }

  private countWriter(nodeid: number, by: number): void {
    const count = (this.writers.get(nodeid) ?? 0) + by;
    if (count === 0) this.writers.delete(nodeid);
    else this.writers.set(nodeid, count);
  }

  /** The directory through which an inode was found, whose policy an encrypted file must have. */
  private directoryOf(inode: Inode): Inode | undefined {
    if (inode.checkedParent === undefined) return undefined;
    try {
      return inode.subvolume.inode(inode.checkedParent);
    } catch (error) {
      if (isFsError(error, 'ENOENT')) return undefined;
      throw error;
    }
  }
}
