export type { SpaceUsage, SubvolumeInfo as Subvolume, VolumeInfo } from '../filesystem/index.js';
export type { FollowOptions, SetXattrOptions, StatOptions } from './attribute-calls.js';
export { type CreateVolumeOptions, createVolume } from './create-volume.js';
export { VolumeDirectory } from './directory.js';
export type { ReadFileOptions, ReadOptions, WriteFileOptions } from './file-calls.js';
export type { MkdirOptions, ReaddirOptions, RenameOptions, RmOptions } from './name-calls.js';
export type { OpenFlags } from './open-flags.js';
export {
  OpenVolume,
  type OpenVolumeOptions,
  openVolume,
  type VolumeKeyring,
} from './open-volume.js';
export type { PathLike } from './paths.js';
export type { VolumePromises } from './promises.js';
export type { CloneOptions, FallocateOptions } from './range-calls.js';
export { VolumeDirent, VolumeStats } from './stats.js';
export type { TimeLike } from './times.js';
export { type FilePolicy, type PolicyOptions, VolumeFs, type VolumeStatFs } from './volume-fs.js';
