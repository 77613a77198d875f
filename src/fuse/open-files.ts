/** Files that programs have open: each holds its inode, and of an encrypted file the key. */
import { FsError, isFsError } from '../bytes/index.js';
import type { Filesystem, Inode } from '../filesystem/index.js';

export class OpenFiles {
  private readonly filesystem: Filesystem;
  private readonly byHandle = new Map<number, Inode>();
  private nextHandle = 1;

  constructor(filesystem: Filesystem) {
    this.filesystem = filesystem;
  }

  /** @returns the handle. @throws FsError ENOKEY, EPERM */
  open(inode: Inode): number {
    const opened = this.filesystem.openInode(inode, this.directoryOf(inode));
    const handle = this.nextHandle++;
    this.byHandle.set(handle, opened);
    return handle;
  }

  close(handle: number): void {
    const inode = this.byHandle.get(handle);
    if (inode === undefined) throw new FsError('EBADF', `there is no open file ${handle}`);
    this.byHandle.delete(handle);
    if (!inode.isDetached) this.filesystem.closeInode(inode);
  }

  clear(): void {
    for (const handle of [...this.byHandle.keys()]) this.close(handle);
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
