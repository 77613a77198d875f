/**
 * Which of the two places a volume keeps extents' contexts in.
 *
 * The superblock's compat bits say it (docs/FORMAT.md, "Compatible features"): neither the kernel nor
 * `btrfs check` looks at those. Volumes that a kernel made lack the bits; there the first encrypted
 * file tells, and the bits are added with the first encrypted inode we make.
 */
import { FsError, readU64 } from '../bytes/index.js';
import {
  COMPAT_CONTEXT_IN_ITEM,
  COMPAT_CONTEXT_TRAILING,
  EXTENT_DATA_KEY,
  FILE_EXTENT,
  FILE_EXTENT_INLINE,
  FIRST_FREE_OBJECTID,
  FS_TREE_OBJECTID,
  FSCRYPT_INODE_CTX_KEY,
  INCOMPAT_ENCRYPT,
  INODE_ENCRYPT,
  INODE_ITEM,
  INODE_ITEM_KEY,
  INTERIM_EXTENT_SIZE,
  Key,
  ROOT_ITEM_KEY,
  TRAILING_EXTENT_SIZE,
} from '../format/index.js';
import type { Cursor, Tree } from '../tree/index.js';
import type { Filesystem } from './filesystem.js';
import { S_IFMT, S_IFREG } from './mode.js';

/** `item`: an item beside the file extent item. `trailing`: at its end. */
export type ContextLayout = 'item' | 'trailing';

const MARKS: Readonly<Record<ContextLayout, bigint>> = {
  item: COMPAT_CONTEXT_IN_ITEM,
  trailing: COMPAT_CONTEXT_TRAILING,
};

/** The layout of an open volume; undefined where encryption is off. */
export function findLayout(filesystem: Filesystem): ContextLayout | undefined {
  const { volume } = filesystem.transaction;
  if (!volume.encrypted) return undefined;
  const { incompatFlags } = volume.superblock;
  // Without today's bit it is the older one, which only the series of August 2023 used.
  if ((incompatFlags & INCOMPAT_ENCRYPT) === 0n) return 'trailing';
  const layout = markedLayout(filesystem) ?? layoutInUse(filesystem) ?? 'item';
  if (layout !== 'interim') return layout;
  volume.readOnlyReasons.push('its encrypted extents have the form of 2023 to 2024, which is only read');
  return 'trailing';
}

function markedLayout({ transaction }: Filesystem): ContextLayout | undefined {
  const { compatFlags } = transaction.volume.superblock;
  if ((compatFlags & MARKS.item) !== 0n) return 'item';
  return (compatFlags & MARKS.trailing) !== 0n ? 'trailing' : undefined;
}

/** Marks the volume with its layout; durable with the next commit. */
export function rememberLayout(filesystem: Filesystem): void {
  const { layout } = filesystem;
  if (layout === undefined || markedLayout(filesystem) !== undefined) return;
  filesystem.transaction.volume.superblock.compatFlags |= MARKS[layout];
  filesystem.transaction.superblockChanged = true;
}

/** Sets feature bit and mark in the superblock that the next commit writes. @throws FsError EEXIST, EROFS */
export function enableEncryption(filesystem: Filesystem, layout: ContextLayout): void {
  const { volume, writable, readOnlyReasons } = filesystem.transaction;
  if (!writable) throw new FsError('EROFS', `the volume is read-only: ${readOnlyReasons.join('; ')}`);
  if (volume.encrypted) throw new FsError('EEXIST', 'encryption is already enabled on this volume');
  volume.superblock.incompatFlags |= INCOMPAT_ENCRYPT;
  filesystem.transaction.superblockChanged = true;
  volume.superblock.compatFlags = (volume.superblock.compatFlags & ~(MARKS.item | MARKS.trailing)) | MARKS[layout];
}

/** What the encrypted regular files of an unmarked volume tell. */
function layoutInUse(filesystem: Filesystem): ContextLayout | 'interim' | undefined {
  for (const id of subvolumeIds(filesystem.transaction.rootTree)) {
    const layout = layoutInTree(filesystem.subvolume(id).tree);
    if (layout !== undefined) return layout;
  }
  return undefined;
}

function layoutInTree(tree: Tree): ContextLayout | 'interim' | undefined {
  let isWithoutContext = false;
  for (const cursor = tree.seek(new Key(FIRST_FREE_OBJECTID, INODE_ITEM_KEY, 0)); cursor.valid; cursor.next()) {
    if (cursor.keyType !== INODE_ITEM_KEY || !isEncryptedFile(cursor)) continue;
    const ino = cursor.keyObjectid;
    const form = formOfExtents(tree, ino);
    if (form !== undefined) return form;
    if (tree.get(new Key(ino, FSCRYPT_INODE_CTX_KEY, 0)) !== undefined) return 'item';
    isWithoutContext = true;
  }
  return isWithoutContext ? 'trailing' : undefined;
}

function isEncryptedFile({ view, at }: Cursor): boolean {
  const isRegular = (view.getUint32(at + INODE_ITEM.mode, true) & S_IFMT) === S_IFREG;
  return isRegular && (readU64(view, at + INODE_ITEM.flags) & INODE_ENCRYPT) !== 0n;
}

/** What the size of a file's extent items tells, if they hold contexts. */
function formOfExtents(tree: Tree, ino: number): 'trailing' | 'interim' | undefined {
  const cursor = tree.seek(new Key(ino, EXTENT_DATA_KEY, 0));
  for (; cursor.isItemOf(ino, EXTENT_DATA_KEY); cursor.next()) {
    if (cursor.size === TRAILING_EXTENT_SIZE) return 'trailing';
    if (cursor.size === INTERIM_EXTENT_SIZE && isEncryptedExtent(cursor)) return 'interim';
  }
  return undefined;
}

/** An inline extent may have any size. */
function isEncryptedExtent({ view, at }: Cursor): boolean {
  return (
    view.getUint8(at + FILE_EXTENT.type) !== FILE_EXTENT_INLINE && view.getUint8(at + FILE_EXTENT.encryption) !== 0
  );
}

/** Ids of all subvolumes that have a root item, the volume's top first. @param from - the lowest one wanted */
export function subvolumeIds(rootTree: Tree, from = 0): number[] {
  const ids = from <= FS_TREE_OBJECTID ? [FS_TREE_OBJECTID] : [];
  const first = new Key(Math.max(from, FIRST_FREE_OBJECTID), ROOT_ITEM_KEY, 0);
  for (const cursor = rootTree.seek(first); cursor.valid; cursor.next()) {
    const id = cursor.keyObjectid;
    if (id < FIRST_FREE_OBJECTID) break;
    if (cursor.keyType === ROOT_ITEM_KEY && ids.at(-1) !== id) ids.push(id);
  }
  return ids;
}
