/** Subvolumes: making, snapshotting, deleting and listing them. */
import { corrupt, FsError, randomUuid } from '../bytes/index.js';
import {
  DIR_ITEM_KEY,
  decodeDirItems,
  encodeDirItem,
  encodeInodeRef,
  FIRST_FREE_OBJECTID,
  FS_TREE_OBJECTID,
  FSCRYPT_INODE_CTX_KEY,
  FT_DIR,
  INCOMPAT_DEFAULT_SUBVOL,
  INODE_ENCRYPT,
  INODE_REF_KEY,
  Key,
  nameHash,
  ORPHAN_ITEM_KEY,
  ORPHAN_OBJECTID,
  ROOT_ITEM_KEY,
  ROOT_SUBVOL_DEAD,
  ROOT_TREE_DIR_OBJECTID,
} from '../format/index.js';
import { encodeInodeContext, type InodeContext } from '../fscrypt/index.js';
import {
  createSubvolumeTree,
  type NewSubvolume,
  nextSubvolumeId,
  type SubvolumeTree,
  snapshotTree,
  TreeDrop,
} from '../transaction/index.js';
import { type Creation, freshInodeItem, inheritedContext, insertInodeItem, nameForCreation } from './create.js';
import { addEntry, nextSequence, removeEntry } from './entries.js';
import type { Filesystem } from './filesystem.js';
import type { Inode } from './inode.js';
import { subvolumeIds } from './layout.js';
import { assertChangeable, defaultSubvolumeId, findChild, inodeOf, isPlaceholder, notThere } from './lookup.js';
import { S_IFDIR } from './mode.js';
import { isDot, isDotDot } from './names.js';
import { holdsSubvolumes, insertRootRef, parentOfSubvolume, removeRootRef } from './root-refs.js';
import type { Subvolume } from './subvolume.js';
import { addSubvolumeUuid, removeSubvolumeUuid } from './subvolume-uuids.js';

/** Items of a new subvolume: root item, its references, uuids, its top inode, the entry and its directory. */
const ITEMS_OF_CREATION = 16;
/** Items of a step of deleting a tree: its root item, at the end the orphan mark too. */
const ITEMS_OF_DROP = 2;
/** References changed in one step; few, so that the space kept back for freeing suffices. */
const REFERENCES_PER_STEP = 40;
/** The location of a subvolume's entry names no root item in particular. */
const ANY_ROOT = 0xffff_ffff_ffff_ffffn;

/**
 * Makes an empty subvolume as an entry of `directory`; in an encrypted one it is encrypted from its top.
 *
 * @returns its top directory
 * @throws FsError as making a directory does
 */
export function createSubvolume(directory: Inode, name: Uint8Array, owner: Creation['owner']): Inode {
  const { filesystem } = directory;
  const stored = nameForCreation(directory, name);
  const context = inheritedContext(directory, S_IFDIR);
  return filesystem.change(ITEMS_OF_CREATION, () => {
    const tree = createSubvolumeTree(filesystem.transaction, newSubvolume(filesystem, false));
    insertTop(filesystem, tree, owner, context);
    nameSubvolume(directory, stored, tree);
    return filesystem.inode(tree.id, FIRST_FREE_OBJECTID);
  });
}

/**
 * Makes a snapshot of a subvolume as an entry of `directory`. Durable on return.
 *
 * @returns the snapshot's top directory
 * @throws FsError as making a directory does
 */
export function createSnapshot(source: Subvolume, directory: Inode, name: Uint8Array, readOnly: boolean): Inode {
  const { filesystem } = directory;
  const stored = nameForCreation(directory, name);
  filesystem.transaction.reserve(ITEMS_OF_CREATION);
  filesystem.commit();
  const id = filesystem.change(ITEMS_OF_CREATION, () => {
    const tree = snapshotTree(filesystem.transaction, source.tree, newSubvolume(filesystem, readOnly));
    nameSubvolume(directory, stored, tree);
    return tree.id;
  });
  filesystem.commit();
  return filesystem.inode(id, FIRST_FREE_OBJECTID);
}

/**
 * Deletes a subvolume with everything in it. Durable on return, its space free again.
 *
 * @throws FsError EINVAL (no subvolume), EPERM (the default one), ENOTEMPTY (holds others), EBUSY (a
 * file in it is open)
 */
export function deleteSubvolume(directory: Inode, name: Uint8Array): void {
  const { filesystem } = directory;
  const { subvolume, stored } = findSubvolume(directory, name);
  assertChangeable(directory);
  assertDeletable(filesystem, subvolume);
  filesystem.commit();
  const { rootTree } = filesystem.transaction;
  const parent = parentOfSubvolume(rootTree, subvolume.id);
  if (parent === undefined) throw corrupt(`subvolume ${subvolume.id}`, 'nothing names it');
  const { tree, id } = subvolume;
  filesystem.change(
    ITEMS_OF_CREATION,
    () => {
      removeEntry(directory, stored, parent.sequence);
      removeRootRef(rootTree, parent.parentId, id);
      removeSubvolumeUuid(filesystem.transaction, tree);
      markDeleted(filesystem, tree);
    },
    { freeing: true },
  );
  filesystem.forgetSubvolume(id);
  filesystem.commit();
  dropTree(filesystem, tree);
  filesystem.commit();
}

/** Finishes deletions that a power cut, or the kernel, left half done. */
export function finishDeletedSubvolumes(filesystem: Filesystem): void {
  const { rootTree } = filesystem.transaction;
  for (const id of deletedSubvolumes(filesystem)) {
    const tree = filesystem.transaction.subvolumeTree(id);
    if (tree.rootItem.refs !== 0) {
      filesystem.change(1, () => rootTree.remove(new Key(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY, id)), { freeing: true });
    } else {
      dropTree(filesystem, tree);
    }
  }
}

