export { askMount, endMount, syncMount } from './client.js';
export type { ControlAnswer, ControlRequest } from './control.js';
export { Log } from './log.js';
export { Mount, type MountOptions } from './mount.js';
