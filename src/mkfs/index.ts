export { type NewChunk, newChunks, usableSize } from './layout.js';
export {
  checkNewVolume,
  type ExtentContextPlace,
  MIN_VOLUME_SIZE,
  makeVolume,
  type NewVolume,
  type NewVolumeOptions,
} from './make-volume.js';
export { probeFilesystem } from './probe.js';
