/**
 * Butterlock: btrfs volumes with fscrypt encryption, in user space.
 *
 * Make or open a volume with {@link createVolume} or {@link openVolume}; work with its `fs`, which
 * has the calls of `node:fs`; close it.
 *
 * @module butterlock
 */
export {
  type Clock,
  type ErrorCode,
  FsError,
  type FsErrorDetails,
  isFsError,
  type RandomSource,
  type Timespec,
} from './bytes/index.js';
export * from './device/index.js';
export type { ContextLayout, FileExtentInfo, RenameMode, XattrMode } from './filesystem/index.js';
export { type KeyStatus, modeByName, modeName, namePadding, type Policy } from './fscrypt/index.js';
export * from './library/index.js';
export {
  type ExtentContextPlace,
  MIN_VOLUME_SIZE,
  makeVolume,
  type NewVolume,
  type NewVolumeOptions,
  probeFilesystem,
} from './mkfs/index.js';
export type { TrimRange } from './transaction/index.js';
