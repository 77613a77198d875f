/** A device in memory that holds garbage wherever nothing was written, or was given back since. */
import { FsError } from '../../src/bytes/index.js';
import type { BlockDevice } from '../../src/device/index.js';

const PAGE = 4096;
const GARBAGE = Buffer.alloc(PAGE, 0xa5);

export class ForgetfulDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly = false;
  readonly name = 'forgetful';
  /** Everything that was given back, in the order of giving. Bytes. */
  readonly discarded: { start: number; length: number }[] = [];
  private readonly pages = new Map<number, Buffer>();

  constructor(size: number) {
    this.size = size;
  }

  read(offset: number, into: Uint8Array): void {
    for (const { page, from, to, at } of this.pieces(offset, into.length)) {
      into.set((this.pages.get(page) ?? GARBAGE).subarray(from, to), at);
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    for (const { page, from, to, at } of this.pieces(offset, bytes.length)) {
      const known = this.pages.get(page) ?? Buffer.from(GARBAGE);
      known.set(bytes.subarray(at, at + to - from), from);
      this.pages.set(page, known);
    }
  }

  flush(): void {}

  close(): void {}

  discard(offset: number, length: number): void {
    this.check(offset, length);
    if (offset % PAGE !== 0 || length % PAGE !== 0) throw new FsError('EINVAL', `${offset}+${length} is not aligned`);
    this.discarded.push({ start: offset, length });
    for (const page of this.pages.keys()) {
      if (page * PAGE >= offset && page * PAGE < offset + length) this.pages.delete(page);
    }
  }

  /** Bytes in memory. */
  get heldBytes(): number {
    return this.pages.size * PAGE;
  }

  private *pieces(offset: number, length: number): Generator<{ page: number; from: number; to: number; at: number }> {
    this.check(offset, length);
    for (let at = 0; at < length; ) {
      const from = (offset + at) % PAGE;
      const to = Math.min(PAGE, from + length - at);
      yield { page: Math.floor((offset + at) / PAGE), from, to, at };
      at += to - from;
    }
  }

  private check(offset: number, length: number): void {
    if (offset < 0 || offset + length > this.size) throw new FsError('EIO', `${offset}+${length} is outside`);
  }
}
