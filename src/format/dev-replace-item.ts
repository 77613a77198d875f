/** Device replace status, key (0, DEV_REPLACE, 0) in the device tree: is one under way? */
import { readU53 } from '../bytes/index.js';

/** Later fields are of no use here. */
export const DEV_REPLACE_ITEM = { replaceState: 32, SIZE: 72 } as const;

export const DEV_REPLACE_STARTED = 1;
export const DEV_REPLACE_SUSPENDED = 4;

export function decodeReplaceState(view: DataView, at: number): number {
  return readU53(view, at + DEV_REPLACE_ITEM.replaceState);
}
