/** One block group in memory: a stretch of logical space for one type of block. */
import {
  BLOCK_GROUP_DATA,
  BLOCK_GROUP_METADATA,
  BLOCK_GROUP_SYSTEM,
  BLOCK_GROUP_TYPE_MASK,
} from '../../format/index.js';
import { FreeRuns } from './free-runs.js';

/** What a block group may hold. Mixed groups hold data and metadata. */
export type SpaceType = 'data' | 'metadata' | 'system' | 'mixed';

/** @param flags - BLOCK_GROUP_* bits of a chunk or block group */
export function spaceTypeOf(flags: bigint): SpaceType {
  const type = flags & BLOCK_GROUP_TYPE_MASK;
  if (type === BLOCK_GROUP_SYSTEM) return 'system';
  if (type === BLOCK_GROUP_METADATA) return 'metadata';
  if (type === BLOCK_GROUP_DATA) return 'data';
  return 'mixed';
}

export class BlockGroup {
  /** Logical address, bytes. */
  readonly start: number;
  readonly length: number;
  /** BLOCK_GROUP_* bits, as its chunk has them. */
  readonly flags: bigint;
  readonly type: SpaceType;
  readonly chunkObjectid: number;
  /** Bytes in extents of the extent tree. */
  used: number;
  /** Space an allocation may take now; undefined until the group is first allocated from. */
  free: FreeRuns | undefined;
  /** Space freed in the running transaction, which the last commit still refers to. */
  pinned = new FreeRuns();
  /** The block group item on disk says something else. */
  changed = false;

  constructor(start: number, length: number, flags: bigint, used: number, chunkObjectid: number) {
    this.start = start;
    this.length = length;
    this.flags = flags;
    this.type = spaceTypeOf(flags);
    this.used = used;
    this.chunkObjectid = chunkObjectid;
  }

  /** Whether an extent of this type may lie here. Mixed groups hold data and metadata, never the chunk tree. */
  takes(type: SpaceType): boolean {
    return this.type === type || (this.type === 'mixed' && type !== 'system');
  }

  get end(): number {
    return this.start + this.length;
  }

  /** Bytes an allocation could take now; an estimate until the group is loaded. */
  get available(): number {
    return this.free?.total ?? Math.max(0, this.length - this.used - this.pinned.total);
  }
}
