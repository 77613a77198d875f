/**
 * Tree blocks: the header that begins each, and the slots that follow it.
 *
 * On disk: `struct btrfs_header`, then in a leaf `struct btrfs_item` per item (the items' data is
 * packed from the end of the block downwards), in a node `struct btrfs_key_ptr` per child.
 */
import { readId, readU53, readU64, writeId, writeU53, writeU64 } from '../bytes/index.js';
import { readBytes, writeBytes } from './byte-fields.js';
import { UUID_SIZE } from './constants.js';
import { decodeKey, encodeKey, type Key } from './key.js';

export const HEADER = {
  csum: 0,
  fsid: 32,
  bytenr: 48,
  flags: 56,
  chunkTreeUuid: 64,
  generation: 80,
  owner: 88,
  nritems: 96,
  level: 100,
  SIZE: 101,
} as const;

/** `offset` counts from the end of the header. */
export const ITEM = { key: 0, offset: 17, size: 21, SIZE: 25 } as const;

export const KEY_PTR = { key: 0, blockptr: 17, generation: 25, SIZE: 33 } as const;

export const HEADER_FLAG_WRITTEN = 1n << 0n;
export const HEADER_FLAG_RELOC = 1n << 1n;
/** The top byte of the flags holds the revision of back references; all current blocks have 1. */
export const HEADER_MIXED_BACKREF_REV = 1n << 56n;

export interface BlockHeader {
  /** The volume's metadata UUID where that feature is on, else its fsid. */
  fsid: Uint8Array;
  bytenr: number; // logical address of this block
  flags: bigint; // HEADER_* bits
  chunkTreeUuid: Uint8Array;
  generation: number;
  owner: number; // id of the tree that wrote the block
  nritems: number;
  level: number; // 0 in a leaf
}

export function decodeHeader(view: DataView, at: number): BlockHeader {
  return {
    fsid: readBytes(view, at + HEADER.fsid, UUID_SIZE),
    bytenr: readU53(view, at + HEADER.bytenr),
    flags: readU64(view, at + HEADER.flags),
    chunkTreeUuid: readBytes(view, at + HEADER.chunkTreeUuid, UUID_SIZE),
    generation: readU53(view, at + HEADER.generation),
    owner: readId(view, at + HEADER.owner),
    nritems: view.getUint32(at + HEADER.nritems, true),
    level: view.getUint8(at + HEADER.level),
  };
}

/** Writes all but the checksum, which covers the rest of the block and so comes last. */
export function encodeHeader(view: DataView, at: number, header: BlockHeader): void {
  writeBytes(view, at + HEADER.fsid, header.fsid);
  writeU53(view, at + HEADER.bytenr, header.bytenr);
  writeU64(view, at + HEADER.flags, header.flags);
  writeBytes(view, at + HEADER.chunkTreeUuid, header.chunkTreeUuid);
  writeU53(view, at + HEADER.generation, header.generation);
  writeId(view, at + HEADER.owner, header.owner);
  view.setUint32(at + HEADER.nritems, header.nritems, true);
  view.setUint8(at + HEADER.level, header.level);
}

export interface KeyPtr {
  key: Key; // the child's first key
  blockptr: number; // logical address of the child
  generation: number;
}

export function decodeKeyPtr(view: DataView, at: number): KeyPtr {
  return {
    key: decodeKey(view, at),
    blockptr: readU53(view, at + KEY_PTR.blockptr),
    generation: readU53(view, at + KEY_PTR.generation),
  };
}

export function encodeKeyPtr(view: DataView, at: number, pointer: KeyPtr): void {
  encodeKey(view, at, pointer.key);
  writeU53(view, at + KEY_PTR.blockptr, pointer.blockptr);
  writeU53(view, at + KEY_PTR.generation, pointer.generation);
}

/** Bytes for items and their data in a leaf of `nodesize` bytes. */
export function leafDataSize(nodesize: number): number {
  return nodesize - HEADER.SIZE;
}

/** Most children of a node of `nodesize` bytes. */
export function maxKeyPtrs(nodesize: number): number {
  return Math.floor((nodesize - HEADER.SIZE) / KEY_PTR.SIZE);
}
