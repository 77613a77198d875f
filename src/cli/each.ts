/** Commands over several things: one that fails does not keep the others from being done. */
import type { OpenVolume, VolumeFs } from '../library/index.js';
import { UsageError } from './failure.js';
import { explained } from './missing-key.js';
import { output } from './output.js';
import { OutputClosed } from './streams.js';

/** Runs `work` for each; failures are told at once, and the first one gives the exit code. */
export function forEach<T>(volume: OpenVolume, things: Iterable<T>, work: (thing: T, fs: VolumeFs) => void): void {
  for (const thing of things) attempt(volume, () => work(thing, volume.fs));
}

export function attempt(volume: OpenVolume, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof OutputClosed || error instanceof UsageError) throw error;
    output.failure(explained(volume, error));
  }
}
