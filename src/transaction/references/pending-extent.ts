/** What the running transaction changes about one extent's references, before the extent tree knows. */
import {
  EXTENT_DATA_REF_KEY,
  type InlineRef,
  type Key,
  SHARED_BLOCK_REF_KEY,
  SHARED_DATA_REF_KEY,
  TREE_BLOCK_REF_KEY,
} from '../../format/index.js';

/** A back reference and by how much its count changes. The `count` field of data references is unused here. */
interface RefChange {
  readonly ref: InlineRef;
  by: number;
}

/** `level` of data extents. */
export const DATA_EXTENT = -1;

export class PendingExtent {
  readonly bytenr: number;
  readonly length: number;
  /** Level of a tree block, or {@link DATA_EXTENT}. */
  readonly level: number;
  /** Allocated in this transaction and not yet in the extent tree. */
  isNew = false;
  /** First key of a new tree block, which its item holds without skinny metadata. */
  firstKey: Key | undefined;
  /** Flags to set in the extent item. */
  flags = 0n;
  readonly changes = new Map<string, RefChange>();
  /** By how much the sum of all references changes. */
  total = 0;

  constructor(bytenr: number, length: number, level: number) {
    this.bytenr = bytenr;
    this.length = length;
    this.level = level;
  }

  change(ref: InlineRef, by: number): void {
    this.total += by;
    const name = nameOf(ref);
    const known = this.changes.get(name);
    if (known === undefined) {
      this.changes.set(name, { ref, by });
      return;
    }
    known.by += by;
    if (known.by === 0) this.changes.delete(name);
  }
}

function nameOf(ref: InlineRef): string {
  switch (ref.type) {
    case EXTENT_DATA_REF_KEY:
      return `${ref.root}/${ref.objectid}/${ref.offset}`;
    case SHARED_DATA_REF_KEY:
    case SHARED_BLOCK_REF_KEY:
      return `^${ref.parent}`;
    case TREE_BLOCK_REF_KEY:
      return `${ref.root}`;
    default:
      return `owner ${ref.root}`;
  }
}
