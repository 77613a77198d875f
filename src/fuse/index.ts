export type { KeyClaims } from './claimed-keys.js';
export {
  ask,
  askMount,
  endMount,
  flushKernel,
  keysOf,
  openMount,
  subvolumesOf,
  syncMount,
  trimMount,
} from './client.js';
export { isDeadMount, type MountFlag, realMountPoint } from './kernel-mount.js';
export { Log } from './log.js';
export { Mount, type MountOptions } from './mount.js';
export { addMountKey, removeMountKey, type StillUsed } from './mount-keys.js';
export { inodeShownAs } from './protocol/attributes.js';
