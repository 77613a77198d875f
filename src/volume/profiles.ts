/**
 * Profiles: how a chunk's logical bytes lie on its stripes. The one place where RAID will go.
 *
 * `single` has one stripe, DUP two on the same device; in both every stripe holds all bytes.
 */
import { FsError } from '../bytes/index.js';
import { BLOCK_GROUP_DUP, BLOCK_GROUP_PROFILE_MASK, type Chunk } from '../format/index.js';

/** One place where a run of logical bytes is. */
export interface Copy {
  readonly devid: number;
  readonly physical: number;
}

const PROFILE_NAMES = ['RAID0', 'RAID1', 'DUP', 'RAID10', 'RAID5', 'RAID6', 'RAID1C3', 'RAID1C4'] as const;

/** The name of a chunk type's profile, `single` when it has no bit. */
export function profileName(type: bigint): string {
  const index = PROFILE_NAMES.findIndex((_, i) => (type & (1n << BigInt(i + 3))) !== 0n);
  return PROFILE_NAMES[index] ?? 'single';
}

/** @throws FsError EOPNOTSUPP for a profile that is not here yet */
export function checkProfile(chunk: Chunk, logical: number): void {
  const profile = chunk.type & BLOCK_GROUP_PROFILE_MASK;
  if (profile === 0n || profile === BLOCK_GROUP_DUP) return;
  const what = `profile ${profileName(chunk.type)} of the chunk at logical ${logical}`;
  throw new FsError('EOPNOTSUPP', `${what} is not supported, only single and DUP are`);
}

/** How often each byte of a chunk of this type is stored. */
export function copyCount(type: bigint): number {
  return (type & BLOCK_GROUP_DUP) === 0n ? 1 : 2;
}

/** Where the bytes from `offset` (bytes into the chunk) on are, up to the end of the chunk. */
export function copiesAt(chunk: Chunk, offset: number): Copy[] {
  return chunk.stripes.map((stripe) => ({ devid: stripe.devid, physical: stripe.offset + offset }));
}
