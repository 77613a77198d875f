/** The map from logical addresses to chunks, sorted by address and without overlaps. */
import { corrupt } from '../bytes/index.js';
import type { Chunk } from '../format/index.js';

export interface ChunkMapping {
  readonly logical: number;
  readonly chunk: Chunk;
}

export class ChunkMap implements Iterable<ChunkMapping> {
  readonly #mappings: ChunkMapping[] = [];

  get size(): number {
    return this.#mappings.length;
  }

  [Symbol.iterator](): Iterator<ChunkMapping> {
    return this.#mappings.values();
  }

  /** The chunk that holds `logical`, undefined when none does. */
  find(logical: number): ChunkMapping | undefined {
    const mapping = this.#mappings[this.#firstAfter(logical) - 1];
    return mapping !== undefined && logical < end(mapping) ? mapping : undefined;
  }

  /** Adds a chunk. @throws FsError EUCLEAN when it overlaps one that is there */
  add(mapping: ChunkMapping): void {
    const index = this.#firstAfter(mapping.logical);
    const before = this.#mappings[index - 1];
    const after = this.#mappings[index];
    if (
      (before !== undefined && end(before) > mapping.logical) ||
      (after !== undefined && after.logical < end(mapping))
    ) {
      throw corrupt(`chunk at logical ${mapping.logical}`, 'overlaps another chunk');
    }
    this.#mappings.splice(index, 0, mapping);
  }

  /** Removes the chunk that starts at `logical`. @returns whether there was one */
  remove(logical: number): boolean {
    const index = this.#firstAfter(logical) - 1;
    if (this.#mappings[index]?.logical !== logical) return false;
    this.#mappings.splice(index, 1);
    return true;
  }

  /** Index of the first chunk that starts after `logical`. */
  #firstAfter(logical: number): number {
    let low = 0;
    let high = this.#mappings.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const mapping = this.#mappings[middle];
      if (mapping !== undefined && mapping.logical <= logical) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function end(mapping: ChunkMapping): number {
  return mapping.logical + mapping.chunk.length;
}
