/**
 * Names as shown and names as stored.
 *
 * In a plain directory they are the same. In an encrypted one the tree holds ciphertext: with the
 * key a name is shown decrypted, without it in its no-key form. A stored name that no name encrypts
 * to (tampered with) is shown in its no-key form even with the key, and reported once.
 */
import { corrupt, equalBytes, FsError, isFsError } from '../bytes/index.js';
import type { FilenamesCipher } from '../crypto/index.js';
import { NAME_LEN, nameHash } from '../format/index.js';
import {
  decryptName,
  encryptName,
  matchesNoKeyName,
  type NoKeyName,
  namePadding,
  noKeyName,
  parseNoKeyName,
} from '../fscrypt/index.js';
import { entriesWithHash, findEntry, type StoredEntry, toStoredEntry } from './entries.js';
import type { Inode } from './inode.js';

const NUL = 0;
const SLASH = 0x2f;
const DOT = 0x2e;
const MIN_CIPHER_LENGTH = 16;

export function isDot(name: Uint8Array): boolean {
  return name.length === 1 && name[0] === DOT;
}

export function isDotDot(name: Uint8Array): boolean {
  return name.length === 2 && name[0] === DOT && name[1] === DOT;
}

/** @throws FsError ENOENT (empty), ENAMETOOLONG, EINVAL (holds `/` or NUL) */
export function checkName(name: Uint8Array): void {
  if (name.length === 0) throw new FsError('ENOENT', 'a name cannot be empty');
  if (name.length > NAME_LEN)
    throw new FsError('ENAMETOOLONG', `a name has at most ${NAME_LEN} bytes, not ${name.length}`);
  if (name.includes(NUL) || name.includes(SLASH)) throw new FsError('EINVAL', "a name cannot hold '/' or NUL");
}

/** @throws FsError as {@link checkName}, and EEXIST for `.` and `..`, which are always there */
export function checkNewName(name: Uint8Array): void {
  checkName(name);
  if (isDot(name) || isDotDot(name)) throw new FsError('EEXIST', `'.' and '..' cannot be made`);
}

/**
 * The cipher of an encrypted directory's names; undefined where they cannot be decrypted, because
 * the key is not there or the context is none that we accept. As the kernel does, listing and
 * removing still work then.
 */
export function namesCipher(directory: Inode): FilenamesCipher | undefined {
  try {
    const { context } = directory;
    if (context !== undefined) return directory.keys.filenamesCipher(context);
    directory.warnOnce('is encrypted but has no context');
    return undefined;
  } catch (error) {
    if (isFsError(error, 'ENOKEY', 'EINVAL', 'EUCLEAN')) return undefined;
    throw error;
  }
}

/** Whether new names can be made in a directory: it is plain, or its key is there. */
export function canName(directory: Inode): boolean {
  return !directory.encrypted || namesCipher(directory) !== undefined;
}

/** @throws FsError ENOKEY unless names can be made in the directory */
export function assertCanName(directory: Inode): void {
  if (!canName(directory)) throw new FsError('ENOKEY', `${directory.describe()}: its key is not there`);
}

/** The stored form of a new name. @throws FsError ENOKEY, ENAMETOOLONG */
export function storedName(directory: Inode, name: Uint8Array): Uint8Array {
  if (!directory.encrypted) return name;
  const { lastName } = directory;
  if (lastName !== undefined && lastName.generation === directory.filesystem.keyring.generation) {
    if (equalBytes(lastName.shown, name)) return lastName.stored;
  }
  const cipher = namesCipher(directory);
  if (cipher === undefined) throw new FsError('ENOKEY', `${directory.describe()}: its key is not there`);
  return encryptedName(directory, cipher, name);
}

/** Programs ask for the same name again and again: to look for it, to make it, to remove it. */
function encryptedName(directory: Inode, cipher: FilenamesCipher, name: Uint8Array): Uint8Array {
  if (directory.policy === undefined)
    throw new FsError('ENOKEY', `${directory.describe()}: its encryption policy is not known`);
  const stored = encryptName(cipher, namePadding(directory.policy), name);
  directory.lastName = { shown: name, stored, generation: directory.filesystem.keyring.generation };
  return stored;
}

/** Finds an entry by its name as shown. */
export function findShown(directory: Inode, name: Uint8Array): StoredEntry | undefined {
  if (!directory.encrypted) return findEntry(directory, name);
  const cipher = namesCipher(directory);
  if (cipher === undefined) return findNoKeyName(directory, name);
  const exact = findEntry(directory, storedName(directory, name));
  return (
    exact ?? findNoKeyName(directory, name, (entry) => decryptShowable(directory, cipher, entry.name) === undefined)
  );
}

function findNoKeyName(
  directory: Inode,
  shown: Uint8Array,
  isEligible: (entry: StoredEntry) => boolean = () => true,
): StoredEntry | undefined {
  const wanted: NoKeyName | undefined = parseNoKeyName(shown);
  if (wanted === undefined) return undefined;
  const found = entriesWithHash(directory, wanted.hash).find((entry) => matchesNoKeyName(wanted, entry.name));
  if (found === undefined) return undefined;
  const entry = toStoredEntry(found);
  return isEligible(entry) ? entry : undefined;
}

export interface ShownName {
  readonly name: Uint8Array;
  /** In its no-key form. */
  readonly noKey: boolean;
}

/** How a stored name is shown, given {@link namesCipher} of its directory. @throws FsError EUCLEAN */
export function shownName(directory: Inode, cipher: FilenamesCipher | undefined, stored: Uint8Array): ShownName {
  if (!directory.encrypted) {
    if (isUnfit(stored)) throw corrupt(directory.describe(), 'an entry has a name that cannot be one');
    return { name: stored, noKey: false };
  }
  if (stored.length < MIN_CIPHER_LENGTH) {
    throw corrupt(
      directory.describe(),
      `an encrypted name has ${stored.length} bytes, at least ${MIN_CIPHER_LENGTH} are needed`,
    );
  }
  const name = cipher === undefined ? undefined : decryptShowable(directory, cipher, stored);
  if (name !== undefined) return { name, noKey: false };
  if (cipher !== undefined) directory.warnOnce('holds names that decrypt to none, shown in their no-key form');
  return { name: noKeyName(nameHash(stored), stored), noKey: true };
}

/**
 * The decrypted name, unless another stored name decrypts to the same one. Ciphers keep the length
 * and are one to one, so the only stored form of a name is the one of the right padded length.
 */
function decryptShowable(directory: Inode, cipher: FilenamesCipher, stored: Uint8Array): Uint8Array | undefined {
  const name = decryptName(cipher, stored);
  if (name === undefined || name.length === 0 || directory.policy === undefined) return undefined;
  const padding = namePadding(directory.policy);
  const padded = Math.ceil(Math.max(name.length, MIN_CIPHER_LENGTH) / padding) * padding;
  return stored.length === Math.min(padded, NAME_LEN) ? name : undefined;
}

function isUnfit(name: Uint8Array): boolean {
  return name.length === 0 || isDot(name) || isDotDot(name) || name.includes(NUL) || name.includes(SLASH);
}
