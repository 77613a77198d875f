/** Moments as callers give them. */
import { FsError, type Timespec } from '../bytes/index.js';

/**
 * Seconds since 1970 as a number or numeric string, or a `Date`, as `node:fs` takes them; or
 * nanoseconds since 1970 as a bigint, the only exact form. Negative ones are before 1970 (where
 * `node:fs` takes negative numbers for now).
 */
export type TimeLike = number | string | Date | bigint;

const NS_PER_SECOND = 1_000_000_000n;

/** @throws FsError EINVAL for what is no moment */
export function timespecOf(time: TimeLike): Timespec {
  if (typeof time === 'bigint') {
    const nsec = ((time % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
    return { sec: Number((time - nsec) / NS_PER_SECOND), nsec: Number(nsec) };
  }
  const seconds = time instanceof Date ? time.getTime() / 1000 : Number(time);
  const sec = Math.floor(seconds);
  if (!Number.isSafeInteger(sec)) throw new FsError('EINVAL', `${time} is no moment`);
  return { sec, nsec: Math.min(999_999_999, Math.round((seconds - sec) * 1e9)) };
}
