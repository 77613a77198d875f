/**
 * The fscrypt contexts of a file's extents, in either of the two places they can live.
 *
 * Layout `trailing` has the context at the end of the file extent item, where it moves and is
 * copied with the item by itself. Layout `item` has it in an item of its own, which must stand at
 * exactly the offset of its file extent item: whoever moves, splits or removes one does the same
 * to the other.
 */
import { corrupt } from '../../bytes/index.js';
import {
  COMPRESS_NONE,
  ENCRYPTION_FSCRYPT,
  ENCRYPTION_NONE,
  FSCRYPT_CTX_KEY,
  INODE_CONTEXT_SIZE,
  Key,
} from '../../format/index.js';
import { type ExtentContext, extentMatchesPolicy, parseExtentContext } from '../../fscrypt/index.js';
import type { Tree } from '../../tree/index.js';
import type { Inode } from '../inode.js';
import { isOnDisk, type PlacedExtent } from './file-extents.js';

export function contextKey(ino: number, start: number): Key {
  return new Key(ino, FSCRYPT_CTX_KEY, start);
}

/** Whether this file extent item must have a context item beside it. */
export function hasContextItem({ extent }: PlacedExtent): boolean {
  return isOnDisk(extent) && extent.encryption === ENCRYPTION_FSCRYPT && extent.context === undefined;
}

/**
 * The context stored with an extent, in whichever place; undefined if it is missing.
 *
 * @throws FsError EUCLEAN, EINVAL
 */
export function storedContext(tree: Tree, ino: number, placed: PlacedExtent): ExtentContext | undefined {
  const { context } = placed.extent;
  if (context !== undefined) {
    return parseExtentContext(context, context.length === INODE_CONTEXT_SIZE ? 'trailing' : 'interim');
  }
  const found = tree.get(contextKey(ino, placed.start));
  return found === undefined ? undefined : parseExtentContext(found.bytes(), 'item');
}

/** Stores a context item, in the place of a stale one if there is any. */
export function putContextItem(tree: Tree, ino: number, start: number, bytes: Uint8Array): void {
  const key = contextKey(ino, start);
  if (tree.get(key) === undefined) tree.insert(key, bytes);
  else tree.replace(key, bytes);
}

/** Removes the context items at offsets in [start, end). */
export function removeContextItems(tree: Tree, ino: number, start: number, end: number): void {
  if (end <= start) return;
  const last = contextKey(ino, end - 1);
  while (tree.removeRange(contextKey(ino, start), last));
}

/**
 * Whether the bytes of this extent on disk are ciphertext.
 *
 * Differs from Linux's series of August 2023, which takes an extent of an encrypted file for
 * plain when its encryption byte says so: here that is an error in every layout, because whoever
 * can write to the disk could otherwise pass plaintext off as the file's. Compressed extents of
 * layout `trailing` are marked as encrypted but never were.
 *
 * @throws FsError EUCLEAN when the marks of extent and inode contradict each other
 */
export function isCiphertext(inode: Inode, { start, extent }: PlacedExtent): boolean {
  if (extent.encryption === ENCRYPTION_NONE) {
    if (!inode.encrypted) return false;
    throw corrupt(`${inode.describe()}, extent at ${start}`, 'holds plaintext in an encrypted file');
  }
  if (extent.context === undefined) {
    if (inode.encrypted) return true;
    throw corrupt(`${inode.describe()}, extent at ${start}`, 'is encrypted in a file that is not');
  }
  return extent.compression === COMPRESS_NONE || extent.context.length !== INODE_CONTEXT_SIZE;
}

/**
 * In layout `item` an extent must be encrypted as its file's policy says, in `trailing` its own
 * context decides.
 *
 * @throws FsError EUCLEAN if it must and is not
 */
export function checkContext(inode: Inode, start: number, context: ExtentContext): void {
  if (context.form !== 'item') return;
  const { policy } = inode;
  if (policy !== undefined && extentMatchesPolicy(context, policy)) return;
  const why = policy === undefined ? 'the inode has no policy' : "its mode or key differs from the inode's policy";
  throw corrupt(`${inode.describe()}, context of the extent at ${start}`, why);
}
