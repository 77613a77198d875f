/** Which volumes are opened at all, and which only for reading. */
import { FsError } from '../bytes/index.js';
import {
  COMPAT_RO_BLOCK_GROUP_TREE,
  COMPAT_RO_FEATURES,
  COMPAT_RO_FREE_SPACE_TREE,
  COMPAT_RO_FREE_SPACE_TREE_VALID,
  featureNames,
  INCOMPAT_FEATURES,
  INCOMPAT_MIXED_GROUPS,
  INCOMPAT_NO_HOLES,
  INCOMPAT_RAID_STRIPE_TREE,
  SUPER_FLAG_ERROR,
  SUPER_FLAG_METADUMP,
  SUPER_FLAG_METADUMP_V2,
  SUPER_FLAG_SEEDING,
  SUPER_FLAG_WRITTEN,
  type Superblock,
  unsupportedBits,
} from '../format/index.js';

/** @throws FsError EOPNOTSUPP naming the features that keep the volume from being read; EUCLEAN */
export function checkReadable(superblock: Superblock): void {
  const refused = unsupportedBits(superblock.incompatFlags, INCOMPAT_FEATURES, false);
  if (refused !== 0n) {
    const names = featureNames(refused, INCOMPAT_FEATURES).join(', ');
    throw new FsError('EOPNOTSUPP', `the volume uses features that are not supported: ${names}`);
  }
  if (superblock.numDevices !== 1) {
    throw new FsError('EOPNOTSUPP', `the volume spans ${superblock.numDevices} devices, only one is supported`);
  }
  if ((superblock.flags & SUPER_FLAG_SEEDING) !== 0n) {
    throw new FsError('EOPNOTSUPP', 'the volume is a seed for others, which is not supported');
  }
  if ((superblock.flags & (SUPER_FLAG_METADUMP | SUPER_FLAG_METADUMP_V2)) !== 0n) {
    throw new FsError('EOPNOTSUPP', 'the volume is a dump of metadata without data');
  }
  const mixed = (superblock.incompatFlags & INCOMPAT_MIXED_GROUPS) !== 0n;
  if (mixed && superblock.nodesize !== superblock.sectorsize) {
    throw new FsError('EUCLEAN', 'superblock: mixed block groups demand nodes of one sector');
  }
}

/** The reason that goes away when the log is replayed. */
export const LOG_WAITS = 'a log tree waits for replay';

/** Why a readable volume must not be written; empty when it may. */
export function readOnlyReasonsOf(superblock: Superblock): string[] {
  const reasons: string[] = [];
  const { incompatFlags, compatRoFlags } = superblock;
  if ((incompatFlags & INCOMPAT_RAID_STRIPE_TREE) !== 0n) {
    reasons.push('encryption is marked with incompat bit 14, which now means a RAID stripe tree');
  }
  const unknown = unsupportedBits(compatRoFlags, COMPAT_RO_FEATURES, true);
  if (unknown !== 0n)
    reasons.push(`features only for reading: ${featureNames(unknown, COMPAT_RO_FEATURES).join(', ')}`);
  if ((compatRoFlags & COMPAT_RO_BLOCK_GROUP_TREE) !== 0n) {
    const space = COMPAT_RO_FREE_SPACE_TREE | COMPAT_RO_FREE_SPACE_TREE_VALID;
    const sound = (compatRoFlags & space) === space && (incompatFlags & INCOMPAT_NO_HOLES) !== 0n;
    if (!sound) reasons.push('a block group tree without the features it demands');
  }
  if ((superblock.flags & SUPER_FLAG_ERROR) !== 0n) reasons.push('the superblock records an error');
  const otherFlags = superblock.flags & ~(SUPER_FLAG_WRITTEN | SUPER_FLAG_ERROR);
  if (otherFlags !== 0n) reasons.push(`superblock flags 0x${otherFlags.toString(16)}: a job is unfinished`);
  if (superblock.logRoot !== 0) reasons.push(LOG_WAITS);
  return reasons;
}
