/**
 * One tree block in memory: a node (keys and pointers) or a leaf (items packed from both ends).
 *
 * Leaf layout: item headers grow from byte 101 upwards, item data from the block's end downwards,
 * without gaps, so that the data of item n ends where the data of item n-1 begins. Every change
 * below keeps that, and zeroes what it vacates: no old data reaches the disk.
 *
 * On disk: `struct btrfs_header`, `btrfs_item`, `btrfs_key_ptr`; tables in docs/FORMAT.md.
 */
import { invariant, readId, readU53, viewOf, writeU53 } from '../bytes/index.js';
import { compareKeyAt, compareKeysAt, decodeKey, encodeKey, HEADER, ITEM, KEY_PTR, type Key } from '../format/index.js';
import type { BlockPointer } from './store.js';

export class TreeBlock {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Made in the running transaction and not yet on disk, hence free to change in place. */
  dirty: boolean;
  /** Of a leaf: items [changedFrom, changedTo) may have changed since it was read or copied. */
  changedFrom = 0;
  changedTo = 0;
  /** Used since the cache last looked for blocks to drop. */
  isRecent = true;

  constructor(bytes: Uint8Array, dirty = false) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.dirty = dirty;
  }

  /** Logical address in bytes. */
  get bytenr(): number {
    return readU53(this.view, HEADER.bytenr);
  }

  get generation(): number {
    return readU53(this.view, HEADER.generation);
  }

  /** Id of the tree that wrote the block. */
  get owner(): number {
    return readId(this.view, HEADER.owner);
  }

  get level(): number {
    return this.view.getUint8(HEADER.level);
  }

  /** How many items (leaf) or pointers (node) the block holds. */
  get count(): number {
    return this.view.getUint32(HEADER.nritems, true);
  }

  get isLeaf(): boolean {
    return this.level === 0;
  }

  get flags(): bigint {
    return this.view.getBigUint64(HEADER.flags, true);
  }

  set flags(flags: bigint) {
    this.view.setBigUint64(HEADER.flags, flags, true);
  }

  get pointer(): BlockPointer {
    return { bytenr: this.bytenr, generation: this.generation, level: this.level };
  }

  /** Byte offset of the key of `slot`. */
  keyAt(slot: number): number {
    return this.isLeaf ? HEADER.SIZE + slot * ITEM.SIZE : HEADER.SIZE + slot * KEY_PTR.SIZE;
  }

  key(slot: number): Key {
    return decodeKey(this.view, this.keyAt(slot));
  }

  setKey(slot: number, key: Key): void {
    encodeKey(this.view, this.keyAt(slot), key);
  }

  compareKey(slot: number, key: Key): number {
    return compareKeyAt(this.view, this.keyAt(slot), key);
  }

  /** The first slot whose key is not below `key`; `count` if there is none. */
  lowerBound(key: Key): number {
    const size = this.isLeaf ? ITEM.SIZE : KEY_PTR.SIZE;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeyAt(this.view, HEADER.SIZE + middle * size, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether `slot` is the place of `key` itself. */
  holds(slot: number, key: Key): boolean {
    return slot < this.count && this.compareKey(slot, key) === 0;
  }

  /** In a node: the slot of the child whose range holds `key` (slot 0 for keys below all). */
  childSlot(key: Key): number {
    const slot = this.lowerBound(key);
    return slot === 0 || this.holds(slot, key) ? slot : slot - 1;
  }

  // --- leaves ---

  /** Notes that the item in `slot` changes. */
  markChanged(slot: number, end = slot + 1): void {
    const isNone = this.changedFrom >= this.changedTo;
    this.changedFrom = isNone ? slot : Math.min(this.changedFrom, slot);
    this.changedTo = isNone ? end : Math.max(this.changedTo, end);
  }

  /** `by` slots came in at `slot`, or were taken out from there on. */
  private moveChanged(slot: number, by: number): void {
    if (this.changedFrom >= slot) this.changedFrom = Math.max(slot, this.changedFrom + by);
    if (this.changedTo > slot) this.changedTo = Math.max(slot, this.changedTo + by);
  }

  /** Byte offset of the data of the item in `slot`. */
  itemAt(slot: number): number {
    return HEADER.SIZE + this.view.getUint32(HEADER.SIZE + slot * ITEM.SIZE + ITEM.offset, true);
  }

  itemSize(slot: number): number {
    return this.view.getUint32(HEADER.SIZE + slot * ITEM.SIZE + ITEM.size, true);
  }

  /** Where the packed item data begins: the end of the free gap. */
  private dataStart(): number {
    return this.count === 0 ? this.bytes.length : this.itemAt(this.count - 1);
  }

  /** Bytes between the last item header and the data. An item of size n needs n + 25. */
  get freeSpace(): number {
    return this.dataStart() - (HEADER.SIZE + this.count * ITEM.SIZE);
  }

  /** Bytes used by items [from, to), headers included. */
  usedBy(from: number, to: number): number {
    if (from >= to) return 0;
    const end = from === 0 ? this.bytes.length : this.itemAt(from - 1);
    return end - this.itemAt(to - 1) + (to - from) * ITEM.SIZE;
  }

  /** Makes room for an item of `size` zero bytes at `slot` and returns the offset of its data. */
  insertItem(slot: number, key: Key, size: number): number {
    const count = this.count;
    invariant(slot <= count && this.freeSpace >= size + ITEM.SIZE, 'an item is inserted where it fits');
    const dataStart = this.dataStart();
    const end = slot === 0 ? this.bytes.length : this.itemAt(slot - 1);
    this.bytes.copyWithin(dataStart - size, dataStart, end);
    const header = HEADER.SIZE + slot * ITEM.SIZE;
    this.bytes.copyWithin(header + ITEM.SIZE, header, HEADER.SIZE + count * ITEM.SIZE);
    this.setCount(count + 1);
    this.shiftOffsets(slot + 1, count + 1, -size);
    encodeKey(this.view, header, key);
    this.view.setUint32(header + ITEM.offset, end - size - HEADER.SIZE, true);
    this.view.setUint32(header + ITEM.size, size, true);
    this.bytes.fill(0, end - size, end);
    this.moveChanged(slot, 1);
    this.markChanged(slot);
    return end - size;
  }

  removeItems(from: number, to: number): void {
    const count = this.count;
    invariant(from < to && to <= count, 'only items that exist are removed');
    const dataStart = this.dataStart();
    const end = from === 0 ? this.bytes.length : this.itemAt(from - 1);
    const start = this.itemAt(to - 1);
    const size = end - start;
    this.bytes.copyWithin(dataStart + size, dataStart, start);
    this.bytes.fill(0, dataStart, dataStart + size);
    this.bytes.copyWithin(
      HEADER.SIZE + from * ITEM.SIZE,
      HEADER.SIZE + to * ITEM.SIZE,
      HEADER.SIZE + count * ITEM.SIZE,
    );
    const left = count - (to - from);
    this.bytes.fill(0, HEADER.SIZE + left * ITEM.SIZE, HEADER.SIZE + count * ITEM.SIZE);
    this.setCount(left);
    this.shiftOffsets(from, left, size);
    this.moveChanged(from, from - to);
    if (from < left) this.markChanged(from);
  }

  /** Changes the size of an item; its first bytes stay, new ones are zero. */
  resizeItem(slot: number, size: number): void {
    const old = this.itemSize(slot);
    const growth = size - old;
    this.markChanged(slot);
    if (growth === 0) return;
    invariant(growth <= this.freeSpace, 'an item grows only where it fits');
    const dataStart = this.dataStart();
    const at = this.itemAt(slot);
    this.bytes.copyWithin(dataStart - growth, dataStart, at + Math.min(old, size));
    if (growth < 0) this.bytes.fill(0, dataStart, dataStart - growth);
    else this.bytes.fill(0, at + old - growth, at + old);
    this.shiftOffsets(slot, this.count, -growth);
    this.view.setUint32(HEADER.SIZE + slot * ITEM.SIZE + ITEM.size, size, true);
  }

  /** Appends the items [from, to) of `source`, which lie above all of this leaf's keys. */
  appendItems(source: TreeBlock, from: number, to: number): void {
    if (from >= to) return;
    const count = this.count;
    const moved = to - from;
    const sourceEnd = from === 0 ? source.bytes.length : source.itemAt(from - 1);
    const sourceStart = source.itemAt(to - 1);
    const end = this.dataStart();
    const length = sourceEnd - sourceStart;
    invariant(this.freeSpace >= length + moved * ITEM.SIZE, 'items are moved where they fit');
    this.bytes.set(source.bytes.subarray(sourceStart, sourceEnd), end - length);
    const headers = source.bytes.subarray(HEADER.SIZE + from * ITEM.SIZE, HEADER.SIZE + to * ITEM.SIZE);
    this.bytes.set(headers, HEADER.SIZE + count * ITEM.SIZE);
    this.setCount(count + moved);
    this.shiftOffsets(count, count + moved, end - sourceEnd);
    this.markChanged(count, count + moved);
  }

  private shiftOffsets(from: number, to: number, by: number): void {
    const { view } = this;
    for (let at = HEADER.SIZE + from * ITEM.SIZE + ITEM.offset, left = to - from; left > 0; left--, at += ITEM.SIZE) {
      view.setUint32(at, view.getUint32(at, true) + by, true);
    }
  }

  // --- nodes ---

  childPointer(slot: number): BlockPointer {
    const at = HEADER.SIZE + slot * KEY_PTR.SIZE;
    return {
      bytenr: readU53(this.view, at + KEY_PTR.blockptr),
      generation: readU53(this.view, at + KEY_PTR.generation),
      level: this.level - 1,
    };
  }

  childBytenr(slot: number): number {
    return readU53(this.view, HEADER.SIZE + slot * KEY_PTR.SIZE + KEY_PTR.blockptr);
  }

  /** Whether `child` is as the pointer in `slot` says: of its generation, one level down, beginning with its key. */
  promises(slot: number, child: TreeBlock): boolean {
    const at = HEADER.SIZE + slot * KEY_PTR.SIZE;
    const { view } = child;
    return (
      child.level === this.level - 1 &&
      child.generation === readU53(this.view, at + KEY_PTR.generation) &&
      child.count > 0 &&
      compareKeysAt(view, HEADER.SIZE, at, this.view) === 0
    );
  }

  setChildPointer(slot: number, child: TreeBlock): void {
    const at = HEADER.SIZE + slot * KEY_PTR.SIZE;
    writeU53(this.view, at + KEY_PTR.blockptr, child.bytenr);
    writeU53(this.view, at + KEY_PTR.generation, child.generation);
  }

  /** How many pointers a node of this size can hold. */
  get pointerCapacity(): number {
    return Math.floor((this.bytes.length - HEADER.SIZE) / KEY_PTR.SIZE);
  }

  insertPointer(slot: number, key: Key, child: TreeBlock): void {
    const count = this.count;
    invariant(slot <= count && count < this.pointerCapacity, 'a pointer is inserted where it fits');
    const at = HEADER.SIZE + slot * KEY_PTR.SIZE;
    this.bytes.copyWithin(at + KEY_PTR.SIZE, at, HEADER.SIZE + count * KEY_PTR.SIZE);
    this.setCount(count + 1);
    encodeKey(this.view, at, key);
    this.setChildPointer(slot, child);
  }

  removePointers(from: number, to: number): void {
    const count = this.count;
    this.bytes.copyWithin(
      HEADER.SIZE + from * KEY_PTR.SIZE,
      HEADER.SIZE + to * KEY_PTR.SIZE,
      HEADER.SIZE + count * KEY_PTR.SIZE,
    );
    const left = count - (to - from);
    this.bytes.fill(0, HEADER.SIZE + left * KEY_PTR.SIZE, HEADER.SIZE + count * KEY_PTR.SIZE);
    this.setCount(left);
  }

  appendPointers(source: TreeBlock, from: number, to: number): void {
    const count = this.count;
    invariant(count + to - from <= this.pointerCapacity, 'pointers are moved where they fit');
    const moved = source.bytes.subarray(HEADER.SIZE + from * KEY_PTR.SIZE, HEADER.SIZE + to * KEY_PTR.SIZE);
    this.bytes.set(moved, HEADER.SIZE + count * KEY_PTR.SIZE);
    this.setCount(count + to - from);
  }

  private setCount(count: number): void {
    this.view.setUint32(HEADER.nritems, count, true);
  }
}
