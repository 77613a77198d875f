/** Copy-on-write over another device: writes stay in memory, the base is only ever read. */
import type { BlockDevice } from './device.js';
import { SparsePages } from './pages.js';
import { checkRange, checkWrite } from './range.js';

export class OverlayDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly = false;
  readonly name: string;
  private readonly pages: SparsePages;

  /** @param base - must not change while the overlay is in use; closing the overlay leaves it open */
  constructor(base: BlockDevice, name = `overlay of ${base.name}`) {
    this.size = base.size;
    this.name = name;
    this.pages = new SparsePages(base.size, (offset, into) => base.read(offset, into));
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

  close(): void {}
}
