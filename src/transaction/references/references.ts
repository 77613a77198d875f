/**
 * Back references of the running transaction: queued as they arise, applied to the extent tree in
 * batches.
 *
 * They cannot be applied at once, because changing the extent tree itself allocates and frees
 * blocks. Queueing also lets an addition and a deletion of one extent cancel out: an extent that
 * was allocated and freed between two batches never reaches the disk.
 */
import { corrupt, invariant } from '../../bytes/index.js';
import {
  EXTENT_FLAG_DATA,
  EXTENT_FLAG_TREE_BLOCK,
  EXTENT_ITEM_KEY,
  type ExtentItem,
  type InlineRef,
  Key,
  METADATA_ITEM_KEY,
} from '../../format/index.js';
import type { Tree } from '../../tree/index.js';
import {
  changeReference,
  type ExtentRecord,
  findExtentRecord,
  insertExtentRecord,
  referencesOf,
  removeExtentRecord,
  writeExtentRecord,
} from './extent-record.js';
import { DATA_EXTENT, PendingExtent } from './pending-extent.js';

/** What the queue needs of the transaction around it. */
export interface ReferencesHost {
  readonly extentTree: Tree;
  readonly transid: number;
  readonly nodesize: number;
  readonly skinnyMetadata: boolean;
  /** An extent was added to the extent tree. */
  extentInserted(bytenr: number, length: number): void;
  /** An extent left the extent tree; the last commit may still use it. */
  extentFreed(bytenr: number, length: number, isData: boolean): void;
  /** An extent that never was in the extent tree is given up. */
  extentDiscarded(bytenr: number, length: number, isData: boolean): void;
  /** A batch was applied: coalesced free-space changes can be written. */
  batchApplied(): void;
}

/** How often an extent is referenced, and its EXTENT_FLAG and BLOCK_FLAG bits. */
export interface ExtentUse {
  readonly refs: number;
  readonly flags: bigint;
}

export class References {
  private readonly host: ReferencesHost;
  private pending = new Map<number, PendingExtent>();

  constructor(host: ReferencesHost) {
    this.host = host;
  }

  /** Extents waiting to be applied. */
  get pendingCount(): number {
    return this.pending.size;
  }

  /** A freshly allocated tree block with its first reference. */
  addNewBlock(bytenr: number, level: number, firstKey: Key, ref: InlineRef): void {
    const extent = this.newExtent(bytenr, this.host.nodesize, level);
    extent.firstKey = firstKey;
    extent.flags |= EXTENT_FLAG_TREE_BLOCK;
    extent.change(ref, 1);
  }

  /** A freshly allocated data extent, whose references follow. */
  addNewData(bytenr: number, length: number): void {
    this.newExtent(bytenr, length, DATA_EXTENT).flags |= EXTENT_FLAG_DATA;
  }

  /** @param by - 1 for a new reference, -1 for a dropped one */
  changeBlock(bytenr: number, level: number, ref: InlineRef, by: number): void {
    this.extent(bytenr, this.host.nodesize, level).change(ref, by);
  }

  changeData(bytenr: number, length: number, ref: InlineRef, by: number): void {
    this.extent(bytenr, length, DATA_EXTENT).change(ref, by);
  }

  setFlags(bytenr: number, level: number, flags: bigint): void {
    this.extent(bytenr, this.host.nodesize, level).flags |= flags;
  }

  /** References and flags as they will be when everything pending is applied. @throws FsError EUCLEAN */
  use(bytenr: number, length: number, level: number): ExtentUse {
    const pending = this.pending.get(bytenr);
    if (pending?.isNew) return { refs: pending.total, flags: pending.flags };
    const { item } = this.record(bytenr, length, level);
    return { refs: item.refs + (pending?.total ?? 0), flags: item.flags | (pending?.flags ?? 0n) };
  }

  /** Gives up an extent at once that was allocated since the last batch and has no reference left. */
  discardIfUnused(bytenr: number): void {
    const extent = this.pending.get(bytenr);
    if (!extent?.isNew || extent.total !== 0) return;
    this.pending.delete(bytenr);
    this.host.extentDiscarded(bytenr, extent.length, extent.level === DATA_EXTENT);
  }

