/**
 * Chunk item: where a range of logical addresses lies on the devices.
 *
 * On disk: `struct btrfs_chunk` followed by one `struct btrfs_stripe` per copy or column.
 * Key: (FIRST_CHUNK_TREE_OBJECTID, CHUNK_ITEM, logical start). Also in the superblock's array.
 */
import { readId, readU53, readU64, writeId, writeU53, writeU64 } from '../bytes/index.js';
import { readBytes, writeBytes } from './byte-fields.js';
import { UUID_SIZE } from './constants.js';

export const CHUNK = {
  length: 0,
  owner: 8,
  stripeLen: 16,
  type: 24,
  ioAlign: 32,
  ioWidth: 36,
  sectorSize: 40,
  numStripes: 44,
  subStripes: 46,
  stripes: 48,
  SIZE: 48,
} as const;

export const STRIPE = { devid: 0, offset: 8, devUuid: 16, SIZE: 32 } as const;

export interface Stripe {
  devid: number;
  offset: number; // physical, bytes
  devUuid: Uint8Array;
}

export interface Chunk {
  length: number; // bytes of logical space
  owner: number; // EXTENT_TREE_OBJECTID
  stripeLen: number; // STRIPE_LEN
  type: bigint; // BLOCK_GROUP_* bits: one type (two in mixed mode), at most one profile
  ioAlign: number;
  ioWidth: number;
  sectorSize: number;
  subStripes: number;
  stripes: Stripe[];
}

/** Bytes of a chunk item with `stripes` stripes. */
export function chunkSize(stripes: number): number {
  return CHUNK.SIZE + stripes * STRIPE.SIZE;
}

export function decodeChunk(view: DataView, at: number): Chunk {
  const numStripes = view.getUint16(at + CHUNK.numStripes, true);
  const stripes: Stripe[] = [];
  for (let i = 0; i < numStripes; i++) {
    stripes.push(decodeStripe(view, at + chunkSize(i)));
  }
  return {
    length: readU53(view, at + CHUNK.length),
    owner: readId(view, at + CHUNK.owner),
    stripeLen: readU53(view, at + CHUNK.stripeLen),
    type: readU64(view, at + CHUNK.type),
    ioAlign: view.getUint32(at + CHUNK.ioAlign, true),
    ioWidth: view.getUint32(at + CHUNK.ioWidth, true),
    sectorSize: view.getUint32(at + CHUNK.sectorSize, true),
    subStripes: view.getUint16(at + CHUNK.subStripes, true),
    stripes,
  };
}

/** Writes `chunkSize(chunk.stripes.length)` bytes. */
export function encodeChunk(view: DataView, at: number, chunk: Chunk): void {
  writeU53(view, at + CHUNK.length, chunk.length);
  writeId(view, at + CHUNK.owner, chunk.owner);
  writeU53(view, at + CHUNK.stripeLen, chunk.stripeLen);
  writeU64(view, at + CHUNK.type, chunk.type);
  view.setUint32(at + CHUNK.ioAlign, chunk.ioAlign, true);
  view.setUint32(at + CHUNK.ioWidth, chunk.ioWidth, true);
  view.setUint32(at + CHUNK.sectorSize, chunk.sectorSize, true);
  view.setUint16(at + CHUNK.numStripes, chunk.stripes.length, true);
  view.setUint16(at + CHUNK.subStripes, chunk.subStripes, true);
  chunk.stripes.forEach((stripe, i) => {
    encodeStripe(view, at + chunkSize(i), stripe);
  });
}

function decodeStripe(view: DataView, at: number): Stripe {
  return {
    devid: readU53(view, at + STRIPE.devid),
    offset: readU53(view, at + STRIPE.offset),
    devUuid: readBytes(view, at + STRIPE.devUuid, UUID_SIZE),
  };
}

function encodeStripe(view: DataView, at: number, stripe: Stripe): void {
  writeU53(view, at + STRIPE.devid, stripe.devid);
  writeU53(view, at + STRIPE.offset, stripe.offset);
  writeBytes(view, at + STRIPE.devUuid, stripe.devUuid);
}
