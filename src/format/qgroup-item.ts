/** Quota status, key (0, QGROUP_STATUS, 0) in the quota tree: are the numbers there to be trusted? */
import { readU53, readU64 } from '../bytes/index.js';

export const QGROUP_STATUS = { version: 0, generation: 8, flags: 16, rescan: 24, SIZE: 32 } as const;

export const QGROUP_STATUS_FLAG_ON = 1n << 0n;
export const QGROUP_STATUS_FLAG_RESCAN = 1n << 1n;
export const QGROUP_STATUS_FLAG_INCONSISTENT = 1n << 2n;

export interface QgroupStatus {
  version: number;
  generation: number;
  flags: bigint; // QGROUP_STATUS_FLAG_* bits
}

export function decodeQgroupStatus(view: DataView, at: number): QgroupStatus {
  return {
    version: readU53(view, at + QGROUP_STATUS.version),
    generation: readU53(view, at + QGROUP_STATUS.generation),
    flags: readU64(view, at + QGROUP_STATUS.flags),
  };
}
