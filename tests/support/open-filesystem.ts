/** A filesystem over any device, opened the way the library does but with all its parts at hand. */
import { createHash } from 'node:crypto';
import type { Clock, RandomSource } from '../../src/bytes/index.js';
import type { BlockDevice } from '../../src/device/index.js';
import { Filesystem, type Inode } from '../../src/filesystem/index.js';
import { Keyring } from '../../src/fscrypt/index.js';
import { Transaction } from '../../src/transaction/index.js';
import { openVolumeDevices, type Volume } from '../../src/volume/index.js';

export interface OpenedFilesystem {
  readonly volume: Volume;
  readonly transaction: Transaction;
  readonly filesystem: Filesystem;
}

export interface OpeningOptions {
  readonly keys?: readonly Uint8Array[];
  readonly readOnly?: boolean;
  readonly clock?: Clock;
  readonly random?: RandomSource;
  readonly warn?: (message: string) => void;
}

export function openFilesystem(device: BlockDevice, options: OpeningOptions = {}): OpenedFilesystem {
  const { keys = [], ...rest } = options;
  const volume = openVolumeDevices(device, rest.warn ? { warn: rest.warn } : {});
  const transaction = new Transaction(volume, rest);
  const keyring = new Keyring();
  for (const key of keys) keyring.add(key);
  return { volume, transaction, filesystem: Filesystem.open(transaction, { keyring }) };
}

/** One line for everything a user can see, by path: type, size, contents, target. */
export function listing(filesystem: Filesystem): Map<string, string> {
  const lines = new Map<string, string>();
  const visit = (directory: Inode, path: string): void => {
    for (const entry of [...filesystem.readDirectory(directory)]) {
      const name = Buffer.from(entry.name).toString('latin1');
      const inode = filesystem.lookup(directory, entry.name);
      lines.set(`${path}/${name}`, describe(filesystem, inode));
      if (inode.isDirectory) visit(inode, `${path}/${name}`);
    }
  };
  visit(filesystem.root(), '');
  return lines;
}

function describe(filesystem: Filesystem, inode: Inode): string {
  const { mode, size, nlink } = filesystem.stat(inode);
  const head = `${mode.toString(8)} links ${nlink}`;
  if (inode.isSymlink) return `${head} -> ${Buffer.from(filesystem.readlink(inode)).toString('latin1')}`;
  return inode.isRegular ? `${head} size ${size} ${contentHash(inode, size)}` : head;
}

function contentHash(inode: Inode, size: number): string {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(1 << 20);
  for (let at = 0; at < size; ) {
    const length = inode.data.read(at, piece);
    if (length === 0) throw new Error(`inode ${inode.ino} ends at ${at}, before its size ${size}`);
    hash.update(piece.subarray(0, length));
    at += length;
  }
  return hash.digest('hex');
}
