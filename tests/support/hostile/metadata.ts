/** Where a sound volume has its tree blocks and its data: what can be hit. */
import { viewOf } from '../../../src/bytes/index.js';
import type { BlockDevice } from '../../../src/device/index.js';
import * as format from '../../../src/format/index.js';
import { openVolumeDevices, type TreeLocation, type Volume } from '../../../src/volume/index.js';

export interface FoundBlock {
  readonly logical: number;
  readonly level: number;
  /** The tree that it was found in first. */
  readonly tree: number;
  readonly bytes: Uint8Array;
}

export interface Anatomy {
  readonly volume: Volume;
  readonly blocks: readonly FoundBlock[];
  /** Logical ranges that data extents cover. */
  readonly data: readonly { readonly logical: number; readonly length: number }[];
}

export function anatomyOf(device: BlockDevice): Anatomy {
  const volume = openVolumeDevices(device);
  const blocks = new Map<number, FoundBlock>();
  const data: Anatomy['data'][number][] = [];
  const { root, rootLevel, generation, chunkRoot, chunkRootLevel, chunkRootGeneration } = volume.superblock;
  const waiting: TreeLocation[] = [
    { bytenr: chunkRoot, level: chunkRootLevel, generation: chunkRootGeneration, owner: format.CHUNK_TREE_OBJECTID },
    { bytenr: root, level: rootLevel, generation, owner: format.ROOT_TREE_OBJECTID },
  ];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (blocks.has(at.bytenr)) continue;
    const bytes = volume.readMetadata(at.bytenr, {});
    blocks.set(at.bytenr, { logical: at.bytenr, level: at.level, tree: at.owner, bytes });
    if (at.level > 0) waiting.push(...childrenOf(bytes, at));
    else waiting.push(...rootsIn(bytes), ...noteData(bytes, data));
  }
  return { volume, blocks: [...blocks.values()].sort((a, b) => a.logical - b.logical), data };
}

/** The slots of a leaf. */
export function* itemsOf(leaf: Uint8Array): Generator<{ key: format.Key; keyAt: number; at: number; size: number }> {
  const view = viewOf(leaf);
  const count = view.getUint32(format.HEADER.nritems, true);
  for (let slot = 0; slot < count; slot++) {
    const keyAt = format.HEADER.SIZE + slot * format.ITEM.SIZE;
    yield {
      key: format.decodeKey(view, keyAt),
      keyAt,
      at: format.HEADER.SIZE + view.getUint32(keyAt + format.ITEM.offset, true),
      size: view.getUint32(keyAt + format.ITEM.size, true),
    };
  }
}

function childrenOf(bytes: Uint8Array, { owner, level }: TreeLocation): TreeLocation[] {
  const view = viewOf(bytes);
  const count = view.getUint32(format.HEADER.nritems, true);
  return Array.from({ length: count }, (_, slot) => {
    const { blockptr, generation } = format.decodeKeyPtr(view, format.HEADER.SIZE + slot * format.KEY_PTR.SIZE);
    return { bytenr: blockptr, generation, level: level - 1, owner };
  });
}

function rootsIn(leaf: Uint8Array): TreeLocation[] {
  const roots: TreeLocation[] = [];
  for (const { key, at, size } of itemsOf(leaf)) {
    if (key.type !== format.ROOT_ITEM_KEY) continue;
    const { bytenr, level, generation } = format.decodeRootItem(viewOf(leaf), at, size);
    if (bytenr !== 0) roots.push({ bytenr, level, generation, owner: key.objectid });
  }
  return roots;
}

function noteData(leaf: Uint8Array, data: Anatomy['data'][number][]): TreeLocation[] {
  for (const { key, at } of itemsOf(leaf)) {
    if (key.type !== format.EXTENT_ITEM_KEY) continue;
    const { flags } = format.decodeExtentItem(viewOf(leaf), at, format.EXTENT_ITEM.SIZE, true);
    if ((flags & format.EXTENT_FLAG_DATA) !== 0n) data.push({ logical: key.objectid, length: key.offset });
  }
  return [];
}
