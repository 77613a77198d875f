/** Device replace status, key (0, DEV_REPLACE, 0) in the device tree: is one under way? */
import { readU53 } from '../bytes/index.js';

export const DEV_REPLACE_ITEM = {
  srcDevid: 0,
  cursorLeft: 8,
  cursorRight: 16,
  contReadingFromSrcdevMode: 24,
  replaceState: 32,
  timeStarted: 40,
  timeStopped: 48,
  numWriteErrors: 56,
  numUncorrectableReadErrors: 64,
  SIZE: 72,
} as const;

export const DEV_REPLACE_STARTED = 1;
export const DEV_REPLACE_SUSPENDED = 4;

/** The item's state: one of DEV_REPLACE_* while there is something left to do. */
export function decodeReplaceState(view: DataView, at: number): number {
  return readU53(view, at + DEV_REPLACE_ITEM.replaceState);
}
