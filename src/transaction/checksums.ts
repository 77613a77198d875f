/**
 * The checksum tree: one checksum per sector of data on disk, in runs of many to an item.
 *
 * Checksums belong to the extent: they go when the extent goes, not when a file stops using it.
 */
import { corrupt, invariant } from '../bytes/index.js';
import { EXTENT_CSUM_KEY, EXTENT_CSUM_OBJECTID, Key, maxChecksumsPerItem } from '../format/index.js';
import type { Tree } from '../tree/index.js';

interface Run {
  readonly key: Key;
  readonly start: number;
  readonly sums: Uint8Array;
}

export class ChecksumTree {
  private readonly tree: Tree;
  private readonly sectorsize: number;
  private readonly sumSize: number;
  private readonly maxBytes: number;

  constructor(tree: Tree, sectorsize: number, sumSize: number) {
    this.tree = tree;
    this.sectorsize = sectorsize;
    this.sumSize = sumSize;
    this.maxBytes = maxChecksumsPerItem(tree.store.nodesize, sumSize) * sumSize;
  }

  /** @param sums - one checksum for each sector from `bytenr` on, end to end */
  insert(bytenr: number, sums: Uint8Array): void {
    invariant(sums.length % this.sumSize === 0, 'checksums are whole');
    let done = this.extendPrevious(bytenr, sums);
    while (done < sums.length) {
      const piece = sums.subarray(done, done + this.maxBytes);
      this.tree.insert(this.key(bytenr + this.bytesCovered(done)), piece);
      done += piece.length;
    }
  }

  /** @returns one checksum per sector from `bytenr` on, undefined where there is none */
  find(bytenr: number, sectors: number): (Uint8Array | undefined)[] {
    const found = new Array<Uint8Array | undefined>(sectors).fill(undefined);
    const end = bytenr + sectors * this.sectorsize;
    for (const run of this.runsIn(bytenr, end)) {
      const count = run.sums.length / this.sumSize;
      for (let i = Math.max(0, (bytenr - run.start) / this.sectorsize); i < count; i++) {
        const sector = (run.start - bytenr) / this.sectorsize + i;
        if (sector >= sectors) break;
        found[sector] = run.sums.subarray(i * this.sumSize, (i + 1) * this.sumSize);
      }
    }
    return found;
  }

  /** Forgets the checksums of [bytenr, bytenr + length). */
  remove(bytenr: number, length: number): void {
    const end = bytenr + length;
    for (const run of [...this.runsIn(bytenr, end)]) {
      const runEnd = run.start + this.bytesCovered(run.sums.length);
      this.tree.remove(run.key);
      if (run.start < bytenr) this.tree.insert(run.key, run.sums.subarray(0, this.sumBytes(bytenr - run.start)));
      if (runEnd > end) this.tree.insert(this.key(end), run.sums.subarray(this.sumBytes(end - run.start)));
    }
  }

  /** Lengthens the run that ends at `bytenr`. @returns how many bytes of `sums` went there */
  private extendPrevious(bytenr: number, sums: Uint8Array): number {
    const cursor = this.tree.seekAtOrBefore(this.key(bytenr));
    if (!cursor.isItemOf(EXTENT_CSUM_OBJECTID, EXTENT_CSUM_KEY)) return 0;
    if (cursor.keyOffset + this.bytesCovered(cursor.size) !== bytenr) return 0;
    const room = Math.min(this.maxBytes - cursor.size, sums.length);
    if (room <= 0) return 0;
    const longer = new Uint8Array(cursor.size + room);
    longer.set(cursor.bytes());
    longer.set(sums.subarray(0, room), cursor.size);
    this.tree.replace(cursor.key, longer);
    return room;
  }

  private *runsIn(from: number, to: number): IterableIterator<Run> {
    let cursor = this.tree.seekAtOrBefore(this.key(from));
    if (!cursor.isItemOf(EXTENT_CSUM_OBJECTID, EXTENT_CSUM_KEY)) cursor = this.tree.seek(this.key(from));
    for (; cursor.isItemOf(EXTENT_CSUM_OBJECTID, EXTENT_CSUM_KEY) && cursor.keyOffset < to; cursor.next()) {
      if (cursor.size % this.sumSize !== 0) throw corrupt(cursor.describe(), 'checksums are cut off');
      const start = cursor.keyOffset;
      if (start + this.bytesCovered(cursor.size) > from) yield { key: cursor.key, start, sums: cursor.bytes() };
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
