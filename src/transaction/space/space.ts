/**
 * Where things go: block groups, allocation, and space that is freed but not yet reusable.
 *
 * Three states of space that no extent covers: free (an allocation may take it), pinned (freed in
 * the running transaction; the last commit on disk still refers to it), and excluded (a copy of
 * the superblock lies there). The free-space tree knows only one: free.
 */
import { corrupt, FsError, roundDown } from '../../bytes/index.js';
import {
  BLOCK_GROUP_ITEM_KEY,
  decodeBlockGroupItem,
  EXTENT_ITEM_KEY,
  encodeBlockGroupItem,
  Key,
  METADATA_ITEM_KEY,
  STRIPE_LEN,
  superMirrorOffsets,
} from '../../format/index.js';
import type { Tree } from '../../tree/index.js';
import type { ChunkMapping, Volume } from '../../volume/index.js';
import { BlockGroup, type SpaceType } from './block-group.js';
import { FreeRuns } from './free-runs.js';
import type { FreeSpaceTree } from './free-space-tree.js';

/** A run of the free-space tree that waits to be written, so that neighbours go in one change. */
interface FreeChange {
  start: number;
  length: number;
  free: boolean;
}

/** Pieces of data up to this many bytes follow each other, and fill gaps. */
const SHORT_PIECE = 128 * 1024;
/** What is written together is to lie together: short pieces begin where so many bytes are free, if they can. */
const SHORT_RUN = 256 * 1024;

interface Place {
  readonly group: BlockGroup;
  readonly start: number;
}

export interface SpaceTrees {
  readonly extentTree: Tree;
  /** Where block group items are: the extent tree or the block-group tree. */
  readonly blockGroupTree: Tree;
  /** Undefined when the volume keeps no valid one. */
  readonly freeSpaceTree: FreeSpaceTree | undefined;
}

export class Space {
  private readonly volume: Volume;
  private readonly trees: SpaceTrees;
  /** Sorted by address. */
  readonly groups: BlockGroup[] = [];
  private readonly current = new Map<SpaceType, BlockGroup>();
  private readonly lastAddress = new Map<BlockGroup, number>();
  /** Where the last short piece of each type ended. */
  private readonly shortEnd = new Map<SpaceType, Place>();
  /** Types without a run of free space that is long enough to begin in. */
  private readonly scattered = new Set<SpaceType>();
  private changes: FreeChange[] = [];

  constructor(volume: Volume, trees: SpaceTrees) {
    this.volume = volume;
    this.trees = trees;
    for (const mapping of volume.chunkMap) this.groups.push(this.readGroup(mapping));
    this.groups.sort((a, b) => a.start - b.start);
  }

  groupsOf(type: SpaceType): BlockGroup[] {
    return this.groups.filter((group) => group.takes(type));
  }

  /** Bytes allocations of a type could take now. */
  available(type: SpaceType): number {
    let sum = 0;
    for (const group of this.groups) if (group.takes(type)) sum += group.available;
    return sum;
  }

  /**
   * Whether allocations of a type could take `bytes` in all. Reads the free space of the groups that
   * takes, so that none has to be read later, while a tree is being changed.
   *
   * @throws FsError EUCLEAN, EIO
   */
  hasRoom(type: SpaceType, bytes: number): boolean {
    const current = this.current.get(type);
    let room = current === undefined ? 0 : this.loaded(current).total;
    for (const group of this.groups) {
      if (room >= bytes) return true;
      if (group !== current && group.takes(type) && group.available > 0) room += this.loaded(group).total;
    }
    return room >= bytes;
  }

  /** Bytes that the next commit makes available. */
  pinned(type: SpaceType): number {
    return this.groupsOf(type).reduce((sum, group) => sum + group.pinned.total, 0);
  }

  used(type: SpaceType): number {
    return this.groupsOf(type).reduce((sum, group) => sum + group.used, 0);
  }

  total(type: SpaceType): number {
    let sum = 0;
    for (const group of this.groups) if (group.takes(type)) sum += group.length;
    return sum;
  }

