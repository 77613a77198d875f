/** Tree blocks in memory: those of the running transaction, and recently read ones up to a limit. */
import type { BlockPointer, TreeBlock } from '../tree/index.js';

/** Bytes of clean blocks kept. */
const CLEAN_LIMIT = 32 * 1024 * 1024;

export class BlockCache {
  private readonly nodesize: number;
  /** In order of last use, oldest first. */
  private readonly clean = new Map<number, TreeBlock>();
  private readonly dirty = new Map<number, TreeBlock>();

  constructor(nodesize: number) {
    this.nodesize = nodesize;
  }

  get dirtyCount(): number {
    return this.dirty.size;
  }

  get(pointer: BlockPointer): TreeBlock | undefined {
    const dirty = this.dirty.get(pointer.bytenr);
    if (dirty !== undefined) return isPromised(dirty, pointer) ? dirty : undefined;
    const block = this.clean.get(pointer.bytenr);
    if (block === undefined) return undefined;
    this.clean.delete(pointer.bytenr);
    if (!isPromised(block, pointer)) return undefined;
    this.clean.set(pointer.bytenr, block);
    return block;
  }

  addClean(block: TreeBlock): void {
    this.clean.set(block.bytenr, block);
    const limit = CLEAN_LIMIT / this.nodesize;
    for (const bytenr of this.clean.keys()) {
      if (this.clean.size <= limit) return;
      this.clean.delete(bytenr);
    }
  }

  addDirty(block: TreeBlock): void {
    const { bytenr } = block;
    this.clean.delete(bytenr);
    this.dirty.set(bytenr, block);
  }

  dropDirty(block: TreeBlock): void {
    this.dirty.delete(block.bytenr);
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
}

/** A damaged pointer may name the address of a block that is not the one it means. */
function isPromised(block: TreeBlock, { generation, level }: BlockPointer): boolean {
  return block.generation === generation && block.level === level;
}
