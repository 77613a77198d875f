/** Tree blocks built by hand, for tests of what must be accepted or refused in one. */
import {
  encodeHeader,
  encodeKey,
  encodeKeyPtr,
  HEADER,
  HEADER_FLAG_WRITTEN,
  HEADER_MIXED_BACKREF_REV,
  ITEM,
  KEY_PTR,
  type Key,
  type KeyPtr,
} from '../../src/format/index.js';

export interface BlockOptions {
  readonly nodesize: number;
  readonly owner: number;
  readonly generation?: number;
  readonly bytenr?: number;
  readonly fsid?: Uint8Array;
  /** Of a node; its children are one level lower. */
  readonly level?: number;
}

export interface BlockItem {
  readonly key: Key;
  readonly data: Uint8Array;
}

/** A leaf of the items in the order given, without its checksum. */
export function buildLeaf(items: readonly BlockItem[], options: BlockOptions): Uint8Array {
  const { block, view } = emptyBlock(items.length, { ...options, level: 0 });
  let end = options.nodesize - HEADER.SIZE;
  items.forEach(({ key, data }, slot) => {
    end -= data.length;
    const at = HEADER.SIZE + slot * ITEM.SIZE;
    encodeKey(view, at, key);
    view.setUint32(at + ITEM.offset, end, true);
    view.setUint32(at + ITEM.size, data.length, true);
    block.set(data, HEADER.SIZE + end);
  });
  return block;
}

/** A node of the children in the order given, without its checksum. */
export function buildNode(children: readonly KeyPtr[], options: BlockOptions): Uint8Array {
  const { block, view } = emptyBlock(children.length, { level: 1, ...options });
  children.forEach((child, slot) => {
    encodeKeyPtr(view, HEADER.SIZE + slot * KEY_PTR.SIZE, child);
  });
  return block;
}

function emptyBlock(nritems: number, options: BlockOptions): { block: Uint8Array; view: DataView } {
  const block = new Uint8Array(options.nodesize);
  const view = new DataView(block.buffer);
  encodeHeader(view, 0, {
    fsid: options.fsid ?? new Uint8Array(16),
    bytenr: options.bytenr ?? 1024 * 1024,
    flags: HEADER_FLAG_WRITTEN | HEADER_MIXED_BACKREF_REV,
    chunkTreeUuid: new Uint8Array(16),
    generation: options.generation ?? 1,
    owner: options.owner,
    nritems,
    level: options.level ?? 0,
  });
  return { block, view };
}
