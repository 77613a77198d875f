/**
 * Contexts that are missing in layout `item`, borrowed from elsewhere.
 *
 * The kernel's series of 2026 loses contexts when it splits or trims extents. One extent on disk
 * has one nonce, so any other file extent item that uses the same extent can lend its context: in
 * the same file, in a clone, or in a snapshot.
 */
import { FsError, isFsError } from '../../bytes/index.js';
import { decodeFileExtent, EXTENT_DATA_KEY, EXTENT_DATA_REF_KEY, SHARED_DATA_REF_KEY } from '../../format/index.js';
import { type ExtentContext, extentMatchesPolicy } from '../../fscrypt/index.js';
import { TreeBlock } from '../../tree/index.js';
import type { Filesystem } from '../filesystem.js';
import type { Inode } from '../inode.js';
import { subvolumeIds } from '../layout.js';
import { contextKey, hasContextItem, storedContext } from './extent-contexts.js';
import { extentsFrom, type PlacedExtent } from './file-extents.js';

/**
 * The context an encrypted extent is read with: the stored one, else a borrowed one.
 *
 * @throws FsError EIO if there is none anywhere, EUCLEAN for bytes that are no context
 */
export function findContext(inode: Inode, placed: PlacedExtent): ExtentContext {
  const context = storedContext(inode.subvolume.tree, inode.ino, placed) ?? borrowContext(inode, placed);
  if (context !== undefined) return context;
  const where = `${inode.describe()}, extent at ${placed.start}`;
  throw new FsError('EIO', `${where}: its encryption context is missing and nothing else uses the extent`);
}

/** The bytes of the context item that belongs beside an extent; undefined if it cannot be found anywhere. */
export function contextItemBytes(inode: Inode, placed: PlacedExtent): Uint8Array | undefined {
  const { tree } = inode.subvolume;
  return tree.get(contextKey(inode.ino, placed.start))?.bytes() ?? borrowContext(inode, placed)?.bytes;
}

function borrowContext(inode: Inode, placed: PlacedExtent): ExtentContext | undefined {
  if (!hasContextItem(placed)) return undefined;
  const { borrowed } = inode.data;
  const { diskBytenr } = placed.extent;
  const known = borrowed.get(diskBytenr);
  if (known !== undefined) return known;
  for (const context of lenders(inode, placed)) {
    if (inode.policy === undefined || !extentMatchesPolicy(context, inode.policy)) continue;
    inode.warnOnce('lacks encryption contexts of extents, which other users of the extents could lend');
    borrowed.set(diskBytenr, context);
    return context;
  }
  return undefined;
}

/** Contexts found with other items of the same extent, the likeliest places first. */
function* lenders(inode: Inode, { extent }: PlacedExtent): IterableIterator<ExtentContext> {
  const { filesystem, subvolume } = inode;
  const { diskBytenr, diskNumBytes } = extent;
  yield* contextsIn(filesystem, subvolume.id, inode.ino, diskBytenr);
  const inodes = new Set([inode.ino]);
  for (const { root, ino } of usersOf(filesystem, diskBytenr, diskNumBytes)) {
    inodes.add(ino);
    if (root !== subvolume.id || ino !== inode.ino) yield* contextsIn(filesystem, root, ino, diskBytenr);
  }
  // Users recorded by leaf may be shared by snapshots, whose own leaves may know more.
  for (const root of subvolumeIds(filesystem.transaction.rootTree)) {
    for (const ino of inodes) yield* contextsIn(filesystem, root, ino, diskBytenr);
  }
}

/** Contexts that the items of one inode have for an extent. A subvolume or context that is damaged lends none. */
function* contextsIn(
  filesystem: Filesystem,
  root: number,
  ino: number,
  diskBytenr: number,
): IterableIterator<ExtentContext> {
  try {
    const { tree } = filesystem.subvolume(root);
    for (const placed of extentsFrom({ tree, ino, sectorsize: filesystem.transaction.volume.sectorsize }, 0)) {
      if (placed.extent.diskBytenr !== diskBytenr || !hasContextItem(placed)) continue;
      const context = storedContext(tree, ino, placed);
      if (context !== undefined) yield context;
    }
  } catch (error) {
    if (!isFsError(error, 'ENOENT', 'EUCLEAN', 'EIO', 'EINVAL')) throw error;
  }
}

/** Inodes that the extent tree names as users of an extent, by reference or by leaf. */
function usersOf(filesystem: Filesystem, bytenr: number, length: number): { root: number; ino: number }[] {
  const { transaction } = filesystem;
  const users: { root: number; ino: number }[] = [];
  for (const ref of transaction.dataReferences(bytenr, length)) {
    if (ref.type === EXTENT_DATA_REF_KEY) users.push({ root: ref.root, ino: ref.objectid });
    if (ref.type === SHARED_DATA_REF_KEY) users.push(...usersInLeaf(filesystem, ref.parent, bytenr));
  }
  return users;
}

/** The inodes in a shared leaf that use an extent, in the subvolume that wrote the leaf. */
function usersInLeaf({ transaction }: Filesystem, parent: number, bytenr: number): { root: number; ino: number }[] {
  const users: { root: number; ino: number }[] = [];
  const leaf = new TreeBlock(transaction.volume.readMetadata(parent, { level: 0 }));
  for (let slot = 0; slot < leaf.count; slot++) {
    const key = leaf.key(slot);
    if (key.type !== EXTENT_DATA_KEY) continue;
    const { diskBytenr } = decodeFileExtent(leaf.view, leaf.itemAt(slot), leaf.itemSize(slot));
    if (diskBytenr === bytenr) users.push({ root: leaf.owner, ino: key.objectid });
  }
  return users;
}
