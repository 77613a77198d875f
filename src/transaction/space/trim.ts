/**
 * Giving free space back to what lies under the volume, as FITRIM asks for.
 *
 * Given back is what no extent covers, neither now nor at the last commit, and what no chunk uses.
 * The commits before the last one are not spared, nor does the kernel spare them.
 */
import { FsError, roundDown, roundUp } from '../../bytes/index.js';
import { DEVICE_RANGE_RESERVED, STRIPE_LEN, superMirrorOffsets } from '../../format/index.js';
import { type ChunkHost, holes } from './chunk-allocation.js';
import { FreeRuns } from './free-runs.js';

/** Bytes of the device. */
export interface TrimRange {
  readonly start?: number;
  readonly length?: number;
  /** Shorter runs of free space are left alone. */
  readonly minLength?: number;
}

export interface TrimHost extends ChunkHost {
  assertWritable(): void;
  /** Runs what must not go wrong: an error in it makes the volume read-only. */
  change<T>(operation: () => T): T;
}

/**
 * Gives back the free space in a range of the device. What the running transaction has freed stays
 * until its commit.
 *
 * @returns bytes given back
 * @throws FsError EINVAL (the range is shorter than a sector), EROFS, EOPNOTSUPP, EIO; EUCLEAN if the
 * free space cannot be trusted, and then the volume is read-only
 */
export function trimFreeSpace(host: TrimHost, range: TrimRange = {}): number {
  const { device, sectorsize } = host.volume;
  const { start = 0, length = Number.POSITIVE_INFINITY, minLength = 0 } = range;
  if (length < sectorsize) throw new FsError('EINVAL', `${length} bytes are no range to trim`);
  host.assertWritable();
  if (device.discard === undefined) throw new FsError('EOPNOTSUPP', `${device.name}: it takes no free space back`);
  let sum = 0;
  for (const run of host.change(() => unusedRuns(host))) {
    const from = roundUp(Math.max(run.start, start), sectorsize);
    const to = roundDown(Math.min(run.start + run.length, start + length), sectorsize);
    if (to - from < Math.max(minLength, sectorsize)) continue;
    device.discard(from, to - from);
    sum += to - from;
  }
  return sum;
}

/** What nothing uses of the device. Every copy of a group's free space lies on a stripe of its own. */
function unusedRuns(host: ChunkHost): FreeRuns {
  const runs = new FreeRuns();
  for (const hole of holes(host)) runs.add(hole.start, hole.length);
  for (const group of host.space.groups) {
    const stripes = host.volume.chunkMap.find(group.start)?.chunk.stripes ?? [];
    for (const { start, length } of host.space.loaded(group)) {
      for (const stripe of stripes) runs.add(stripe.offset + start - group.start, length);
    }
  }
  runs.removeAnyOf(0, DEVICE_RANGE_RESERVED);
  for (const mirror of superMirrorOffsets(Number.MAX_SAFE_INTEGER)) runs.removeAnyOf(mirror, STRIPE_LEN);
  return runs;
}
