/**
 * A set of disjoint, non-touching runs of bytes, sorted by address: the free space of one block group.
 *
 * Two parallel arrays searched by halving. A group of 1 GiB has a few thousand runs at worst in
 * practice, so moving array tails is cheap beside reading the tree they come from.
 */
import { invariant } from '../../bytes/index.js';

/** Lengths are told apart by powers of two from this one on, bytes. */
const SMALLEST = 4096;
const CLASSES = 24;

export class FreeRuns {
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  /** Sum of all runs, in bytes. */
  total = 0;
  /** No run is longer than this; may overestimate. */
  private longestBound = 0;
  /** Below these addresses no run has 4 KiB, 8 KiB, 16 KiB and so on. */
  private readonly lowest = new Array<number>(CLASSES).fill(Number.POSITIVE_INFINITY);

  get count(): number {
    return this.starts.length;
  }

  *[Symbol.iterator](): IterableIterator<{ start: number; length: number }> {
    for (let i = 0; i < this.starts.length; i++) {
      const start = this.starts[i] ?? 0;
      yield { start, length: (this.ends[i] ?? 0) - start };
    }
  }

  /** Adds a run that overlaps none, joining it with runs it touches. */
  add(start: number, length: number): void {
    if (length === 0) return;
    const end = start + length;
    const at = this.firstEndingAfter(start);
    if (at < this.starts.length && (this.starts[at] ?? 0) < end) invariant(false, `space at ${start} is freed once`);
    const joinsPrevious = at > 0 && this.ends[at - 1] === start;
    const joinsNext = this.starts[at] === end;
    const newStart = joinsPrevious ? (this.starts[at - 1] ?? 0) : start;
    const newEnd = joinsNext ? (this.ends[at] ?? 0) : end;
    const from = joinsPrevious ? at - 1 : at;
    const replaced = (joinsPrevious ? 1 : 0) + (joinsNext ? 1 : 0);
    this.starts.splice(from, replaced, newStart);
    this.ends.splice(from, replaced, newEnd);
    this.total += length;
    this.longestBound = Math.max(this.longestBound, newEnd - newStart);
    for (let size = classOf(newEnd - newStart); size >= 0; size--) {
      if (newStart < (this.lowest[size] ?? 0)) this.lowest[size] = newStart;
    }
  }

  /** Takes a range out of the one run that holds it. */
  remove(start: number, length: number): void {
    const end = start + length;
    const at = this.firstEndingAfter(start);
    const runStart = this.starts[at] ?? Number.POSITIVE_INFINITY;
    const runEnd = this.ends[at] ?? 0;
    if (runStart > start || end > runEnd) invariant(false, `space at ${start} is free when it is taken`);
    this.total -= length;
    if (runStart === start && end === runEnd) {
      this.starts.splice(at, 1);
      this.ends.splice(at, 1);
    } else if (runStart === start) {
      this.starts[at] = end;
    } else {
      this.ends[at] = start;
      if (end === runEnd) return;
      this.starts.splice(at + 1, 0, end);
      this.ends.splice(at + 1, 0, runEnd);
    }
  }

  /** Whether every byte of a range is in the set. */
  contains(start: number, length: number): boolean {
    const at = this.firstEndingAfter(start);
    return at < this.starts.length && (this.starts[at] ?? 0) <= start && start + length <= (this.ends[at] ?? 0);
  }

  /** Whether any byte of a range is in the set. */
  overlaps(start: number, length: number): boolean {
    const at = this.firstEndingAfter(start);
    return at < this.starts.length && (this.starts[at] ?? 0) < start + length;
  }

  /** Takes out whatever part of a range is in the set. */
  removeAnyOf(start: number, length: number): void {
    const end = start + length;
    let at = this.firstEndingAfter(start);
    while (at < this.starts.length && (this.starts[at] ?? end) < end) {
      const from = Math.max(this.starts[at] ?? 0, start);
      const to = Math.min(this.ends[at] ?? 0, end);
      this.remove(from, to - from);
      at = this.firstEndingAfter(to);
    }
  }

  /**
   * The lowest address with room for `length` bytes at a multiple of `alignment`. Does not take it.
   *
   * Where much comes and goes, this keeps to a small part of the space: on a sparse image what was
   * written before is written again, and the host need not find room for it.
   */
  findLowest(length: number, alignment: number): number | undefined {
    if (length > this.longestBound) return undefined;
    const size = classOf(length);
    const from = this.lowest[size] ?? 0;
    for (let at = this.firstEndingAfter(from); at < this.starts.length; at++) {
      const runStart = this.starts[at] ?? 0;
      const start = Math.ceil(runStart / alignment) * alignment;
      if (start + length > (this.ends[at] ?? 0)) continue;
      if (length === SMALLEST * 2 ** size) this.lowest[size] = runStart;
      return start;
    }
    if (length === SMALLEST * 2 ** size && alignment <= SMALLEST) this.lowest[size] = Number.POSITIVE_INFINITY;
    return undefined;
  }

  /**
   * The first run at or after `from` (wrapping around once) with room for `length` bytes at a
   * multiple of `alignment`. Does not take it.
   */
  findFit(length: number, alignment: number, from: number): number | undefined {
    if (length > this.longestBound) return undefined;
    const count = this.starts.length;
    const first = this.firstEndingAfter(from);
    for (let step = 0; step < count; step++) {
      const at = (first + step) % count;
      const runStart = step === 0 && first < count ? Math.max(this.starts[at] ?? 0, from) : (this.starts[at] ?? 0);
      const start = Math.ceil(runStart / alignment) * alignment;
      if (start + length <= (this.ends[at] ?? 0)) return start;
    }
    const around = this.fitAround(length, alignment, from);
    if (around === undefined) this.longest();
    return around;
  }

  /** The longest run. */
  longest(): { start: number; length: number } | undefined {
    let best: { start: number; length: number } | undefined;
    for (const run of this) if (best === undefined || run.length > best.length) best = run;
    this.longestBound = best?.length ?? 0;
    return best;
  }

  /** In the run that `from` lies in, whose beginning the search above skipped. */
  private fitAround(length: number, alignment: number, from: number): number | undefined {
    const at = this.firstEndingAfter(from);
    const start = Math.ceil((this.starts[at] ?? Number.POSITIVE_INFINITY) / alignment) * alignment;
    return start + length <= (this.ends[at] ?? 0) ? start : undefined;
  }

  /** Index of the first run that ends after `address`. */
  private firstEndingAfter(address: number): number {
    let low = 0;
    let high = this.ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.ends[middle] ?? 0) <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The largest power of two, counted from {@link SMALLEST}, that `length` reaches; -1 below it. */
function classOf(length: number): number {
  if (length < SMALLEST) return -1;
  return Math.min(CLASSES - 1, 31 - Math.clz32(length / SMALLEST));
}
