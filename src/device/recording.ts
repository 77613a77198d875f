/**
 * A device that remembers every write and flush in order, so that a test can rebuild what a power
 * cut at any point could have left (power-cut.ts).
 *
 * The device it is built on keeps its initial content: writes go to an overlay.
 */
import type { BlockDevice } from './device.js';
import { OverlayDevice } from './overlay.js';

/** One thing that happened to a {@link RecordingDevice}. Offsets are in bytes. */
export type RecordedEvent =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'flush' }
  | { readonly kind: 'mark'; readonly label: string };

export class RecordingDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly = false;
  readonly name: string;
  /** The content before the first event. */
  readonly initial: BlockDevice;
  private readonly current: OverlayDevice;
  private readonly log: RecordedEvent[] = [];

  /** @param initial - must not change while the recording is in use; never written, left open by {@link close} */
  constructor(initial: BlockDevice) {
    this.size = initial.size;
    this.name = `recording of ${initial.name}`;
    this.initial = initial;
    this.current = new OverlayDevice(initial, this.name);
  }

  get events(): readonly RecordedEvent[] {
    return this.log;
  }

  read(offset: number, into: Uint8Array): void {
    this.current.read(offset, into);
  }

  write(offset: number, from: Uint8Array): void {
    this.current.write(offset, from);
    this.log.push({ kind: 'write', offset, bytes: from.slice() });
  }

  flush(): void {
    this.log.push({ kind: 'flush' });
  }

  close(): void {}

  /** Notes a point in the sequence, such as the return of a commit. */
  mark(label: string): void {
    this.log.push({ kind: 'mark', label });
  }

  /** The device after the first `upTo` events, all of their writes done in order. */
  replay(upTo = this.log.length): OverlayDevice {
    const image = new OverlayDevice(this.initial, `${this.name}, first ${upTo} events`);
    for (const event of this.log.slice(0, upTo)) {
      if (event.kind === 'write') image.write(event.offset, event.bytes);
    }
    return image;
  }
}
