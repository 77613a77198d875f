/** Commands over several things: one that fails does not keep the others from being done. */
import type { CommandFs, CommandVolume } from './command-volume.js';
import { UsageError } from './failure.js';
import { explained } from './missing-key.js';
import { output } from './output.js';
import { OutputClosed } from './streams.js';

/** Runs `work` for each; failures are told at once, and the first one gives the exit code. */
export function forEach<T>(volume: CommandVolume, things: Iterable<T>, work: (thing: T, fs: CommandFs) => void): void {
  for (const thing of things) attempt(volume, () => work(thing, volume.fs));
}

/** @param volume - what the work is about, if it is a volume */
export function attempt(volume: CommandVolume | undefined, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof OutputClosed || error instanceof UsageError) throw error;
    output.failure(volume === undefined ? error : explained(volume, error));
  }
}
