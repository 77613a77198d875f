/** More room of one type: a new chunk, if need be in the place of one that is empty. */
import type { SpaceType } from './block-group.js';
import { allocateChunk, type ChunkHost, removeChunk } from './chunk-allocation.js';

/** Below this many free blocks for the chunk tree, a system chunk comes first. */
const SYSTEM_RESERVE_BLOCKS = 16;
/** Without so many no chunk can be recorded: paths of the chunk tree, copied and split. */
const SYSTEM_LEAST_BLOCKS = 6;

/** @returns false when the device has no room for one, or the chunk tree none to record it */
export function addChunk(host: ChunkHost, type: SpaceType): boolean {
  if (!hasSystemRoom(host, SYSTEM_LEAST_BLOCKS)) return false;
  if (host.space.groups.some((group) => group.type === 'mixed')) return addChunkOf(host, 'mixed');
  return addChunkOf(host, type) || (removeEmptyChunk(host, type) && addChunkOf(host, type));
}

function addChunkOf(host: ChunkHost, type: SpaceType): boolean {
  if (!hasSystemRoom(host, SYSTEM_RESERVE_BLOCKS)) allocateChunk(host, 'system');
  return allocateChunk(host, type);
}

function removeEmptyChunk(host: ChunkHost, wanted: SpaceType): boolean {
  const group = host.space.removableFor(wanted);
  if (group !== undefined) removeChunk(host, group);
  return group !== undefined;
}

function hasSystemRoom({ space, volume }: ChunkHost, blocks: number): boolean {
  return space.hasRoom('system', blocks * volume.nodesize);
}
