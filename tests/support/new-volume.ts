/** New volumes in image files, opened at the level of inodes and names. */
import { FileDevice } from '../../src/device/index.js';
import { Filesystem, type Inode } from '../../src/filesystem/index.js';
import { Keyring, type Policy } from '../../src/fscrypt/index.js';
import { makeVolume, type NewVolumeOptions } from '../../src/mkfs/index.js';
import { Transaction } from '../../src/transaction/index.js';
import { openVolumeDevices } from '../../src/volume/index.js';
import { temporaryPath } from './temporary.js';

const MIB = 1024 ** 2;
export const OWNER = { uid: 0, gid: 0 };

export interface OpenVolume {
  readonly path: string;
  readonly filesystem: Filesystem;
  readonly root: Inode;
  readonly keyring: Keyring;
  readonly warnings: string[];
  /** Commits and closes the image file. */
  close(): void;
}

export function newVolume(options: NewVolumeOptions = {}, sizeBytes = 256 * MIB): OpenVolume {
  const path = temporaryPath('.img');
  const device = FileDevice.create(path, sizeBytes);
  makeVolume(device, options);
  device.close();
  return openVolume(path);
}

export function openVolume(path: string, keys: readonly Uint8Array[] = [], readOnly = false): OpenVolume {
  const warnings: string[] = [];
  const device = FileDevice.open(path, { readOnly });
  const volume = openVolumeDevices(device, { warn: (message) => warnings.push(message) });
  const keyring = new Keyring();
  for (const key of keys) keyring.add(key);
  const filesystem = Filesystem.open(new Transaction(volume), { keyring });
  const close = (): void => {
    filesystem.close();
    device.close();
  };
  return { path, filesystem, root: filesystem.root(), keyring, warnings, close };
}

/** A key of 64 equal bytes. */
export function testKey(byte: number): Uint8Array {
  return new Uint8Array(64).fill(byte);
}

/** The default policy under a key that is added to the keyring. */
export function testPolicy(keyring: Keyring, key: Uint8Array, change: Partial<Policy> = {}): Policy {
  const masterKeyIdentifier = keyring.add(key);
  return { contentsMode: 1, filenamesMode: 4, flags: 3, log2DataUnitSize: 0, masterKeyIdentifier, ...change };
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

/** Names in a directory, in the order of the listing. */
export function namesIn(filesystem: Filesystem, directory: Inode): string[] {
  return [...filesystem.readDirectory(directory)].map(({ name }) => Buffer.from(name).toString());
}
