/** Bytes kept in pages that come into being when first written: the store behind devices in memory. */

/** Bytes per page: small enough for scattered tree blocks, large enough for file data. */
const PAGE_SIZE = 0x1_0000;

/** Fills `into` with what stood at `offset` before anything was written. */
type ReadAbsent = (offset: number, into: Uint8Array) => void;

export class SparsePages {
  private readonly pages = new Map<number, Uint8Array>();
  private readonly size: number;
  private readonly readAbsent: ReadAbsent;

  constructor(size: number, readAbsent: ReadAbsent) {
    this.size = size;
    this.readAbsent = readAbsent;
  }

  /** Memory taken by written pages, in bytes. */
  get allocatedBytes(): number {
    return this.pages.size * PAGE_SIZE;
  }

  read(offset: number, into: Uint8Array): void {
    for (const piece of piecesOf(offset, into)) {
      const page = this.pages.get(piece.page);
      if (page === undefined) this.readAbsent(piece.page * PAGE_SIZE + piece.start, piece.bytes);
      else piece.bytes.set(page.subarray(piece.start, piece.start + piece.bytes.length));
    }
  }

  write(offset: number, from: Uint8Array): void {
    for (const piece of piecesOf(offset, from)) {
      this.pageToWrite(piece.page, piece.bytes.length < PAGE_SIZE).set(piece.bytes, piece.start);
    }
  }

  /** Makes bytes again what they were before anything was written. */
  clear(offset: number, length: number): void {
    for (const [index, page] of this.pages) {
      const start = index * PAGE_SIZE;
      const from = Math.max(start, offset);
      const to = Math.min(start + PAGE_SIZE, offset + length);
      if (to - from === PAGE_SIZE) this.pages.delete(index);
      else if (to > from) this.readAbsent(from, page.subarray(from - start, to - start));
    }
  }

  private pageToWrite(index: number, keepOld: boolean): Uint8Array {
    const known = this.pages.get(index);
    if (known !== undefined) return known;
    const page = new Uint8Array(PAGE_SIZE);
    const start = index * PAGE_SIZE;
    if (keepOld) this.readAbsent(start, page.subarray(0, Math.min(PAGE_SIZE, this.size - start)));
    this.pages.set(index, page);
    return page;
  }
}

interface Piece {
  readonly page: number;
  /** First byte within the page. */
  readonly start: number;
  readonly bytes: Uint8Array;
}

function* piecesOf(offset: number, bytes: Uint8Array): Generator<Piece> {
  let done = 0;
  while (done < bytes.length) {
    const start = (offset + done) % PAGE_SIZE;
    const length = Math.min(PAGE_SIZE - start, bytes.length - done);
    yield { page: Math.floor((offset + done) / PAGE_SIZE), start, bytes: bytes.subarray(done, done + length) };
    done += length;
  }
}
