/** Clock and randomness that repeat: with them equal calls on equal disks give equal bytes. */
import { createHash } from 'node:crypto';
import type { Clock, RandomSource } from '../../src/bytes/index.js';

/** Bytes that follow from `seed` alone. */
export function seededRandom(seed: string): RandomSource {
  let count = 0;
  return {
    fill(into) {
      for (let at = 0; at < into.length; at += 32) {
        const block = createHash('sha256').update(`${seed}/${count++}`).digest();
        into.set(block.subarray(0, into.length - at), at);
      }
    },
  };
}

/** A clock that goes on by a millisecond at every look. */
export function steppingClock(startSec = 1_700_000_000): Clock {
  let looks = 0;
  return {
    now() {
      looks++;
      return { sec: startSec + Math.floor(looks / 1000), nsec: (looks % 1000) * 1_000_000 };
    },
  };
}
