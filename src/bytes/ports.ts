/** Clock and randomness as ports, so that the same calls on the same disk can give the same bytes. */
import { randomFillSync } from 'node:crypto';

/** A moment as btrfs stores it: seconds since 1970 (may be negative) and nanoseconds 0…999,999,999. */
export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

export interface Clock {
  now(): Timespec;
}

export interface RandomSource {
  /** Fills `into` with random bytes. */
  fill(into: Uint8Array): void;
}

export const systemClock: Clock = {
  now() {
    const ms = performance.timeOrigin + performance.now();
    const sec = Math.floor(ms / 1000);
    return { sec, nsec: Math.min(999_999_999, Math.floor((ms - sec * 1000) * 1e6)) };
  },
};

/** Asking for a few bytes costs as much as for many: small requests are served from these, each byte once. */
const pool = Buffer.alloc(4096);
let poolUsed = pool.length;

export const systemRandom: RandomSource = {
  fill(into) {
    if (into.length > pool.length / 8) {
      randomFillSync(into);
      return;
    }
    if (poolUsed + into.length > pool.length) {
      randomFillSync(pool);
      poolUsed = 0;
    }
    const end = poolUsed + into.length;
    into.set(pool.subarray(poolUsed, end));
    pool.fill(0, poolUsed, end);
    poolUsed = end;
  },
};

/** 16 random bytes with the version and variant bits of a version 4 UUID (RFC 9562). */
export function randomUuid(random: RandomSource): Uint8Array {
  const uuid = new Uint8Array(16);
  random.fill(uuid);
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x40;
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80;
  return uuid;
}

/** The usual text form, 8-4-4-4-12 hexadecimal digits. */
export function formatUuid(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
