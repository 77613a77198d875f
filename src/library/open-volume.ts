/** An open volume: its filesystem, its keys, and when things become durable. */
import { type Clock, formatUuid, type RandomSource } from '../bytes/index.js';
import { type BlockDevice, FileDevice, GatheringDevice } from '../device/index.js';
import { type ContextLayout, Filesystem } from '../filesystem/index.js';
import { COMPAT_RO_FEATURES, type Feature, featureNames, INCOMPAT_FEATURES, type Superblock } from '../format/index.js';
import { Keyring, type KeyStatus } from '../fscrypt/index.js';
import { type SpaceType, Transaction } from '../transaction/index.js';
import { copyCount, openVolumeDevices, profileName } from '../volume/index.js';
import type { Creator } from './calls.js';
import { promisesOf, type VolumePromises } from './promises.js';
import { VolumeFs } from './volume-fs.js';

export interface OpenVolumeOptions {
  /** Open for reading only: not a byte of the device changes. */
  readonly readOnly?: boolean;
  /** Master keys to add, 16 to 64 bytes each. They stay the caller's to wipe. */
  readonly keys?: readonly Uint8Array[];
  /** Id of the subvolume whose top is `/`. Default: the volume's default subvolume. */
  readonly subvolume?: number;
  /** Takes one line for every fault that was survived; {@link OpenVolume.warnings} has the first of them anyway. */
  readonly warn?: (message: string) => void;
  /** Who owns what is created. Default: the user of the process. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Permission bits that what is created does not get. Default 0o022. */
  readonly umask?: number;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

/** The master keys of an open volume. */
export interface VolumeKeyring {
  /** Adds a master key of 16 to 64 bytes and gives its identifier. @throws FsError EINVAL */
  add(raw: Uint8Array): Buffer;
  /** Removes a key: dirty data is written first, the key wiped unless open files still use it. */
  remove(identifier: Uint8Array): KeyStatus;
  status(identifier: Uint8Array): KeyStatus;
  identifiers(): Buffer[];
}

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

const DEFAULT_UMASK = 0o022;
const MAX_WARNINGS = 1000;

/** Made by {@link openVolume} and `createVolume`. Close it when done, or declare it with `using`. */
export class OpenVolume implements Disposable {
  /** Synchronous calls, in the manner of `node:fs`. */
  readonly fs: VolumeFs;
  /** The same calls as promises, in the manner of `node:fs/promises`. */
  readonly promises: VolumePromises;
  readonly keyring: VolumeKeyring;
  /** Faults that were survived: a bad copy of a block, a recovered context. The first thousand. */
  readonly warnings: readonly string[];
  private readonly filesystem: Filesystem;
  private readonly keys: Keyring;
  private isClosed = false;

  private constructor(filesystem: Filesystem, keys: Keyring, warnings: string[], options: OpenVolumeOptions) {
    this.filesystem = filesystem;
    this.keys = keys;
    this.warnings = warnings;
    const creator: Creator = {
      uid: options.owner?.uid ?? process.getuid?.() ?? 0,
      gid: options.owner?.gid ?? process.getgid?.() ?? 0,
      umask: options.umask ?? DEFAULT_UMASK,
    };
    const top = options.subvolume ?? filesystem.root().subvolume.id;
    filesystem.subvolume(top);
    this.fs = new VolumeFs(filesystem, top, creator);
    this.promises = promisesOf(this.fs);
    this.keyring = keyringOf(filesystem, keys);
  }

  /** @throws FsError as {@link openVolume}; the device is closed then */
  static on(device: BlockDevice, options: OpenVolumeOptions): OpenVolume {
    const keys = new Keyring();
    const warnings: string[] = [];
    try {
      const warn = (message: string): void => {
        if (warnings.length < MAX_WARNINGS) warnings.push(message);
        options.warn?.(message);
      };
      for (const key of options.keys ?? []) keys.add(key);
      const { readOnly, clock, random } = options;
      const transaction = new Transaction(openVolumeDevices(device, { warn }), {
        ...(readOnly === undefined ? {} : { readOnly }),
        ...(clock === undefined ? {} : { clock }),
        ...(random === undefined ? {} : { random }),
      });
      return new OpenVolume(Filesystem.open(transaction, { keyring: keys }), keys, warnings, options);
    } catch (error) {
      keys.close();
      device.close();
      throw error;
    }
  }

  get info(): VolumeInfo {
    return describeVolume(this.filesystem);
  }

  /** Makes everything done so far durable. @throws FsError EIO, ENOSPC, EROFS */
  sync(): void {
    this.filesystem.sync();
  }

  /**
   * Turns encryption on for a volume made without it. Durable on return; older kernels will no
   * longer mount the volume.
   *
   * @param extentContext - where extents keep their contexts. `item` is what current kernels use
   * @throws FsError EEXIST if it is on already, EROFS
   */
  enableEncryption(extentContext: ContextLayout = 'item'): void {
    this.filesystem.enableEncryption(extentContext);
  }

  /**
   * Makes everything durable, closes open files, wipes the keys and closes the device. Harmless
   * when called again.
   *
   * @throws FsError EIO, ENOSPC when the last changes could not be made durable; all is closed all the same
   */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    try {
      this.fs.endCalls();
      this.filesystem.close();
    } finally {
      this.keys.close();
      this.filesystem.transaction.volume.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens the volume on a device, or in the image file or block device of a path.
 *
 * The volume takes over the device and closes it at its own end.
 *
 * @throws FsError EINVAL (no btrfs volume), EUCLEAN, EIO (damaged), EOPNOTSUPP (a feature that is
 * not supported), EBUSY (somebody else writes to it), ENOENT and so on from the host. A volume that
 * can be read but not written opens read-only, and `info.readOnlyReasons` tells why.
 */
export function openVolume(device: BlockDevice | string, options: OpenVolumeOptions = {}): OpenVolume {
  const readOnly = options.readOnly ?? false;
  const opened = typeof device === 'string' ? new GatheringDevice(FileDevice.open(device, { readOnly })) : device;
  return OpenVolume.on(opened, options);
}

function keyringOf(filesystem: Filesystem, keys: Keyring): VolumeKeyring {
  return {
    add: (raw) => Buffer.from(keys.add(raw)),
    remove: (identifier) => filesystem.removeKey(identifier),
    status: (identifier) => keys.status(identifier),
    identifiers: () => keys.identifiers().map((identifier) => Buffer.from(identifier)),
  };
}

function describeVolume(filesystem: Filesystem): VolumeInfo {
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
