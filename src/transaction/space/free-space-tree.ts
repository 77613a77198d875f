/**
 * The free-space tree: which sectors of each block group no extent covers.
 *
 * A group's space is kept either as one item per run or as bitmaps, never both; the info item
 * counts the runs in either form. Runs that touch are always one. A group that the kernel keeps as
 * bitmaps stays so; Butterlock itself makes runs only.
 *
 * @see docs/FORMAT.md, linux fs/btrfs/free-space-tree.c
 */
import { corrupt } from '../../bytes/index.js';
import {
  decodeFreeSpaceInfo,
  encodeFreeSpaceInfo,
  FREE_SPACE_BITMAP_KEY,
  FREE_SPACE_EXTENT_KEY,
  FREE_SPACE_INFO_KEY,
  FREE_SPACE_USING_BITMAPS,
  Key,
} from '../../format/index.js';
import type { Cursor, Tree } from '../../tree/index.js';
import type { BlockGroup } from './block-group.js';
import { FreeRuns } from './free-runs.js';

const NOTHING = new Uint8Array(0);

export class FreeSpaceTree {
  private readonly tree: Tree;
  private readonly sectorsize: number;

  constructor(tree: Tree, sectorsize: number) {
    this.tree = tree;
    this.sectorsize = sectorsize;
  }

  /** Records a new group as wholly free, replacing stale records at its address. */
  addGroup(group: BlockGroup): void {
    this.removeGroup(group);
    const info = new Uint8Array(8);
    encodeFreeSpaceInfo(new DataView(info.buffer), 0, { extentCount: 1, flags: 0 });
    this.tree.insert(new Key(group.start, FREE_SPACE_INFO_KEY, group.length), info);
    this.tree.insert(new Key(group.start, FREE_SPACE_EXTENT_KEY, group.length), NOTHING);
  }

  /** Forgets everything recorded inside a group's range. */
  removeGroup(group: BlockGroup): void {
    const from = new Key(group.start, 0, 0);
    const to = new Key(group.end - 1, 255, 0xffff_ffff_ffff_ffffn);
    while (this.tree.removeRange(from, to));
  }

  /** Reads a group's free space. @throws FsError EUCLEAN if the records do not describe the group */
  load(group: BlockGroup): FreeRuns {
    const runs = new FreeRuns();
    const bitmaps = this.usesBitmaps(group);
    let last = group.start;
    for (const cursor of this.records(group)) {
      const start = cursor.keyObjectid;
      const length = cursor.keyOffset;
      if (start < last || start + length > group.end) {
        throw corrupt(cursor.describe(), `free space record outside its block group ${group.start}`);
      }
      last = start + length;
      if (cursor.keyType !== (bitmaps ? FREE_SPACE_BITMAP_KEY : FREE_SPACE_EXTENT_KEY)) {
        throw corrupt(cursor.describe(), 'a block group has both runs and bitmaps of free space');
      }
      if (bitmaps) this.addBits(runs, cursor, start, length);
      else if (length > 0) runs.add(start, length);
    }
    return runs;
  }

  /** Records that [start, start + length) of `group` became free. */
  add(group: BlockGroup, start: number, length: number): void {
    if (this.usesBitmaps(group)) this.changeBits(group, start, length, true);
    else this.addRun(group, start, length);
  }

  private addRun(group: BlockGroup, start: number, length: number): void {
    let newStart = start;
    let newEnd = start + length;
    const before = this.runBefore(group, start);
    if (before !== undefined && before.end > start) throw this.wrong(group, start, 'is free already');
    if (before !== undefined && before.end === start) {
      newStart = before.start;
      this.tree.remove(new Key(before.start, FREE_SPACE_EXTENT_KEY, before.end - before.start));
    }
    const after = this.runAt(group, start + length);
    if (after !== undefined) {
      newEnd = after.end;
      this.tree.remove(new Key(after.start, FREE_SPACE_EXTENT_KEY, after.end - after.start));
    }
    this.tree.insert(new Key(newStart, FREE_SPACE_EXTENT_KEY, newEnd - newStart), NOTHING);
    this.countRuns(group, 1 - (newStart < start ? 1 : 0) - (after !== undefined ? 1 : 0));
  }

  /** Records that [start, start + length) of `group` was allocated. */
  remove(group: BlockGroup, start: number, length: number): void {
    if (this.usesBitmaps(group)) this.changeBits(group, start, length, false);
    else this.removeRun(group, start, length);
  }

  private removeRun(group: BlockGroup, start: number, length: number): void {
    const end = start + length;
    const run = this.runBefore(group, start + 1);
    if (run === undefined || run.start > start || run.end < end) throw this.wrong(group, start, 'is not free');
    this.tree.remove(new Key(run.start, FREE_SPACE_EXTENT_KEY, run.end - run.start));
    let pieces = 0;
    if (run.start < start) {
      this.tree.insert(new Key(run.start, FREE_SPACE_EXTENT_KEY, start - run.start), NOTHING);
      pieces++;
    }
    if (end < run.end) {
      this.tree.insert(new Key(end, FREE_SPACE_EXTENT_KEY, run.end - end), NOTHING);
      pieces++;
    }
    this.countRuns(group, pieces - 1);
  }

