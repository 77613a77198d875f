/** Packing a sorted list of items into tree blocks: leaves, and one node above if they are several. */
import { invariant, viewOf } from '../bytes/index.js';
import type { ChecksumAlgorithm } from '../checksum/index.js';
import {
  CSUM_SIZE,
  encodeHeader,
  encodeKey,
  encodeKeyPtr,
  HEADER,
  HEADER_FLAG_WRITTEN,
  HEADER_MIXED_BACKREF_REV,
  ITEM,
  KEY_PTR,
  type Key,
  leafDataSize,
  maxKeyPtrs,
} from '../format/index.js';

export interface NewItem {
  readonly key: Key;
  readonly data: Uint8Array;
}

/** What all blocks of a volume have in common. */
export interface BlockStamp {
  readonly nodesize: number;
  readonly metadataUuid: Uint8Array;
  readonly chunkTreeUuid: Uint8Array;
  readonly generation: number;
  readonly checksum: ChecksumAlgorithm;
}

export interface NewBlock {
  readonly bytenr: number;
  readonly level: number;
  readonly bytes: Uint8Array;
}

/** Distributes items over as few leaves as hold them; a tree without items has one empty leaf. */
export function splitIntoLeaves(items: readonly NewItem[], nodesize: number): NewItem[][] {
  const leaves: NewItem[][] = [[]];
  let room = leafDataSize(nodesize);
  for (const item of items) {
    const size = ITEM.SIZE + item.data.length;
    if (size > room) {
      leaves.push([]);
      room = leafDataSize(nodesize);
    }
    invariant(size <= room, `item ${item.key} fits a leaf`);
    leaves.at(-1)?.push(item);
    room -= size;
  }
  invariant(leaves.length <= maxKeyPtrs(nodesize), 'a new tree has at most two levels');
  return leaves;
}

/** Blocks that a tree of this many leaves has. */
export function blockCount(leaves: number): number {
  return leaves === 1 ? 1 : leaves + 1;
}

/** Encodes a tree whose blocks lie at `addresses`: the leaves in order, then the root if it is a node. */
export function encodeTree(
  owner: number,
  items: readonly NewItem[],
  addresses: readonly number[],
  stamp: BlockStamp,
): NewBlock[] {
  const leaves = splitIntoLeaves(items, stamp.nodesize);
  invariant(addresses.length === blockCount(leaves.length), `tree ${owner} has an address for each block`);
  const blocks = leaves.map((leaf, i) => encodeLeaf(owner, leaf, addressAt(addresses, i), stamp));
  if (leaves.length > 1) blocks.push(encodeRootNode(owner, leaves, addresses, stamp));
  return blocks;
}

function encodeLeaf(owner: number, items: readonly NewItem[], bytenr: number, stamp: BlockStamp): NewBlock {
  const bytes = newBlock(owner, items.length, 0, bytenr, stamp);
  const view = viewOf(bytes);
  let end = stamp.nodesize;
  items.forEach(({ key, data }, slot) => {
    const at = HEADER.SIZE + slot * ITEM.SIZE;
    end -= data.length;
    encodeKey(view, at, key);
    view.setUint32(at + ITEM.offset, end - HEADER.SIZE, true);
    view.setUint32(at + ITEM.size, data.length, true);
    bytes.set(data, end);
  });
  return sealed(bytes, bytenr, 0, stamp);
}

function encodeRootNode(
  owner: number,
  leaves: readonly (readonly NewItem[])[],
  addresses: readonly number[],
  stamp: BlockStamp,
): NewBlock {
  const bytenr = addressAt(addresses, leaves.length);
  const bytes = newBlock(owner, leaves.length, 1, bytenr, stamp);
  leaves.forEach(([first], slot) => {
    invariant(first !== undefined, 'a leaf below a node has items');
    const pointer = { key: first.key, blockptr: addressAt(addresses, slot), generation: stamp.generation };
    encodeKeyPtr(viewOf(bytes), HEADER.SIZE + slot * KEY_PTR.SIZE, pointer);
  });
  return sealed(bytes, bytenr, 1, stamp);
}

function newBlock(owner: number, nritems: number, level: number, bytenr: number, stamp: BlockStamp): Uint8Array {
  const bytes = new Uint8Array(stamp.nodesize);
  encodeHeader(viewOf(bytes), 0, {
    fsid: stamp.metadataUuid,
    bytenr,
    flags: HEADER_FLAG_WRITTEN | HEADER_MIXED_BACKREF_REV,
    chunkTreeUuid: stamp.chunkTreeUuid,
    generation: stamp.generation,
    owner,
    nritems,
    level,
  });
  return bytes;
}

function sealed(bytes: Uint8Array, bytenr: number, level: number, stamp: BlockStamp): NewBlock {
  stamp.checksum.digestInto(bytes.subarray(CSUM_SIZE), bytes, 0);
  return { bytenr, level, bytes };
}

function addressAt(addresses: readonly number[], index: number): number {
  const address = addresses[index];
  invariant(address !== undefined, 'every block has an address');
  return address;
}
