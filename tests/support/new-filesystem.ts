/** Fresh volumes for tests of the filesystem layer, opened, with a key in the keyring. */
import { type BlockDevice, FileDevice, MemoryDevice } from '../../src/device/index.js';
import { type ContextLayout, Filesystem, type Inode } from '../../src/filesystem/index.js';
import { INCOMPAT_NO_HOLES } from '../../src/format/index.js';
import { Keyring, type Policy } from '../../src/fscrypt/index.js';
import { makeVolume } from '../../src/mkfs/index.js';
import { Transaction } from '../../src/transaction/index.js';
import { openVolumeDevices } from '../../src/volume/index.js';

export interface TestVolumeOptions {
  /** Encryption on, with contexts in this place. */
  readonly layout?: ContextLayout;
  /** Bytes. */
  readonly size?: number;
  readonly nodesize?: number;
  /** Without the feature `no-holes`: every hole needs an item. */
  readonly explicitHoles?: boolean;
  readonly checksumType?: number;
  /** An image file to make; in memory otherwise. */
  readonly path?: string;
}

const DEFAULT_SIZE = 256 * 1024 * 1024;

/** A master key for tests. */
export const TEST_KEY = Uint8Array.from({ length: 64 }, (_, i) => i);

/** Makes an empty volume. */
export function newDevice(options: TestVolumeOptions = {}): BlockDevice {
  const size = options.size ?? DEFAULT_SIZE;
  const device = options.path === undefined ? new MemoryDevice(size) : FileDevice.create(options.path, size);
  makeVolume(device, {
    ...(options.layout && { extentContext: options.layout }),
    ...(options.nodesize && { nodesize: options.nodesize }),
    ...(options.checksumType && { checksumType: options.checksumType }),
  });
  if (options.explicitHoles) {
    const volume = openVolumeDevices(device);
    const { superblock } = volume;
    volume.writeSupers({ ...superblock, incompatFlags: superblock.incompatFlags & ~INCOMPAT_NO_HOLES });
  }
  return device;
}

/** Opens what is on the device, with {@link TEST_KEY} unless `keys` says otherwise. */
export function openFilesystem(device: BlockDevice, keys: readonly Uint8Array[] = [TEST_KEY]): Filesystem {
  const keyring = new Keyring();
  for (const key of keys) keyring.add(key);
  return Filesystem.open(new Transaction(openVolumeDevices(device)), { keyring });
}

/** The usual policy: AES-256-XTS and AES-256-CTS, names padded to 32 bytes, under {@link TEST_KEY}. */
export function testPolicy(filesystem: Filesystem): Policy {
  const masterKeyIdentifier = filesystem.keyring.add(TEST_KEY);
  return { contentsMode: 1, filenamesMode: 4, flags: 3, log2DataUnitSize: 0, masterKeyIdentifier };
}

/** A new directory in the volume's root, encrypted with {@link testPolicy} where the volume has encryption. */
export function newDirectory(filesystem: Filesystem, name: string, encrypted = filesystem.layout !== undefined): Inode {
  const directory = filesystem.mkdir(filesystem.root(), Buffer.from(name), 0o755, { uid: 0, gid: 0 });
  if (encrypted) filesystem.setPolicy(directory, testPolicy(filesystem));
  return directory;
}

/** A new empty file. */
export function newFile(filesystem: Filesystem, directory: Inode, name: string): Inode {
  return filesystem.create(directory, Buffer.from(name), 0o644, { uid: 0, gid: 0 });
}
