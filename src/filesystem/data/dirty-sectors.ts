/**
 * Dirty file data: sectors written but not yet on disk.
 *
 * Kept in chunks of 32 sectors, each with one bit per sector. A dirty sector is always whole:
 * whoever writes part of one completes it first.
 */
import { roundDown, roundUp } from '../../bytes/index.js';

const SECTORS_PER_CHUNK = 32;

interface Chunk {
  /** Grows by doubling, so that a file of one sector does not cost a whole chunk. */
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
  private order: number[] | undefined;
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
      const chunk = this.chunkFor(at, inChunk + length);
      chunk.bytes.set(bytes.subarray(done, done + length), inChunk);
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
      const chunk = this.chunkFor(at, inChunk + length);
      yield { start: at, bytes: chunk.bytes.subarray(inChunk, inChunk + length) };
      at += length;
    }
  }

  /** The first dirty run that ends after `offset`, from `offset` on. */
  nextRun(offset: number): FileRange | undefined {
    for (const index of this.ordered()) {
      const base = index * this.chunkSize;
      if (base + this.chunkSize <= offset) continue;
      for (let at = Math.max(base, roundDown(offset, this.sectorsize)); at < base + this.chunkSize; at += this.sectorsize) {
        if (this.has(at)) return { start: Math.max(at, offset), end: this.runEnd(at, Number.MAX_SAFE_INTEGER) };
      }
    }
    return undefined;
  }

  /** Forgets every sector that begins in [start, end). @returns the bytes forgotten */
  remove(start: number, end: number): number {
    const before = this.count;
    const from = roundUp(start, this.sectorsize);
    for (const index of this.ordered()) {
      const base = index * this.chunkSize;
      const chunk = this.chunks.get(index);
      if (chunk === undefined || base + this.chunkSize <= from || base >= end) continue;
      this.unmark(chunk, from - base, end - base);
      if (chunk.dirty !== 0) continue;
      this.chunks.delete(index);
      this.order = undefined;
    }
    return (before - this.count) * this.sectorsize;
  }

  private ordered(): readonly number[] {
    this.order ??= [...this.chunks.keys()].sort((a, b) => a - b);
    return this.order;
  }

  private isEmptyChunk(offset: number): boolean {
    return offset % this.chunkSize === 0 && !this.chunks.has(offset / this.chunkSize);
  }

  private bitOf(offset: number): number {
    return 1 << Math.floor((offset % this.chunkSize) / this.sectorsize);
  }

  private chunkFor(offset: number, length: number): Chunk {
    const index = Math.floor(offset / this.chunkSize);
    let chunk = this.chunks.get(index);
    if (chunk === undefined) {
      chunk = { bytes: new Uint8Array(0), dirty: 0 };
      this.chunks.set(index, chunk);
      this.order = undefined;
    }
    if (chunk.bytes.length < length) {
      let size = this.sectorsize;
      while (size < length) size *= 2;
      const grown = new Uint8Array(size);
      grown.set(chunk.bytes);
      chunk.bytes = grown;
    }
    return chunk;
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
