/**
 * The clock by which the kernel itself notes the times of files: exact to a tick of a few milliseconds.
 *
 * The kernel sends back the time of a file's last write unless it is the one it was told. Two clocks
 * never agree; by the same one, a file that is made and written within a tick needs no such request.
 */
import type { Clock, Timespec } from '../bytes/index.js';
import { addressOf, clockGettime } from './system-calls.js';

const CLOCK_REALTIME_COARSE = 5;
/** `struct timespec` of a 64-bit C library. */
const TIMESPEC = { sec: 0, nsec: 8, SIZE: 16 } as const;

export function coarseClock(): Clock {
  const bytes = Buffer.alloc(TIMESPEC.SIZE);
  const address = addressOf(bytes);
  return {
    now(): Timespec {
      clockGettime(CLOCK_REALTIME_COARSE, address);
      return { sec: Number(bytes.readBigInt64LE(TIMESPEC.sec)), nsec: bytes.readUInt32LE(TIMESPEC.nsec) };
    },
  };
}
