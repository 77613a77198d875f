export { ChunkMap, type ChunkMapping } from './chunk-map.js';
export { LOG_WAITS } from './features.js';
export { openVolumeDevices } from './open.js';
export { type Copy, checkProfile, copiesAt, copyCount, profileName } from './profiles.js';
export { checkSuper, encodeSuperCopy, SECTORSIZE } from './superblock.js';
export { type KeyRange, type LeafItem, type TreeLocation, visitLeaves } from './tree-walk.js';
export { type BadCopy, type BlockExpectation, Volume, type VolumeOptions } from './volume.js';
