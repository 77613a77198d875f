/** What there is to tell of a volume as a whole. */
import { formatUuid } from '../bytes/index.js';
import { COMPAT_RO_FEATURES, type Feature, featureNames, INCOMPAT_FEATURES, type Superblock } from '../format/index.js';
import type { SpaceType, Transaction } from '../transaction/index.js';
import { copyCount, profileName } from '../volume/index.js';
import type { Filesystem } from './filesystem.js';
import type { ContextLayout } from './layout.js';

/** Bytes of one type of block group. */
export interface SpaceUsage {
  readonly type: SpaceType;
  readonly profile: string;
  readonly total: number;
  readonly used: number;
  /** How often each byte is stored. */
  readonly copies: number;
}

export interface VolumeInfo {
  readonly label: string;
  readonly uuid: string;
  readonly generation: number;
  readonly checksum: string;
  readonly nodesize: number;
  readonly sectorsize: number;
  /** Bytes. */
  readonly totalBytes: number;
  /** Bytes in extents, each counted once. */
  readonly usedBytes: number;
  /** Bytes of the device in no block group. */
  readonly unallocatedBytes: number;
  readonly features: readonly string[];
  readonly devices: readonly {
    readonly id: number;
    readonly uuid: string;
    readonly name: string;
    readonly totalBytes: number;
    readonly allocatedBytes: number;
  }[];
  readonly usage: readonly SpaceUsage[];
  /** Where contexts of encrypted extents go; undefined where encryption is off. */
  readonly extentContext: ContextLayout | undefined;
  /** Why the volume cannot be written; empty when it can. */
  readonly readOnlyReasons: readonly string[];
}

export function describeVolume(filesystem: Filesystem): VolumeInfo {
  const { transaction } = filesystem;
  const { volume, space } = transaction;
  const { superblock } = volume;
  return {
    label: Buffer.from(superblock.label).toString(),
    uuid: formatUuid(superblock.fsid),
    generation: superblock.generation,
    checksum: volume.checksum.name,
    nodesize: volume.nodesize,
    sectorsize: volume.sectorsize,
    totalBytes: superblock.totalBytes,
    usedBytes: space.groups.reduce((sum, { used }) => sum + used, 0),
    unallocatedBytes: transaction.unallocatedBytes,
    features: featuresOf(superblock),
    devices: [
      {
        id: superblock.devItem.devid,
        uuid: formatUuid(superblock.devItem.uuid),
        name: volume.device.name,
        totalBytes: superblock.devItem.totalBytes,
        allocatedBytes: superblock.devItem.bytesUsed,
      },
    ],
    usage: usageOf(transaction),
    extentContext: filesystem.layout,
    readOnlyReasons: [...transaction.readOnlyReasons],
  };
}

function featuresOf({ incompatFlags, compatRoFlags }: Superblock): string[] {
  const names = (flags: bigint, features: readonly Feature[]): string[] =>
    featureNames(flags, features).map((name) => name.toLowerCase().replaceAll('_', '-'));
  return [...names(incompatFlags, INCOMPAT_FEATURES), ...names(compatRoFlags, COMPAT_RO_FEATURES)];
}

function usageOf({ space }: Transaction): SpaceUsage[] {
  const usage = new Map<string, SpaceUsage>();
  for (const { type, flags, length, used } of space.groups) {
    const profile = profileName(flags);
    const key = `${type} ${profile}`;
    const sum = usage.get(key) ?? { type, profile, total: 0, used: 0, copies: copyCount(flags) };
    usage.set(key, { ...sum, total: sum.total + length, used: sum.used + used });
  }
  return [...usage.values()];
}
