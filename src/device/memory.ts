/** A device in memory. Pages never written cost nothing and read as zeros, so it may be huge. */
import type { BlockDevice } from './device.js';
import { SparsePages } from './pages.js';
import { checkRange, checkWrite } from './range.js';

export class MemoryDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly = false;
  readonly name: string;
  private readonly pages: SparsePages;

  /** @param size - bytes */
  constructor(size: number, name = 'memory') {
    this.size = size;
    this.name = name;
    this.pages = new SparsePages(size, (_offset, into) => into.fill(0));
  }

  /** Memory taken so far, in bytes. */
  get allocatedBytes(): number {
    return this.pages.allocatedBytes;
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length);
    this.pages.read(offset, into);
  }

  write(offset: number, from: Uint8Array): void {
    checkWrite(this, offset, from.length);
    this.pages.write(offset, from);
  }

  flush(): void {}

  /** The bytes read as zeros; whole pages of them take no memory any more. */
  discard(offset: number, length: number): void {
    checkWrite(this, offset, length);
    this.pages.clear(offset, length);
  }

  close(): void {}
}
