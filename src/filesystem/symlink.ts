/**
 * Targets of symlinks: one inline extent, encryption byte 0, whose bytes are the target itself or,
 * of an encrypted symlink, a 16-bit length and the ciphertext.
 */
import { corrupt, FsError } from '../bytes/index.js';
import {
  COMPRESS_NONE,
  decodeFileExtent,
  ENCRYPTION_NONE,
  EXTENT_DATA_KEY,
  encodeFileExtent,
  FILE_EXTENT,
  FILE_EXTENT_INLINE,
  Key,
} from '../format/index.js';
import {
  decryptTarget,
  encryptTarget,
  type InodeContext,
  MAX_CIPHER_TARGET,
  namePadding,
  noKeyTarget,
} from '../fscrypt/index.js';
import { maxItemSize } from './entries.js';
import type { Filesystem } from './filesystem.js';
import type { Inode } from './inode.js';
import { namesCipher } from './names.js';

/** PATH_MAX without the final NUL. */
const LONGEST_TARGET = 4095;
const CIPHER_LENGTH_FIELD = 2;

/**
 * The bytes that a new symlink's extent will hold.
 *
 * @param context - of the symlink to be, if it is encrypted
 * @throws FsError ENOENT (empty), EINVAL (holds NUL), ENAMETOOLONG, ENOKEY
 */
export function storedTarget(directory: Inode, context: InodeContext | undefined, target: Uint8Array): Uint8Array {
  if (target.length === 0) throw new FsError('ENOENT', 'a symlink needs a target');
  if (target.includes(0)) throw new FsError('EINVAL', 'a target cannot hold NUL');
  const room = maxInlineBytes(directory.filesystem);
  if (context === undefined) {
    const longest = Math.min(LONGEST_TARGET, room);
    if (target.length > longest)
      throw new FsError('ENAMETOOLONG', `a target has at most ${longest} bytes here, not ${target.length}`);
    return target;
  }
  const longest = Math.min(MAX_CIPHER_TARGET, room - CIPHER_LENGTH_FIELD);
  return encryptTarget(
    directory.filesystem.keyring.filenamesCipher(context),
    namePadding(context.policy),
    target,
    longest,
  );
}

export function insertTarget(inode: Inode, stored: Uint8Array): void {
  const extent = {
    generation: inode.filesystem.transaction.transid,
    ramBytes: stored.length,
    compression: COMPRESS_NONE,
    encryption: ENCRYPTION_NONE,
    otherEncoding: 0,
    type: FILE_EXTENT_INLINE,
    inlineLength: stored.length,
    diskBytenr: 0,
    diskNumBytes: 0,
    offset: 0,
    numBytes: 0,
  };
  inode.subvolume.tree.insert(new Key(inode.ino, EXTENT_DATA_KEY, 0), encodeFileExtent(extent, stored));
  inode.item.size = stored.length;
  inode.item.nbytes = stored.length;
  inode.markDirty();
}

/** @throws FsError EINVAL, EUCLEAN */
export function readTarget(inode: Inode): Uint8Array {
  if (!inode.isSymlink) throw new FsError('EINVAL', `${inode.describe()} is no symlink`);
  const stored = readStored(inode);
  if (!inode.encrypted) {
    if (stored.length === 0 || stored.includes(0)) throw corrupt(inode.describe(), 'a target that cannot be one');
    return stored;
  }
  const cipher = namesCipher(inode);
  return cipher === undefined ? noKeyTarget(stored) : decryptTarget(cipher, stored);
}

function readStored(inode: Inode): Uint8Array {
  const cursor = inode.subvolume.tree.get(new Key(inode.ino, EXTENT_DATA_KEY, 0));
  if (cursor === undefined) throw corrupt(inode.describe(), 'a symlink without a target');
  const { type, compression } = decodeFileExtent(cursor.view, cursor.at, cursor.size);
  if (type !== FILE_EXTENT_INLINE || compression !== COMPRESS_NONE)
    throw corrupt(inode.describe(), 'the target of a symlink is not inline');
  return cursor.bytes().subarray(FILE_EXTENT.inlineData);
}

function maxInlineBytes(filesystem: Filesystem): number {
  return maxItemSize(filesystem) - FILE_EXTENT.inlineData;
}
