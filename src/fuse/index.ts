export { CONTROL, type ControlAnswer, type ControlRequest, encodeControl, readAnswer } from './control.js';
export { FILESYSTEM_TYPE, findMount, type MountEntry, unmountFuse } from './kernel-mount.js';
export { Mount, type MountOptions } from './mount.js';
