/**
 * Gathers small writes that follow each other, so that the device below gets few large ones.
 *
 * Small files are written one after the other to neighbouring addresses, and each call costs more
 * than its bytes. What waits is written before a flush, before a read of it, and before a write
 * elsewhere, so that the order of writes stays. A failure is the failure of every later write and
 * flush: what it lost cannot be made up for.
 */
import { FsError } from '../bytes/index.js';
import type { BlockDevice } from './device.js';
import { checkWrite } from './range.js';

/** Larger writes are not worth the copy. */
const SMALL = 32 * 1024;
const ROOM = 1024 * 1024;

export class GatheringDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly name: string;
  readonly discard?: (offset: number, length: number) => void;
  readonly descriptor?: () => number;
  private readonly device: BlockDevice;
  private buffer: Uint8Array | undefined;
  private start = 0;
  private length = 0;
  private failure: FsError | undefined;

  constructor(device: BlockDevice) {
    this.device = device;
    this.size = device.size;
    this.readOnly = device.readOnly;
    this.name = device.name;
    if (device.discard !== undefined) {
      this.discard = (offset, length) => {
        this.settle();
        device.discard?.(offset, length);
      };
    }
    const descriptor = device.descriptor?.bind(device);
    if (descriptor !== undefined) {
      this.descriptor = () => {
        this.settle();
        return descriptor();
      };
    }
  }

  read(offset: number, into: Uint8Array): void {
    if (this.length > 0 && offset < this.start + this.length && this.start < offset + into.length) this.settle();
    this.device.read(offset, into);
  }

  write(offset: number, from: Uint8Array): void {
    checkWrite(this, offset, from.length);
    if (offset !== this.start + this.length || this.length + from.length > ROOM) this.settle();
    if (this.failure !== undefined) throw this.failure;
    if (from.length > SMALL) {
      this.settle();
      this.device.write(offset, from);
      return;
    }
    this.buffer ??= new Uint8Array(ROOM);
    if (this.length === 0) this.start = offset;
    this.buffer.set(from, this.length);
    this.length += from.length;
  }

  flush(): void {
    this.settle();
    this.device.flush();
  }

  close(): void {
    try {
      if (this.failure === undefined) this.settle();
    } finally {
      this.device.close();
    }
  }

  /** Writes what waits. */
  private settle(): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.length === 0 || this.buffer === undefined) return;
    const bytes = this.buffer.subarray(0, this.length);
    this.length = 0;
    try {
      this.device.write(this.start, bytes);
    } catch (error) {
      if (error instanceof FsError) this.failure = error;
      throw error;
    }
  }
}
