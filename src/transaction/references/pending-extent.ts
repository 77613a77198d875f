/** What the running transaction changes about one extent's references, before the extent tree knows. */
import { type InlineRef, type Key, sameReference } from '../../format/index.js';

/** A back reference and by how much its count changes. The `count` field of data references is unused here. */
export interface RefChange {
  readonly ref: InlineRef;
  by: number;
}

/** `level` of data extents. */
export const DATA_EXTENT = -1;
/** More references than this are found by name. */
const FEW = 8;

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
  /** By how much the sum of all references changes. */
  total = 0;
  private readonly all: RefChange[] = [];
  private byName: Map<string, RefChange> | undefined;

  constructor(bytenr: number, length: number, level: number) {
    this.bytenr = bytenr;
    this.length = length;
    this.level = level;
  }

  /** References whose counts change. */
  get changes(): RefChange[] {
    return this.all.filter(({ by }) => by !== 0);
  }

  change(ref: InlineRef, by: number): void {
    this.total += by;
    const known = this.find(ref);
    if (known !== undefined) {
      known.by += by;
      return;
    }
    const change = { ref, by };
    this.all.push(change);
    this.byName?.set(nameOf(ref), change);
  }

  private find(ref: InlineRef): RefChange | undefined {
    if (this.all.length <= FEW) return this.all.find((known) => sameReference(known.ref, ref));
    this.byName ??= new Map(this.all.map((change) => [nameOf(change.ref), change]));
    return this.byName.get(nameOf(ref));
  }
}

function nameOf(ref: InlineRef): string {
  return 'objectid' in ref
    ? `${ref.root}/${ref.objectid}/${ref.offset}`
    : `${ref.type} ${'parent' in ref ? ref.parent : ref.root}`;
}
