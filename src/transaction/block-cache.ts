/** Tree blocks in memory: those of the running transaction, and recently read ones up to a limit. */
import type { TreeBlock } from '../tree/index.js';

/** Bytes of clean blocks kept. */
const CLEAN_LIMIT = 32 * 1024 * 1024;
/** Blocks lie at multiples of this at least. Smaller numbers are found faster in a map. */
const ALIGNMENT = 4096;

export class BlockCache {
  private readonly limit: number;
  /** By address. The longest unused come first, more or less. */
  private readonly clean = new Map<number, TreeBlock>();
  private readonly dirty = new Map<number, TreeBlock>();

  constructor(nodesize: number) {
    this.limit = CLEAN_LIMIT / nodesize;
  }

  get dirtyCount(): number {
    return this.dirty.size;
  }

  get(bytenr: number): TreeBlock | undefined {
    const place = bytenr / ALIGNMENT;
    const block = this.dirty.get(place) ?? this.clean.get(place);
    if (block !== undefined) block.isRecent = true;
    return block;
  }

  addClean(block: TreeBlock): void {
    this.clean.set(block.bytenr / ALIGNMENT, block);
    if (this.clean.size > this.limit) this.dropOldest();
  }

  addDirty(block: TreeBlock): void {
    const place = block.bytenr / ALIGNMENT;
    this.clean.delete(place);
    this.dirty.set(place, block);
  }

  dropDirty(block: TreeBlock): void {
    this.dirty.delete(block.bytenr / ALIGNMENT);
    block.dirty = false;
  }

  /** The blocks a commit has to write, sorted by address. */
  dirtyBlocks(): TreeBlock[] {
    return [...this.dirty.values()].sort((a, b) => a.bytenr - b.bytenr);
  }

  /** After a commit: what was dirty is on disk. */
  becomeClean(): void {
    const written = [...this.dirty.values()];
    this.dirty.clear();
    for (const block of written) {
      block.dirty = false;
      this.addClean(block);
    }
  }

  clear(): void {
    this.clean.clear();
    this.dirty.clear();
  }

  /** Blocks used since they were last looked at get a second chance, at the young end. */
  private dropOldest(): void {
    for (const [place, block] of this.clean) {
      if (this.clean.size <= this.limit) return;
      this.clean.delete(place);
      if (block.isRecent) this.clean.set(place, block);
      block.isRecent = false;
    }
  }
}
