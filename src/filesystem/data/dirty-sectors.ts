/**
 * Dirty file data: sectors written but not yet on disk.
 *
 * Kept in chunks of 16 sectors, each with one bit per sector, and memory only from its first dirty
 * sector to its last. A dirty sector is always whole: whoever writes part of one completes it first.
 */
import { roundDown, roundUp } from '../../bytes/index.js';

const SECTORS_PER_CHUNK = 16;

interface Chunk {
  /** Where in the chunk `bytes` begins. */
  from: number;
  bytes: Uint8Array;
  /** Bit n stands for sector n of the chunk. */
  dirty: number;
}

/** Bytes [start, end) of a file. */
export interface FileRange {
  readonly start: number;
  readonly end: number;
}

export class DirtySectors {
  private readonly sectorsize: number;
  private readonly chunkSize: number;
  private readonly chunks = new Map<number, Chunk>();
  /** Numbers of the chunks, ascending. */
  private readonly order: number[] = [];
  private count = 0;

  constructor(sectorsize: number) {
    this.sectorsize = sectorsize;
    this.chunkSize = sectorsize * SECTORS_PER_CHUNK;
  }

  /** Dirty bytes, a multiple of the sector. */
  get size(): number {
    return this.count * this.sectorsize;
  }

  /** Whether the sector that holds the byte at `offset` is dirty. */
  has(offset: number): boolean {
    const chunk = this.chunks.get(Math.floor(offset / this.chunkSize));
    return chunk !== undefined && (chunk.dirty & this.bitOf(offset)) !== 0;
  }

  /** Bytes of sectors touched by [start, end) that are not dirty yet. */
  missing(start: number, end: number): number {
    let bytes = 0;
    for (let at = roundDown(start, this.sectorsize); at < end; at += this.sectorsize) {
      if (!this.has(at)) bytes += this.sectorsize;
    }
    return bytes;
  }

  /** Where the run of equally dirty or equally clean sectors around `offset` ends, at most `limit`. */
  runEnd(offset: number, limit: number): number {
    const dirty = this.has(offset);
    let at = roundDown(offset, this.sectorsize) + this.sectorsize;
    while (at < limit && this.has(at) === dirty) at += this.isEmptyChunk(at) ? this.chunkSize : this.sectorsize;
    return Math.min(at, limit);
  }

  /** Takes bytes and marks every sector they touch as dirty; sectors they do not fill must be dirty already. */
  put(offset: number, bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.length) {
      const at = offset + done;
      const inChunk = at % this.chunkSize;
      const length = Math.min(bytes.length - done, this.chunkSize - inChunk);
      const chunk = this.chunkFor(at, length);
      chunk.bytes.set(bytes.subarray(done, done + length), inChunk - chunk.from);
      this.mark(chunk, inChunk, length);
      done += length;
    }
  }

  /** Overwrites [start, end), all of it dirty, with zeros. */
  zero(start: number, end: number): void {
    for (const { bytes } of this.pieces(start, end)) bytes.fill(0);
  }

  /** Copies dirty bytes from `offset` on; every sector touched must be dirty. */
  read(offset: number, into: Uint8Array): void {
    for (const { start, bytes } of this.pieces(offset, offset + into.length)) into.set(bytes, start - offset);
  }

  /** The bytes of [start, end) in place, piece by piece; all of it must be dirty. */
  *pieces(start: number, end: number): IterableIterator<{ start: number; bytes: Uint8Array }> {
    for (let at = start; at < end; ) {
      const inChunk = at % this.chunkSize;
      const length = Math.min(end - at, this.chunkSize - inChunk);
      const { from, bytes } = this.chunkFor(at, length);
      yield { start: at, bytes: bytes.subarray(inChunk - from, inChunk - from + length) };
      at += length;
    }
  }

  /** The first dirty run that ends after `offset`, from `offset` on. */
  nextRun(offset: number): FileRange | undefined {
    for (let i = this.indexOf(offset); i < this.order.length; i++) {
      const base = (this.order[i] ?? 0) * this.chunkSize;
      const first = Math.max(base, roundDown(offset, this.sectorsize));
      for (let at = first; at < base + this.chunkSize; at += this.sectorsize) {
        if (this.has(at)) return { start: Math.max(at, offset), end: this.runEnd(at, Number.MAX_SAFE_INTEGER) };
      }
    }
    return undefined;
  }

  /** Forgets every sector that begins in [start, end). @returns the bytes forgotten */
  remove(start: number, end: number): number {
    const before = this.count;
    const from = roundUp(start, this.sectorsize);
    for (let i = this.indexOf(from); i < this.order.length; ) {
      const index = this.order[i] ?? 0;
      const base = index * this.chunkSize;
      const chunk = this.chunks.get(index);
      if (chunk === undefined || base >= end) break;
      this.unmark(chunk, from - base, end - base);
      if (chunk.dirty !== 0) {
        i += 1;
        continue;
      }
      this.chunks.delete(index);
      this.order.splice(i, 1);
    }
    return (before - this.count) * this.sectorsize;
  }

  /** Where in {@link order} the first chunk stands that does not end before `offset`. */
  private indexOf(offset: number): number {
    const wanted = Math.floor(offset / this.chunkSize);
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.order[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private isEmptyChunk(offset: number): boolean {
    return offset % this.chunkSize === 0 && !this.chunks.has(offset / this.chunkSize);
  }

  private bitOf(offset: number): number {
    return 1 << Math.floor((offset % this.chunkSize) / this.sectorsize);
  }

  /** The chunk of the byte at `offset`, with memory for `length` bytes from there on. */
  private chunkFor(offset: number, length: number): Chunk {
    const index = Math.floor(offset / this.chunkSize);
    const from = roundDown(offset % this.chunkSize, this.sectorsize);
    const end = roundUp((offset % this.chunkSize) + length, this.sectorsize);
    const chunk = this.chunks.get(index);
    if (chunk === undefined) {
      const created: Chunk = { from, bytes: new Uint8Array(end - from), dirty: 0 };
      this.chunks.set(index, created);
      this.order.splice(this.indexOf(offset), 0, index);
      return created;
    }
    if (from < chunk.from || end > chunk.from + chunk.bytes.length) this.extend(chunk, from, end);
    return chunk;
  }

  /** Makes a chunk's memory reach from `from` to `end`; upwards it at least doubles, as files grow. */
  private extend(chunk: Chunk, from: number, end: number): void {
    const oldEnd = chunk.from + chunk.bytes.length;
    const newFrom = Math.min(from, chunk.from);
    const doubled = end > oldEnd ? Math.min(this.chunkSize, oldEnd + chunk.bytes.length) : oldEnd;
    const grown = new Uint8Array(Math.max(end, doubled) - newFrom);
    grown.set(chunk.bytes, chunk.from - newFrom);
    chunk.from = newFrom;
    chunk.bytes = grown;
  }

  private mark(chunk: Chunk, from: number, length: number): void {
    for (let at = roundDown(from, this.sectorsize); at < from + length; at += this.sectorsize) {
      const bit = this.bitOf(at);
      if ((chunk.dirty & bit) !== 0) continue;
      chunk.dirty |= bit;
      this.count += 1;
    }
  }

  private unmark(chunk: Chunk, from: number, end: number): void {
    for (let at = Math.max(0, from); at < Math.min(end, this.chunkSize); at += this.sectorsize) {
      const bit = this.bitOf(at);
      if ((chunk.dirty & bit) === 0) continue;
      chunk.dirty &= ~bit;
      this.count -= 1;
    }
  }
}