  private *records(group: BlockGroup): IterableIterator<Cursor> {
    const cursor = this.tree.seek(new Key(group.start, FREE_SPACE_EXTENT_KEY, 0));
    for (; cursor.valid && cursor.keyObjectid < group.end; cursor.next()) {
      if (cursor.keyType !== FREE_SPACE_INFO_KEY) yield cursor;
    }
  }

  private usesBitmaps(group: BlockGroup): boolean {
    const info = this.tree.get(new Key(group.start, FREE_SPACE_INFO_KEY, group.length));
    if (info === undefined) throw corrupt(`block group ${group.start}`, 'has no free space info');
    return (decodeFreeSpaceInfo(info.view, info.at).flags & FREE_SPACE_USING_BITMAPS) !== 0;
  }

  private countRuns(group: BlockGroup, by: number): void {
    if (by === 0) return;
    const place = this.tree.change(new Key(group.start, FREE_SPACE_INFO_KEY, group.length));
    if (place === undefined) throw corrupt(`block group ${group.start}`, 'has no free space info');
    const info = decodeFreeSpaceInfo(place.view, place.at);
    if (info.extentCount + by < 0) throw corrupt(`block group ${group.start}`, 'counts fewer free runs than it has');
    encodeFreeSpaceInfo(place.view, place.at, { ...info, extentCount: info.extentCount + by });
  }

  /** The last run that begins before `address`. */
  private runBefore(group: BlockGroup, address: number): { start: number; end: number } | undefined {
    const cursor = this.tree.seekAtOrBefore(new Key(address - 1, FREE_SPACE_EXTENT_KEY, 0xffff_ffff_ffff_ffffn));
    if (!cursor.valid || cursor.keyType !== FREE_SPACE_EXTENT_KEY) return undefined;
    const start = cursor.keyObjectid;
    return start < group.start ? undefined : { start, end: start + cursor.keyOffset };
  }

  private runAt(group: BlockGroup, address: number): { start: number; end: number } | undefined {
    if (address >= group.end) return undefined;
    const cursor = this.tree.seek(new Key(address, FREE_SPACE_EXTENT_KEY, 0));
    if (!cursor.isItemOf(address, FREE_SPACE_EXTENT_KEY)) return undefined;
    return { start: address, end: address + cursor.keyOffset };
  }

  // --- groups kept as bitmaps: one bit per sector, least bit first, set means free ---

  private addBits(runs: FreeRuns, cursor: Cursor, start: number, length: number): void {
    const sectors = Math.min(length / this.sectorsize, cursor.size * 8);
    const bits = cursor.bytes();
    for (let sector = 0; sector < sectors; ) {
      if (!bitAt(bits, sector)) {
        sector++;
        continue;
      }
      let end = sector + 1;
      while (end < sectors && bitAt(bits, end)) end++;
      runs.add(start + sector * this.sectorsize, (end - sector) * this.sectorsize);
      sector = end;
    }
  }

  private changeBits(group: BlockGroup, start: number, length: number, free: boolean): void {
    const end = start + length;
    const neighbours = (this.isFreeBit(group, start - 1) ? 1 : 0) + (this.isFreeBit(group, end) ? 1 : 0);
    for (let at = start; at < end; ) at = this.changeBitsOfOneBitmap(group, at, end, free);
    this.countRuns(group, free ? 1 - neighbours : neighbours - 1);
  }

  /** @returns where the next bitmap takes over */
  private changeBitsOfOneBitmap(group: BlockGroup, from: number, to: number, free: boolean): number {
    const key = this.bitmapOf(group, from);
    const place = key && this.tree.change(key);
    if (key === undefined || place === undefined) throw this.wrong(group, from, 'is in no bitmap');
    const end = Math.min(to, key.objectid + key.offset);
    const bits = new Uint8Array(place.view.buffer, place.view.byteOffset + place.at, place.size);
    for (let at = from; at < end; at += this.sectorsize) {
      const sector = (at - key.objectid) / this.sectorsize;
      if (bitAt(bits, sector) === free) throw this.wrong(group, at, free ? 'is free already' : 'is not free');
      bits[sector >>> 3] = (bits[sector >>> 3] ?? 0) ^ (1 << (sector & 7));
    }
    return end;
  }

  private isFreeBit(group: BlockGroup, address: number): boolean {
    if (address < group.start || address >= group.end) return false;
    const key = this.bitmapOf(group, address);
    const cursor = key && this.tree.get(key);
    if (key === undefined || cursor === undefined) return false;
    return bitAt(cursor.bytes(), Math.floor((address - key.objectid) / this.sectorsize));
  }

  private bitmapOf(group: BlockGroup, address: number): Key | undefined {
    const cursor = this.tree.seekAtOrBefore(new Key(address, FREE_SPACE_BITMAP_KEY, 0xffff_ffff_ffff_ffffn));
    if (!cursor.valid || cursor.keyType !== FREE_SPACE_BITMAP_KEY) return undefined;
    const key = cursor.key;
    return key.objectid >= group.start && address < key.objectid + key.offset ? key : undefined;
  }

  private wrong(group: BlockGroup, address: number, fault: string): Error {
    return corrupt(`free-space tree, block group ${group.start}`, `the sector at ${address} ${fault}`);
  }
}

function bitAt(bits: Uint8Array, sector: number): boolean {
  return ((bits[sector >>> 3] ?? 0) & (1 << (sector & 7))) !== 0;
}
