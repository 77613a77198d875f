/**
 * What a power cut may leave of a recorded sequence of writes.
 *
 * Writes before the last completed flush are on the medium. Each write after it may be there, be
 * missing, or be torn (some of its 512-byte sectors there), and the device may have done them in
 * any order. Everything follows from the recording and one seed.
 */
import { FsError } from '../bytes/index.js';
import type { BlockDevice } from './device.js';
import { OverlayDevice } from './overlay.js';
import type { RecordedEvent, RecordingDevice } from './recording.js';

/** The unit in which a disk writes, in bytes: a torn write keeps or loses whole sectors of this size. */
const DISK_SECTOR = 512;
const DEFAULT_IMAGES_PER_CUT = 8;

type RecordedWrite = Extract<RecordedEvent, { kind: 'write' }>;

export interface PowerCutOptions {
  readonly seed: number;
  /** How many images to make of each cut that has unflushed writes; all subsets if there are few. At least 2. */
  readonly imagesPerCut?: number;
  /** The first and the last cut, as numbers of events done before it. */
  readonly from?: number;
  readonly to?: number;
  /** Whether a write may be torn; by default each may. */
  readonly mayTear?: (write: RecordedWrite) => boolean;
  /** Flushes, counted from 0, that the device only pretends to do: shows that a test needs them. */
  readonly skipFlush?: (flush: number) => boolean;
}

/** One possible content of the medium after a power cut. */
export interface CrashImage {
  /** Usable until the next image is asked for. May be written. */
  readonly image: BlockDevice;
  /** Number of recorded events before the cut. */
  readonly afterEvents: number;
  /** The last mark set before the cut. */
  readonly lastMark: string | undefined;
  /** Names the cut and the fate of each unflushed write, to print when a check fails. */
  readonly description: string;
}

/** Yields crash images of every cut of a recording, in order. Equal arguments yield equal images. */
export function* crashImages(recording: RecordingDevice, options: PowerCutOptions): Generator<CrashImage> {
  const { from = 0, to = recording.events.length, imagesPerCut = DEFAULT_IMAGES_PER_CUT } = options;
  if (imagesPerCut < 2) throw new FsError('EINVAL', `${imagesPerCut} images of a power cut are too few, 2 are needed`);
  const durable = new OverlayDevice(recording.initial, 'durable part');
  let unflushed: RecordedWrite[] = [];
  let lastMark: string | undefined;
  let flushes = 0;
  for (let done = 0; done <= to; done++) {
    if (done >= from) {
      const count = unflushed.length === 0 ? 1 : imagesPerCut;
      for (let number = 0; number < count; number++) {
        const random = new SeededRandom(options.seed, done, number);
        const fates = chooseFates(unflushed, number, count, random, options.mayTear ?? (() => true));
        const image = imageWith(durable, unflushed, fates, random);
        const description = describe(options.seed, done, number, fates);
        yield { image, afterEvents: done, lastMark, description };
      }
    }
    const event = recording.events[done];
    if (event === undefined) return;
    if (event.kind === 'mark') lastMark = event.label;
    else if (event.kind === 'write') unflushed.push(event);
    else if (options.skipFlush?.(flushes++) !== true) {
      for (const write of unflushed) durable.write(write.offset, write.bytes);
      unflushed = [];
    }
  }
}

type Fate = 'kept' | 'lost' | 'torn';

/** Image 0 keeps all and image 1 loses all; then all subsets if they are few, and random fates. */
function chooseFates(
  writes: readonly RecordedWrite[],
  number: number,
  count: number,
  random: SeededRandom,
  mayTear: (write: RecordedWrite) => boolean,
): Fate[] {
  const all = 2 ** writes.length;
  if (number === 0) return writes.map(() => 'kept');
  if (number === 1) return writes.map(() => 'lost');
  if (number < all && all <= count / 2) {
    // Number 1 already stands for "all lost", so the subsets run from the other end.
    return writes.map((_write, bit) => (((number - 1) >> bit) & 1 ? 'lost' : 'kept'));
  }
  const exception = random.below(writes.length);
  const tears = random.below(2) === 0;
  switch (random.below(3)) {
    case 0:
      return writes.map((write, index) => (index !== exception ? 'kept' : tears && mayTear(write) ? 'torn' : 'lost'));
    case 1:
      return writes.map((write, index) => (index !== exception ? 'lost' : tears && mayTear(write) ? 'torn' : 'kept'));
    default:
      return writes.map((write) => {
        const fate = random.below(tears ? 3 : 2);
        return fate === 0 ? 'kept' : fate === 1 || !mayTear(write) ? 'lost' : 'torn';
      });
  }
}

function imageWith(
  durable: BlockDevice,
  writes: readonly RecordedWrite[],
  fates: readonly Fate[],
  random: SeededRandom,
): OverlayDevice {
  const image = new OverlayDevice(durable, 'crash image');
  for (const index of random.shuffled(writes.length, fates.includes('lost'))) {
    const write = writes[index];
    if (write === undefined || fates[index] === 'lost') continue;
    if (fates[index] === 'kept') image.write(write.offset, write.bytes);
    else tear(image, write, random);
  }
  return image;
}

/** Does about half of a write's sectors. */
function tear(image: BlockDevice, write: RecordedWrite, random: SeededRandom): void {
  let at = 0;
  while (at < write.bytes.length) {
    const length = Math.min(DISK_SECTOR - ((write.offset + at) % DISK_SECTOR), write.bytes.length - at);
    if (random.below(2) === 0) image.write(write.offset + at, write.bytes.subarray(at, at + length));
    at += length;
  }
}

function describe(seed: number, done: number, number: number, fates: readonly Fate[]): string {
  const letters = fates.map((fate) => (fate === 'kept' ? 'k' : fate === 'lost' ? '-' : 't')).join('');
  return `cut after event ${done}, seed ${seed}, image ${number}, unflushed writes [${letters}]`;
}

/** A small repeatable generator (mulberry32), seeded by all its arguments together. */
class SeededRandom {
  private state: number;

  constructor(...seeds: number[]) {
    this.state = seeds.reduce((state, seed) => Math.imul(state ^ seed, 0x9e3779b1) + 0x6d2b79f5, 1) | 0;
  }

  /** A number from 0 to `limit` − 1. */
  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  /** 0 to `count` − 1: in order, or in a random order. */
  shuffled(count: number, shuffle: boolean): number[] {
    const order = Array.from({ length: count }, (_value, index) => index);
    if (!shuffle) return order;
    for (let last = count - 1; last > 0; last--) {
      const other = this.below(last + 1);
      const moved = order[last] ?? last;
      order[last] = order[other] ?? other;
      order[other] = moved;
    }
    return order;
  }
}
