/**
 * The promise door: every call of {@link VolumeFs} without `Sync` in its name, giving a promise.
 *
 * Nothing is written twice: each is its synchronous call, run on its own turn of the event loop,
 * with a throw become a rejection. The work itself still runs on the caller's thread.
 */
import type { VolumeFs } from './volume-fs.js';

/** A call as a promise; calls with several signatures keep up to four of them. */
type Promised<F> = F extends {
  (...args: infer A): infer R;
  (...args: infer B): infer S;
  (...args: infer C): infer T;
  (...args: infer D): infer U;
}
  ? {
      (...args: A): Promise<R>;
      (...args: B): Promise<S>;
      (...args: C): Promise<T>;
      (...args: D): Promise<U>;
    }
  : F extends { (...args: infer A): infer R; (...args: infer B): infer S; (...args: infer C): infer T }
    ? { (...args: A): Promise<R>; (...args: B): Promise<S>; (...args: C): Promise<T> }
    : F extends { (...args: infer A): infer R; (...args: infer B): infer S }
      ? { (...args: A): Promise<R>; (...args: B): Promise<S> }
      : F extends (...args: infer A) => infer R
        ? (...args: A) => Promise<R>
        : never;

type SyncName<K> = K extends `${infer Name}Sync` ? Name : never;

export type VolumePromises = {
  readonly [K in keyof VolumeFs as SyncName<K>]: Promised<VolumeFs[K]>;
};

const SUFFIX = 'Sync';

export function promisesOf(fs: VolumeFs): VolumePromises {
  const door: Record<string, (...args: unknown[]) => Promise<unknown>> = {};
  for (const [name, call] of syncCalls(fs)) {
    door[name.slice(0, -SUFFIX.length)] = async (...args) => {
      await nextTurn();
      return Reflect.apply(call, fs, args);
    };
  }
  return door as unknown as VolumePromises;
}

/** The calls of the class and of those it extends. */
function syncCalls(fs: VolumeFs): Map<string, (...args: unknown[]) => unknown> {
  const calls = new Map<string, (...args: unknown[]) => unknown>();
  for (let level: object | null = Object.getPrototypeOf(fs); level !== null; level = Object.getPrototypeOf(level)) {
    for (const name of Object.getOwnPropertyNames(level)) {
      const call: unknown = Reflect.get(level, name);
      if (name.endsWith(SUFFIX) && typeof call === 'function' && !calls.has(name)) {
        calls.set(name, (...args) => Reflect.apply(call, fs, args));
      }
    }
  }
  return calls;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
