/**
 * Reads long runs ahead of their reader, and sums them up, in a thread of its own.
 *
 * Nothing depends on it. What the thread has not begun is read as ever; what it read before somebody
 * wrote there has not the checksum that the tree has by now, and is read again.
 */
import { Worker } from 'node:worker_threads';
import { roundDown } from '../bytes/index.js';
import type { BlockDevice } from '../device/index.js';
import { CONTROL, PLACE_SIZE, type ReadAheadMemory, STATE, shareMemory } from './read-ahead-memory.js';

/** Reads that are part of a run are at least this long. */
const LONG_READ = 128 * 1024;
/** Bytes read in one run before the thread goes ahead of it. */
const RUN_UP = 2 * 1024 * 1024;
/** Milliseconds. A disk may take long; when it takes longer the thread is given up. */
const PATIENCE = 30_000;

/** What a place holds or will hold: bytes of the device. */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

export class ReadAhead {
  private readonly device: BlockDevice;
  private readonly checksum: { readonly type: number; readonly size: number };
  private readonly sectorsize: number;
  private memory: ReadAheadMemory | undefined;
  /** By place. */
  private readonly held: (Stretch | undefined)[] = [];
  private runStart = 0;
  private runEnd = 0;
  /** Where what was asked for ends. */
  private asked = 0;
  private tasks = 0;
  private isGivenUp = false;

  constructor(device: BlockDevice, checksum: { readonly type: number; readonly size: number }, sectorsize: number) {
    this.device = device;
    this.checksum = checksum;
    this.sectorsize = sectorsize;
  }

  /**
   * Fills in what was read ahead, if it was: bytes of the device from `offset` on, and the checksum
   * of each sector. Otherwise both may hold anything.
   */
  take(offset: number, into: Uint8Array, digests: Uint8Array): boolean {
    if (into.length < LONG_READ || this.isGivenUp) return false;
    if (offset !== this.runEnd) this.runStart = this.asked = offset;
    this.runEnd = offset + into.length;
    const isTaken = this.memory !== undefined && this.copyOut(this.memory, offset, into, digests);
    if (this.runEnd - this.runStart >= RUN_UP) this.goAhead();
    return isTaken;
  }

  /** Something is written there. */
  forget(offset: number, length: number): void {
    this.held.forEach((stretch, index) => {
      if (stretch !== undefined && stretch.start < offset + length && offset < stretch.end) this.drop(index);
    });
  }

  /** Returns when the thread uses the device no more. */
  close(): void {
    this.isGivenUp = true;
    if (this.memory === undefined) return;
    const { control, places } = this.memory;
    Atomics.store(control, CONTROL.isStopped, 1);
    this.wake(control);
    places.forEach((_, index) => {
      this.drop(index);
      this.settle(control, index);
    });
    this.memory = undefined;
  }

  private copyOut(memory: ReadAheadMemory, offset: number, into: Uint8Array, digests: Uint8Array): boolean {
    const { size } = this.checksum;
    for (let done = 0; done < into.length; ) {
      const position = offset + done;
      const index = this.held.findIndex((held) => held !== undefined && held.start <= position && position < held.end);
      const [place, stretch] = [memory.places[index], this.held[index]];
      if (place === undefined || stretch === undefined || !this.isReady(memory, index)) return false;
      const from = position - stretch.start;
      const to = from + Math.min(into.length - done, stretch.end - position);
      into.set(place.bytes.subarray(from, to), done);
      const sums = place.digests.subarray((from / this.sectorsize) * size, (to / this.sectorsize) * size);
      digests.set(sums, (done / this.sectorsize) * size);
      done += to - from;
    }
    return true;
  }

  /** Waits for what has been begun; what has not is faster read at once. */
  private isReady({ control }: ReadAheadMemory, index: number): boolean {
    this.withdraw(control, index);
    this.settle(control, index);
    return Atomics.load(control, CONTROL.states + index) === STATE.ready;
  }

  private settle(control: Int32Array, index: number): void {
    const outcome = Atomics.wait(control, CONTROL.states + index, STATE.running, PATIENCE);
    if (outcome === 'timed-out') this.isGivenUp = true;
  }

  /** Has the places of what has been read filled with what comes next. */
  private goAhead(): void {
    const fd = this.settledDescriptor();
    if (fd === undefined) {
      this.isGivenUp = true;
      return;
    }
    this.memory ??= this.start(fd);
    const { control, places } = this.memory;
    const limit = roundDown(Math.min(this.runEnd + places.length * PLACE_SIZE, this.device.size), this.sectorsize);
    this.asked = Math.max(this.asked, this.runEnd);
    places.forEach(({ task }, index) => {
      const stretch = this.held[index];
      if (stretch !== undefined && stretch.end > this.runEnd && stretch.start < limit) return;
      this.drop(index);
      const isBusy = Atomics.load(control, CONTROL.states + index) === STATE.running;
      if (isBusy || this.asked >= limit) return;
      const end = Math.min(this.asked + PLACE_SIZE, limit);
      this.held[index] = { start: this.asked, end };
      task.set([this.tasks++, this.asked, end - this.asked]);
      Atomics.store(control, CONTROL.states + index, STATE.wanted);
      this.asked = end;
    });
    this.wake(control);
  }

  /** With everything written that waits. */
  private settledDescriptor(): number | undefined {
    try {
      return this.device.descriptor?.();
    } catch {
      // The device remembers what it could not write, and tells who flushes. That is no matter of reading.
      return undefined;
    }
  }

  private start(fd: number): ReadAheadMemory {
    const memory = shareMemory(this.checksum, this.sectorsize, fd);
    const thread = new Worker(new URL('./read-ahead-thread.js', import.meta.url), { workerData: memory });
    thread.unref();
    // Where no thread can be had, what is wanted is never begun.
    thread.on('error', () => undefined);
    return memory;
  }

  private drop(index: number): void {
    this.held[index] = undefined;
    if (this.memory !== undefined) this.withdraw(this.memory.control, index);
  }

  private withdraw(control: Int32Array, index: number): void {
    Atomics.compareExchange(control, CONTROL.states + index, STATE.wanted, STATE.free);
  }

  private wake(control: Int32Array): void {
    Atomics.add(control, CONTROL.ticket, 1);
    Atomics.notify(control, CONTROL.ticket);
  }
}
