/**
 * The checksum tree: one checksum per sector of data on disk, in runs of many to an item.
 *
 * Checksums belong to the extent: they go when the extent goes, not when a file stops using it.
 */
import { corrupt, invariant } from '../bytes/index.js';
import {
  bytesAt,
  EXTENT_CSUM_KEY,
  EXTENT_CSUM_OBJECTID,
  Key,
  maxChecksumsPerItem,
  writeBytes,
} from '../format/index.js';
import type { Tree } from '../tree/index.js';

/** One item: the checksums of the sectors from `start` on, in place. */
interface Run {
  readonly key: Key;
  readonly start: number;
  readonly sums: Uint8Array;
}

/** Checksums that wait for their neighbours hold at most this many bytes. */
const MAX_WAITING = 4096;

export class ChecksumTree {
  private readonly tree: Tree;
  private readonly sectorsize: number;
  private readonly sumSize: number;
  private readonly maxBytes: number;
  /** One run that is not in the tree yet: extents are mostly written one behind the other. */
  private readonly waiting = new Uint8Array(MAX_WAITING);
  private waitingStart = 0;
  private waitingBytes = 0;

  constructor(tree: Tree, sectorsize: number, sumSize: number) {
    this.tree = tree;
    this.sectorsize = sectorsize;
    this.sumSize = sumSize;
    this.maxBytes = maxChecksumsPerItem(tree.store.nodesize, sumSize) * sumSize;
  }

  /** @param sums - one checksum for each sector from `bytenr` on, end to end */
  insert(bytenr: number, sums: Uint8Array): void {
    invariant(sums.length % this.sumSize === 0, 'checksums are whole');
    const follows = bytenr === this.waitingStart + this.bytesCovered(this.waitingBytes);
    if (!follows || this.waitingBytes + sums.length > MAX_WAITING) this.settle();
    if (sums.length > MAX_WAITING) {
      this.insertNow(bytenr, sums);
      return;
    }
    if (this.waitingBytes === 0) this.waitingStart = bytenr;
    this.waiting.set(sums, this.waitingBytes);
    this.waitingBytes += sums.length;
  }

  /** Puts into the tree what waits. */
  settle(): void {
    if (this.waitingBytes === 0) return;
    const sums = this.waiting.subarray(0, this.waitingBytes);
    this.waitingBytes = 0;
    this.insertNow(this.waitingStart, sums);
  }

  /**
   * Copies the checksums of the sectors from `bytenr` on, end to end, to `into`.
   *
   * @returns how many sectors have one
   */
  private copy(bytenr: number, into: Uint8Array): number {
    let found = 0;
    for (const { start, sums } of this.runsIn(bytenr, bytenr + this.bytesCovered(into.length))) {
      found += this.copyFrom(start, sums, bytenr, into);
    }
    if (this.waitingBytes === 0) return found;
    return found + this.copyFrom(this.waitingStart, this.waiting.subarray(0, this.waitingBytes), bytenr, into);
  }

  /** The checksums of `length` bytes from `bytenr` on, end to end; undefined unless every sector has one. */
  copyOf(bytenr: number, length: number): Uint8Array | undefined {
    const sums = new Uint8Array(this.sumBytes(length));
    return this.copy(bytenr, sums) * this.sumSize === sums.length ? sums : undefined;
  }

  /** Copies what a run that begins at `start` has for `into`, which begins at `bytenr`. @returns for how many sectors */
  private copyFrom(start: number, sums: Uint8Array, bytenr: number, into: Uint8Array): number {
    const offset = this.sumBytes(start - bytenr);
    const from = Math.max(0, offset);
    const to = Math.min(into.length, offset + sums.length);
    if (to <= from) return 0;
    into.set(sums.subarray(from - offset, to - offset), from);
    return (to - from) / this.sumSize;
  }

  /** Forgets the checksums of [bytenr, bytenr + length). */
  remove(bytenr: number, length: number): void {
    this.settle();
    const end = bytenr + length;
    const runs = [...this.runsIn(bytenr, end)].map(({ key, start, sums }) => ({ key, start, sums: sums.slice() }));
    for (const run of runs) {
      const runEnd = run.start + this.bytesCovered(run.sums.length);
      this.tree.remove(run.key);
      if (run.start < bytenr) this.tree.insert(run.key, run.sums.subarray(0, this.sumBytes(bytenr - run.start)));
      if (runEnd > end) this.tree.insert(this.key(end), run.sums.subarray(this.sumBytes(end - run.start)));
    }
  }

  private insertNow(bytenr: number, sums: Uint8Array): void {
    let done = this.extendPrevious(bytenr, sums);
    while (done < sums.length) {
      const piece = sums.subarray(done, done + this.maxBytes);
      this.tree.insert(this.key(bytenr + this.bytesCovered(done)), piece);
      done += piece.length;
    }
  }

  /** Lengthens the run that ends at `bytenr`. @returns how many bytes of `sums` went there */
  private extendPrevious(bytenr: number, sums: Uint8Array): number {
    const cursor = this.tree.seekAtOrBefore(this.key(bytenr));
    if (!cursor.isItemOf(EXTENT_CSUM_OBJECTID, EXTENT_CSUM_KEY)) return 0;
    if (cursor.keyOffset + this.bytesCovered(cursor.size) !== bytenr) return 0;
    const room = Math.min(this.maxBytes - cursor.size, sums.length);
    if (room <= 0) return 0;
    const { view, at, size } = this.tree.lengthen(cursor.key, room);
    writeBytes(view, at + size - room, sums.subarray(0, room));
    return room;
  }

  /** The sums are good until the tree changes. */
  private *runsIn(from: number, to: number): IterableIterator<Run> {
    let cursor = this.tree.seekAtOrBefore(this.key(from));
    if (!cursor.isItemOf(EXTENT_CSUM_OBJECTID, EXTENT_CSUM_KEY)) cursor = this.tree.seek(this.key(from));
    for (; cursor.isItemOf(EXTENT_CSUM_OBJECTID, EXTENT_CSUM_KEY) && cursor.keyOffset < to; cursor.next()) {
      if (cursor.size % this.sumSize !== 0) throw corrupt(cursor.describe(), 'checksums are cut off');
      const start = cursor.keyOffset;
      if (start + this.bytesCovered(cursor.size) > from)
        yield { key: cursor.key, start, sums: bytesAt(cursor.view, cursor.at, cursor.size) };
    }
  }

  private key(bytenr: number): Key {
    return new Key(EXTENT_CSUM_OBJECTID, EXTENT_CSUM_KEY, bytenr);
  }

  private bytesCovered(sumBytes: number): number {
    return (sumBytes / this.sumSize) * this.sectorsize;
  }

  private sumBytes(covered: number): number {
    return (covered / this.sectorsize) * this.sumSize;
  }
}
