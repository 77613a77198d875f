/**
 * The chunks of a new volume: sizes and places as mkfs.btrfs 6.2 chooses them for one device.
 *
 * mkfs.btrfs begins with two temporary chunks and leaves their addresses unused; starting where it
 * goes on gives the same map.
 */
import { roundDown } from '../bytes/index.js';
import {
  BLOCK_GROUP_DATA,
  BLOCK_GROUP_DUP,
  BLOCK_GROUP_METADATA,
  BLOCK_GROUP_SYSTEM,
  type Chunk,
  EXTENT_TREE_OBJECTID,
  STRIPE_LEN,
} from '../format/index.js';
import { SECTORSIZE } from '../volume/index.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const FIRST_CHUNK = 13 * MIB;
const DATA_CHUNK_LENGTH = 8 * MIB;
const SYSTEM_CHUNK_LENGTH = 8 * MIB;
/** Devices above this size get the larger metadata chunks. */
const LARGE_DEVICE = 50 * GIB;
const MIN_METADATA_CHUNK_LENGTH = 32 * MIB;

/** A chunk and where it lies in logical space. */
export interface NewChunk {
  readonly logical: number;
  readonly chunk: Chunk;
}

/** Identity of the one device. */
export interface NewDevice {
  readonly devid: number;
  readonly uuid: Uint8Array;
}

/** Bytes of a device of `deviceSize` bytes that the volume will use. */
export function usableSize(deviceSize: number): number {
  return roundDown(deviceSize, SECTORSIZE);
}

/** Data, system and metadata chunk, in ascending logical and physical order. */
export function newChunks(totalBytes: number, device: NewDevice): [NewChunk, NewChunk, NewChunk] {
  const system = FIRST_CHUNK + DATA_CHUNK_LENGTH;
  const metadata = system + SYSTEM_CHUNK_LENGTH;
  const metadataPhysical = system + 2 * SYSTEM_CHUNK_LENGTH;
  const metadataLength = metadataChunkLength(totalBytes);
  return [
    newChunk(FIRST_CHUNK, BLOCK_GROUP_DATA, DATA_CHUNK_LENGTH, [FIRST_CHUNK], device),
    newChunk(
      system,
      BLOCK_GROUP_SYSTEM | BLOCK_GROUP_DUP,
      SYSTEM_CHUNK_LENGTH,
      [system, system + SYSTEM_CHUNK_LENGTH],
      device,
    ),
    newChunk(
      metadata,
      BLOCK_GROUP_METADATA | BLOCK_GROUP_DUP,
      metadataLength,
      [metadataPhysical, metadataPhysical + metadataLength],
      device,
    ),
  ];
}

/** A tenth of the device between the two copies, within bounds. */
function metadataChunkLength(totalBytes: number): number {
  const largest = totalBytes > LARGE_DEVICE ? GIB : 256 * MIB;
  const share = Math.floor(totalBytes / 10);
  const length = largest > share ? roundDown(Math.floor(share / 2), STRIPE_LEN) : largest;
  return Math.max(length, MIN_METADATA_CHUNK_LENGTH);
}

function newChunk(logical: number, type: bigint, length: number, physical: number[], device: NewDevice): NewChunk {
  const chunk: Chunk = {
    length,
    owner: EXTENT_TREE_OBJECTID,
    stripeLen: STRIPE_LEN,
    type,
    ioAlign: STRIPE_LEN,
    ioWidth: STRIPE_LEN,
    sectorSize: SECTORSIZE,
    subStripes: 1,
    stripes: physical.map((offset) => ({ devid: device.devid, offset, devUuid: device.uuid })),
  };
  return { logical, chunk };
}
