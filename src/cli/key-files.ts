/** Master keys in files: raw bytes, never text. */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { FsError, systemRandom } from '../bytes/index.js';
import { Keyring } from '../fscrypt/index.js';

const KEY_BYTES = 64;
const SHORTEST_KEY = 16;
const KEY_FILE_MODE = 0o600;
/** Colon-separated, as PATH is. */
const ENVIRONMENT = 'BUTTERLOCK_KEY_FILES';

/** The key files that options and environment name. */
export function keyFiles(given: readonly string[] = []): string[] {
  const fromEnvironment = (process.env[ENVIRONMENT] ?? '').split(':').filter((file) => file !== '');
  return [...given, ...fromEnvironment];
}

/**
 * Reads a key file.
 *
 * @returns the key, the caller's to wipe
 * @throws FsError EINVAL for a length that no key has; the host's errors
 */
export function readKeyFile(path: string): Uint8Array {
  const fd = openSync(path, 'r');
  const bytes = Buffer.alloc(KEY_BYTES + 1);
  try {
    let length = 0;
    if (fstatSync(fd).isDirectory()) throw new FsError('EISDIR', 'a directory is no key file', { path });
    for (let count = -1; count !== 0 && length < bytes.length; length += count) {
      count = readSync(fd, bytes, length, bytes.length - length, null);
    }
    if (length < SHORTEST_KEY || length > KEY_BYTES) {
      const found = length > KEY_BYTES ? `more than ${KEY_BYTES}` : String(length);
      const wanted = `${SHORTEST_KEY} to ${KEY_BYTES} raw bytes`;
      const text = `a key file holds ${wanted}, not ${found}; 'butterlock key generate' makes one`;
      throw new FsError('EINVAL', text, { path });
    }
    return Uint8Array.from(bytes.subarray(0, length));
  } finally {
    bytes.fill(0);
    closeSync(fd);
  }
}

/** Runs `work` with the keys of several files, and wipes them. */
export function withKeys<T>(paths: readonly string[], work: (keys: Uint8Array[]) => T): T {
  const keys: Uint8Array[] = [];
  try {
    for (const path of paths) keys.push(readKeyFile(path));
    return work(keys);
  } finally {
    for (const key of keys) key.fill(0);
  }
}

/** The identifier of a key: what policies name it by. */
export function identifierOf(key: Uint8Array): Uint8Array {
  const keyring = new Keyring();
  try {
    return keyring.add(key);
  } finally {
    keyring.close();
  }
}

/** As {@link withKeys}, for one file. */
export function withKey<T>(path: string, work: (key: Uint8Array) => T): T {
  const key = readKeyFile(path);
  try {
    return work(key);
  } finally {
    key.fill(0);
  }
}

/** Makes a key file with 64 random bytes that only its owner may read. @throws the host's EEXIST and so on */
export function generateKeyFile(path: string): void {
  const { O_WRONLY, O_CREAT, O_EXCL } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL, KEY_FILE_MODE);
  const key = new Uint8Array(KEY_BYTES);
  try {
    systemRandom.fill(key);
    writeSync(fd, key);
  } finally {
    key.fill(0);
    closeSync(fd);
  }
}
