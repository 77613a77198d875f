/** An open volume: its filesystem, its keys, and when things become durable. */
import type { Clock, RandomSource } from '../bytes/index.js';
import { type BlockDevice, FileDevice, GatheringDevice } from '../device/index.js';
import { type ContextLayout, describeVolume, Filesystem, type VolumeInfo } from '../filesystem/index.js';
import { Keyring, type KeyStatus } from '../fscrypt/index.js';
import { Transaction, type TrimRange, trimFreeSpace } from '../transaction/index.js';
import { openVolumeDevices } from '../volume/index.js';
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
   * Gives free space back to what the volume lies on: to the host's filesystem, or to the device
   * as fstrim(8) does.
   *
   * @returns bytes given back
   * @throws FsError EROFS, EIO; EOPNOTSUPP if what the volume lies on takes none, EINVAL for less than a sector
   */
  trim(range: TrimRange = {}): number {
    this.sync();
    return trimFreeSpace(this.filesystem.transaction, range);
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