  /** Every reference of a data extent that is already in the extent tree. */
  dataReferences(bytenr: number, length: number): InlineRef[] {
    const record = findExtentRecord(this.host.extentTree, bytenr, length, DATA_EXTENT);
    return record === undefined ? [] : [...referencesOf(this.host.extentTree, record)];
  }

  /** Applies everything queued, and what doing so queues in turn, until nothing is left. */
  applyAll(): void {
    while (this.pending.size > 0) {
      const batch = [...this.pending.values()].sort((a, b) => a.bytenr - b.bytenr);
      this.pending = new Map();
      for (const extent of batch) this.apply(extent);
      this.host.batchApplied();
    }
  }

  private extent(bytenr: number, length: number, level: number): PendingExtent {
    const known = this.pending.get(bytenr);
    if (known !== undefined) {
      if (known.length !== length || known.level !== level) {
        throw corrupt(`extent ${bytenr}`, `is used with ${known.length} and with ${length} bytes`);
      }
      return known;
    }
    const extent = new PendingExtent(bytenr, length, level);
    this.pending.set(bytenr, extent);
    return extent;
  }

  private newExtent(bytenr: number, length: number, level: number): PendingExtent {
    if (this.pending.has(bytenr)) throw corrupt(`extent ${bytenr}`, 'was recorded as free, but is in use');
    const extent = this.extent(bytenr, length, level);
    extent.isNew = true;
    return extent;
  }

  private apply(extent: PendingExtent): void {
    if (extent.isNew) this.applyNew(extent);
    else this.applyChanges(extent);
  }

  private applyChanges(extent: PendingExtent): void {
    const changes = extent.changes.sort((a, b) => b.by - a.by);
    if (changes.length === 0 && extent.flags === 0n) return;
    const record = this.record(extent.bytenr, extent.length, extent.level);
    const { extentTree } = this.host;
    for (const { ref, by } of changes) changeReference(extentTree, record, ref, by);
    if (record.item.refs < 0) throw corrupt(`extent ${record.key}`, 'more references are dropped than recorded');
    if (record.item.refs === 0) {
      removeExtentRecord(extentTree, record);
      this.host.extentFreed(extent.bytenr, extent.length, extent.level === DATA_EXTENT);
      return;
    }
    record.item.flags |= extent.flags;
    writeExtentRecord(extentTree, record);
  }

  private applyNew(extent: PendingExtent): void {
    const isData = extent.level === DATA_EXTENT;
    if (extent.total === 0) {
      this.host.extentDiscarded(extent.bytenr, extent.length, isData);
      return;
    }
    if (extent.total < 0) throw corrupt(`extent ${extent.bytenr}`, 'was recorded as free, but is in use');
    const { extentTree, transid } = this.host;
    const item: ExtentItem = { refs: extent.total, generation: transid, flags: extent.flags, inlineRefs: [] };
    if (this.needsBlockInfo(extent)) item.treeBlockInfo = blockInfo(extent);
    insertExtentRecord(extentTree, this.keyOf(extent), item, extent.changes);
    this.host.extentInserted(extent.bytenr, extent.length);
  }

  private keyOf({ bytenr, length, level }: PendingExtent): Key {
    const isSkinny = level !== DATA_EXTENT && this.host.skinnyMetadata;
    return isSkinny ? new Key(bytenr, METADATA_ITEM_KEY, level) : new Key(bytenr, EXTENT_ITEM_KEY, length);
  }

  private needsBlockInfo({ level }: PendingExtent): boolean {
    return level !== DATA_EXTENT && !this.host.skinnyMetadata;
  }

  private record(bytenr: number, length: number, level: number): ExtentRecord {
    const record = findExtentRecord(this.host.extentTree, bytenr, length, level);
    if (record === undefined) throw corrupt(`extent ${bytenr} of ${length} bytes`, 'is not in the extent tree');
    return record;
  }
}

function blockInfo({ firstKey, level }: PendingExtent): { key: Key; level: number } {
  invariant(firstKey !== undefined, 'a new tree block comes with its first key');
  return { key: firstKey, level };
}
