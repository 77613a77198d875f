/** An open directory, as `fs.Dir`: entries one after another, without keeping them all in memory. */
import { FsError } from '../bytes/index.js';
import type { DirectoryEntry } from '../filesystem/index.js';
import { VolumeDirent } from './stats.js';

export class VolumeDirectory implements Iterable<VolumeDirent<Buffer>>, Disposable {
  readonly path: Buffer;
  private entries: Iterator<DirectoryEntry> | undefined;

  /** Use `opendirSync`. */
  constructor(path: Buffer, entries: Iterable<DirectoryEntry>) {
    this.path = path;
    this.entries = entries[Symbol.iterator]();
  }

  /** The next entry, null at the end. Names are bytes. @throws FsError EBADF after {@link closeSync} */
  readSync(): VolumeDirent<Buffer> | null {
    if (this.entries === undefined) throw new FsError('EBADF', 'the directory is closed');
    const { done, value } = this.entries.next();
    return done === true ? null : new VolumeDirent(Buffer.from(value.name), this.path, value.type, value);
  }

  closeSync(): void {
    this.entries = undefined;
  }

  *[Symbol.iterator](): Iterator<VolumeDirent<Buffer>> {
    for (let entry = this.readSync(); entry !== null; entry = this.readSync()) yield entry;
    this.closeSync();
  }

  [Symbol.dispose](): void {
    this.closeSync();
  }
}