  /** The group that holds an address. @throws FsError EUCLEAN if there is none */
  groupAt(address: number): BlockGroup {
    let low = 0;
    let high = this.groups.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.groups[middle]?.end ?? 0) <= address) low = middle + 1;
      else high = middle;
    }
    const group = this.groups[low];
    if (group === undefined || address < group.start) throw corrupt(`address ${address}`, 'is in no block group');
    return group;
  }

  /** Adds the group of a new chunk, wholly free. The caller writes its items. */
  addGroup(group: BlockGroup): void {
    group.free = new FreeRuns();
    group.free.add(group.start, group.length);
    this.exclude(group, group.free);
    const at = this.groups.findIndex((known) => known.start > group.start);
    this.groups.splice(at < 0 ? this.groups.length : at, 0, group);
    this.scattered.clear();
  }

  /**
   * An empty group that may give way to one of type `wanted`. The last group of a type stays, since
   * later ones take their profile from it.
   */
  removableFor(wanted: SpaceType): BlockGroup | undefined {
    return this.groups.find((group) => {
      const { type } = group;
      return type !== wanted && type !== 'system' && this.groupsOf(type).length > 1 && this.isEmpty(group);
    });
  }

  /** Nothing is in the group, was at the last commit, or is about to be. */
  private isEmpty(group: BlockGroup): boolean {
    if (group.used > 0 || group.pinned.count > 0) return false;
    const excluded = new FreeRuns();
    excluded.add(group.start, group.length);
    this.exclude(group, excluded);
    return this.loaded(group).total === excluded.total;
  }

  removeGroup(group: BlockGroup): void {
    this.groups.splice(this.groups.indexOf(group), 1);
    this.lastAddress.delete(group);
    if (this.current.get(group.type) === group) this.current.delete(group.type);
    for (const [type, end] of this.shortEnd) if (end.group === group) this.shortEnd.delete(type);
  }

  /**
   * Takes `length` bytes in one piece.
   *
   * @param alignment - bytes, counted from address 0; divides `length`
   * @throws FsError ENOSPC
   */
  allocate(type: SpaceType, length: number, alignment: number): number {
    const start = this.takeShort(type, length, alignment);
    if (start === undefined) throw new FsError('ENOSPC', `no room for ${length} bytes of ${type}`);
    return start;
  }

  /** Whether short pieces of a type go wherever they fit, one here and one there. */
  isScattered(type: SpaceType): boolean {
    return this.scattered.has(type);
  }

  /** Behind the last one, or where the next ones can follow, or where it fits: each as low as possible. */
  private takeShort(type: SpaceType, length: number, alignment: number): number | undefined {
    const end = this.shortEnd.get(type);
    if (end !== undefined && this.loaded(end.group).contains(end.start, length)) {
      return this.takeShortAt(type, end.group, end.start, length);
    }
    if (!this.isScattered(type)) {
      const place = this.findLowest(type, SHORT_RUN, alignment);
      if (place !== undefined) return this.takeShortAt(type, place.group, place.start, length);
      this.scattered.add(type);
    }
    const place = this.findLowest(type, length, alignment);
    return place && this.takeShortAt(type, place.group, place.start, length);
  }

  private findLowest(type: SpaceType, length: number, alignment: number): Place | undefined {
    for (const group of this.inAllocationOrder(type)) {
      const start = this.loaded(group).findLowest(length, alignment);
      if (start !== undefined) return { group, start };
    }
    return undefined;
  }

  private takeShortAt(type: SpaceType, group: BlockGroup, start: number, length: number): number {
    this.shortEnd.set(type, { group, start: start + length });
    return this.take(type, group, start, length);
  }

  /**
   * Takes up to `length` bytes in one piece: all of them if any group can, else the longest run there
   * is. Short pieces fill gaps, long ones go behind the last long one.
   *
   * @throws FsError ENOSPC
   */
  allocateUpTo(type: SpaceType, length: number, alignment: number): { start: number; length: number } {
    const short = length <= SHORT_PIECE ? this.takeShort(type, length, alignment) : undefined;
    if (short !== undefined) return { start: short, length };
    let best: { group: BlockGroup; start: number; length: number } | undefined;
    for (const group of this.inAllocationOrder(type)) {
      const free = this.loaded(group);
      const start = free.findFit(length, alignment, this.lastAddress.get(group) ?? group.start);
      if (start !== undefined) {
        this.lastAddress.set(group, start + length);
        return { start: this.take(type, group, start, length), length };
      }
      const longest = free.longest();
      if (longest !== undefined && longest.length > (best?.length ?? 0)) best = { group, ...longest };
    }
    if (best === undefined) throw new FsError('ENOSPC', `no room for ${length} bytes of ${type}`);
    return { start: this.take(type, best.group, best.start, best.length), length: best.length };
  }

  /** Gives back what was allocated in this transaction and never written down. */
  release(start: number, length: number): void {
    this.loaded(this.groupAt(start)).add(start, length);
  }

  /** Gives back what was allocated in this transaction, but only after the commit: the log on disk leads there. */
  pin(start: number, length: number): void {
    this.groupAt(start).pinned.add(start, length);
  }

  /** Whether all of a range is free. @throws FsError EUCLEAN */
  isFree(start: number, length: number): boolean {
    return this.loaded(this.groupAt(start)).contains(start, length);
  }

  /** Takes exactly this range, which is free. */
  takeRange(start: number, length: number): void {
    this.loaded(this.groupAt(start)).remove(start, length);
  }

  /** An extent entered the extent tree. */
  extentInserted(start: number, length: number): void {
    const group = this.groupAt(start);
    if (group.used + length > group.length) throw this.miscounted(group);
    group.used += length;
    group.changed = true;
    this.recordChange(start, length, false);
  }

  /** An extent left the extent tree; its space is pinned until the commit is durable. */
  extentFreed(start: number, length: number): void {
    const group = this.groupAt(start);
    if (length > group.used) throw this.miscounted(group);
    const isFree = group.pinned.overlaps(start, length) || group.free?.overlaps(start, length) === true;
    if (isFree || start + length > group.end) {
      throw corrupt(`extent ${start} of ${length} bytes`, 'overlaps what is free or leaves its block group');
    }
    group.used -= length;
    group.changed = true;
    group.pinned.add(start, length);
    this.recordChange(start, length, true);
  }

  /** Writes coalesced changes to the free-space tree. */
  writeFreeSpace(): void {
    const { changes } = this;
    this.changes = [];
    const tree = this.trees.freeSpaceTree;
    if (tree === undefined) return;
    for (const { start, length, free } of changes) {
      const group = this.groupAt(start);
      if (free) tree.add(group, start, length);
      else tree.remove(group, start, length);
    }
  }

  get hasChangedGroups(): boolean {
    return this.groups.some((group) => group.changed);
  }

  writeChangedGroups(): void {
    for (const group of this.groups) {
      if (!group.changed) continue;
      group.changed = false;
      const place = this.trees.blockGroupTree.change(new Key(group.start, BLOCK_GROUP_ITEM_KEY, group.length));
      if (place === undefined) throw corrupt(`block group ${group.start}`, 'its item is gone');
      encodeBlockGroupItem(place.view, place.at, {
        used: group.used,
        chunkObjectid: group.chunkObjectid,
        flags: group.flags,
      });
    }
  }

  /** After a commit is durable: what it freed may be used again. */
  releasePinned(): void {
    this.scattered.clear();
    for (const group of this.groups) {
      if (group.pinned.count === 0) continue;
      if (group.free !== undefined) for (const run of group.pinned) group.free.add(run.start, run.length);
      group.pinned = new FreeRuns();
    }
  }

  private take(type: SpaceType, group: BlockGroup, start: number, length: number): number {
    this.loaded(group).remove(start, length);
    this.current.set(type, group);
    return start;
  }

  private *inAllocationOrder(type: SpaceType): IterableIterator<BlockGroup> {
    const current = this.current.get(type);
    if (current !== undefined) yield current;
    for (const group of this.groups) {
      if (group !== current && group.takes(type) && group.available > 0) yield group;
    }
  }

  private recordChange(start: number, length: number, free: boolean): void {
    const last = this.changes.at(-1);
    if (last !== undefined && last.free === free && last.start + last.length === start && !this.beginsGroup(start)) {
      last.length += length;
    } else {
      this.changes.push({ start, length, free });
    }
  }

  private beginsGroup(address: number): boolean {
    return this.groupAt(address).start === address;
  }

  /** What an allocation may take: neither in use, nor pinned, nor excluded. @throws FsError EUCLEAN, EIO */
  loaded(group: BlockGroup): FreeRuns {
    if (group.free !== undefined) return group.free;
    const recorded = this.trees.freeSpaceTree?.load(group);
    const free = recorded === undefined ? this.scanExtents(group) : this.checkAgainstExtents(group, recorded);
    for (const run of group.pinned) free.removeAnyOf(run.start, run.length);
    this.exclude(group, free);
    group.free = free;
    return free;
  }

  /** Free space of a volume without a valid free-space tree: what no extent covers. */
  private scanExtents(group: BlockGroup): FreeRuns {
    const free = new FreeRuns();
    let covered = group.start;
    for (const { start, end } of this.extentsIn(group)) {
      free.add(covered, start - covered);
      covered = end;
    }
    free.add(covered, group.end - covered);
    return free;
  }

  /** Nothing is ever allocated, and thereby overwritten, that an extent covers. */
  private checkAgainstExtents(group: BlockGroup, free: FreeRuns): FreeRuns {
    for (const { start, end } of this.extentsIn(group)) {
      if (!free.overlaps(start, end - start)) continue;
      throw corrupt(`free-space tree, block group ${group.start}`, `says that the extent at ${start} is free`);
    }
    return free;
  }

  private *extentsIn(group: BlockGroup): IterableIterator<{ start: number; end: number }> {
    let covered = group.start;
    const cursor = this.trees.extentTree.seek(new Key(group.start, 0, 0));
    for (; cursor.valid && cursor.keyObjectid < group.end; cursor.next()) {
      const type = cursor.keyType;
      if (type !== EXTENT_ITEM_KEY && type !== METADATA_ITEM_KEY) continue;
      const start = cursor.keyObjectid;
      const end = start + (type === EXTENT_ITEM_KEY ? cursor.keyOffset : this.volume.nodesize);
      if (start < covered || end > group.end)
        throw corrupt(cursor.describe(), 'overlaps another extent or leaves its block group');
      yield { start, end };
      covered = end;
    }
  }

  private miscounted({ start, used, length }: BlockGroup): Error {
    return corrupt(`block group ${start}`, `${used} of its ${length} bytes are said to be used, which cannot be`);
  }

  /** Takes the stripes that hold superblock copies out of `free`. */
  private exclude(group: BlockGroup, free: FreeRuns): void {
    for (const stripe of this.volume.chunkMap.find(group.start)?.chunk.stripes ?? []) {
      for (const mirror of superMirrorOffsets(Number.MAX_SAFE_INTEGER)) {
        const offset = mirror - stripe.offset;
        if (offset < 0 || offset >= group.length) continue;
        free.removeAnyOf(group.start + roundDown(offset, STRIPE_LEN), STRIPE_LEN);
      }
    }
  }

  private readGroup({ logical, chunk }: ChunkMapping): BlockGroup {
    const key = new Key(logical, BLOCK_GROUP_ITEM_KEY, chunk.length);
    const cursor = this.trees.blockGroupTree.get(key);
    if (cursor === undefined) throw corrupt(`chunk ${logical}`, 'has no block group item');
    const item = decodeBlockGroupItem(cursor.view, cursor.at);
    if (item.flags !== chunk.type) {
      throw corrupt(cursor.describe(), `block group type ${item.flags} differs from its chunk's ${chunk.type}`);
    }
    return new BlockGroup(logical, chunk.length, item.flags, item.used, item.chunkObjectid);
  }
}
