/** Moments on disk: `struct btrfs_timespec`, signed seconds since 1970 and nanoseconds. */
import { readId, type Timespec, writeId } from '../bytes/index.js';

export const TIMESPEC = { sec: 0, nsec: 8, SIZE: 12 } as const;

export function decodeTimespec(view: DataView, at: number): Timespec {
  return { sec: readId(view, at), nsec: view.getUint32(at + TIMESPEC.nsec, true) };
}

export function encodeTimespec(view: DataView, at: number, time: Timespec): void {
  writeId(view, at, time.sec);
  view.setUint32(at + TIMESPEC.nsec, time.nsec, true);
}
