/** What the reads and writes so far say of those to come, so that the host can work ahead. */

/** Bytes of a stretch of the device. */
export interface Stretch {
  readonly offset: number;
  readonly length: number;
}

/** Regions are this large, and begin at multiples of it. */
const REGION = 1024 * 1024;
/** A region in which so many short reads began is read whole. */
const OFTEN = 8;
/** After so many more what was read may have left memory: the region is looked at anew. */
const RENEWAL = 4096;
/** Longer reads are nothing that the host would not see by itself. */
const SHORT_READ = 64 * 1024;
/** Regions that are remembered; beyond, all are forgotten. */
const MAX_REGIONS = 4096;

/** Finds the parts of a device that are read in many short pieces, at random. */
export class HotRegions {
  private readonly counts = new Map<number, number>();

  /** @returns what is worth to be read as a whole now */
  noteRead(offset: number, length: number): Stretch | undefined {
    if (length > SHORT_READ) return undefined;
    const region = Math.floor(offset / REGION);
    const count = (this.counts.get(region) ?? 0) + 1;
    if (count === 1 && this.counts.size >= MAX_REGIONS) this.counts.clear();
    this.counts.set(region, count < RENEWAL ? count : 0);
    return count === OFTEN ? { offset: region * REGION, length: REGION } : undefined;
  }
}

/** Shorter writes may be written again soon. */
const LONG_WRITE = 256 * 1024;
/** Bytes that the host is asked to write at once. */
const WRITE_STEP = 8 * 1024 * 1024;

/** Finds long runs of data, which the host would begin to write only when it is told to have finished. */
export class WriteRuns {
  private start = 0;
  private end = 0;

  /** @returns what is worth to be written now */
  noteWrite(offset: number, length: number): Stretch | undefined {
    if (length < LONG_WRITE) return undefined;
    if (offset !== this.end) this.start = offset;
    this.end = offset + length;
    if (this.end - this.start < WRITE_STEP) return undefined;
    const stretch = { offset: this.start, length: this.end - this.start };
    this.start = this.end;
    return stretch;
  }
}