/** Makes a subvolume the one that a mount without further words shows. */
export function setDefaultSubvolume(filesystem: Filesystem, id: number): void {
  const { transaction } = filesystem;
  const { rootKey } = transaction.subvolumeTree(id);
  const name = Buffer.from('default');
  const key = new Key(ROOT_TREE_DIR_OBJECTID, DIR_ITEM_KEY, nameHash(name));
  const cursor = transaction.rootTree.get(key);
  if (cursor === undefined) throw corrupt('root tree', 'has no entry for the default subvolume');
  const [entry] = decodeDirItems(cursor.view, cursor.at, cursor.size);
  if (entry === undefined) throw corrupt('root tree', 'has no entry for the default subvolume');
  filesystem.change(1, () => {
    transaction.rootTree.replace(key, encodeDirItem({ ...entry, location: rootKey }));
    transaction.volume.superblock.incompatFlags |= INCOMPAT_DEFAULT_SUBVOL;
  });
}

/** Makes a subvolume read-only, or writable again. */
export function setSubvolumeReadOnly(subvolume: Subvolume, readOnly: boolean): void {
  subvolume.filesystem.commit();
  subvolume.filesystem.change(1, () => {
    subvolume.tree.readOnly = readOnly;
  });
}

function newSubvolume(filesystem: Filesystem, readOnly: boolean): NewSubvolume {
  const { transaction } = filesystem;
  return { id: nextSubvolumeId(transaction), uuid: randomUuid(transaction.random), readOnly };
}

function nameSubvolume(directory: Inode, stored: Uint8Array, tree: SubvolumeTree): void {
  const { transaction } = directory.filesystem;
  const sequence = nextSequence(directory);
  addEntry(directory, { name: stored, location: new Key(tree.id, ROOT_ITEM_KEY, ANY_ROOT), type: FT_DIR }, sequence);
  const ref = { dirid: directory.ino, sequence, name: stored };
  insertRootRef(transaction.rootTree, directory.subvolume.id, tree.id, ref);
  addSubvolumeUuid(transaction, tree);
}

function insertTop(
  { transaction }: Filesystem,
  tree: SubvolumeTree,
  owner: Creation['owner'],
  context: InodeContext | undefined,
): void {
  const top = FIRST_FREE_OBJECTID;
  const flags = context === undefined ? 0n : INODE_ENCRYPT;
  insertInodeItem(tree, top, freshInodeItem(transaction, S_IFDIR | 0o755, owner, flags));
  tree.insert(new Key(top, INODE_REF_KEY, top), encodeInodeRef({ index: 0, name: Buffer.from('..') }));
  if (context !== undefined) tree.insert(new Key(top, FSCRYPT_INODE_CTX_KEY, 0), encodeInodeContext(context));
}

function findSubvolume(directory: Inode, name: Uint8Array): { subvolume: Subvolume; stored: Uint8Array } {
  const entry = isDot(name) || isDotDot(name) ? undefined : (findChild(directory, name) ?? notThere(directory));
  const top = entry && inodeOf(directory, entry);
  if (entry === undefined || top === undefined || top.ino !== FIRST_FREE_OBJECTID || isPlaceholder(top)) {
    throw new FsError('EINVAL', 'only a subvolume can be deleted as one');
  }
  return { subvolume: top.subvolume, stored: entry.name };
}

function assertDeletable(filesystem: Filesystem, subvolume: Subvolume): void {
  const { id } = subvolume;
  if (id === FS_TREE_OBJECTID || id === defaultSubvolumeId(filesystem)) {
    throw new FsError('EPERM', `subvolume ${id} is the default subvolume; set another default first`);
  }
  if (holdsSubvolumes(filesystem.transaction.rootTree, id)) {
    throw new FsError('ENOTEMPTY', `subvolume ${id} contains other subvolumes; delete those first`);
  }
  for (const inode of subvolume.cachedInodes()) {
    if (inode.openCount > 0) throw new FsError('EBUSY', `subvolume ${id} has open files`);
  }
}

function markDeleted({ transaction }: Filesystem, tree: SubvolumeTree): void {
  const { rootItem } = tree;
  rootItem.refs = 0;
  rootItem.flags |= ROOT_SUBVOL_DEAD;
  rootItem.dropProgress = new Key(0, 0, 0);
  rootItem.dropLevel = 0;
  tree.rootItemChanged = true;
  transaction.rootTree.insert(new Key(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY, tree.id), new Uint8Array(0));
}

/** Takes a tree apart that is marked as deleted; nothing of it may be dirty. */
function dropTree(filesystem: Filesystem, tree: SubvolumeTree): void {
  const { transaction } = filesystem;
  const drop = new TreeDrop(transaction, tree);
  for (let isDone = false; !isDone; ) {
    isDone = filesystem.change(
      ITEMS_OF_DROP,
      () => {
        if (!drop.step(REFERENCES_PER_STEP)) return false;
        transaction.trees.forgetSubvolume(tree.id);
        transaction.rootTree.remove(tree.rootKey);
        transaction.rootTree.remove(new Key(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY, tree.id));
        return true;
      },
      { freeing: true, references: REFERENCES_PER_STEP },
    );
  }
}

function deletedSubvolumes(filesystem: Filesystem): number[] {
  const ids: number[] = [];
  const known = new Set(subvolumeIds(filesystem.transaction.rootTree));
  const cursor = filesystem.transaction.rootTree.seek(new Key(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY, 0));
  for (; cursor.isItemOf(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY); cursor.next()) {
    if (known.has(cursor.keyOffset)) ids.push(cursor.keyOffset);
  }
  return ids;
}
