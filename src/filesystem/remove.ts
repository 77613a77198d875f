/** Removing names, and inodes with their last one. */
import { corrupt, equalBytes, FsError } from '../bytes/index.js';
import { DIR_INDEX_KEY, decodeDirItems, FIRST_FREE_OBJECTID, Key } from '../format/index.js';
import {
  isEmptyDirectory,
  isSubvolumeEntry,
  removeEntry,
  removeName,
  type StoredEntry,
  sequenceOf,
} from './entries.js';
import type { Inode } from './inode.js';
import { assertChangeable, findChild, inodeOf, isPlaceholder, notThere } from './lookup.js';
import { isDot, isDotDot } from './names.js';
import { isLastName, isOnlyNewName } from './new-names.js';
import { insertOrphan } from './orphan-items.js';
import { deleteInode } from './orphans.js';
import { parentOfSubvolume } from './root-refs.js';
import { deleteSubvolume } from './subvolumes.js';

/** Items of a removal: dir item, dir index, ref, orphan, both inode items. */
const ITEMS_OF_REMOVAL = 6;

/** One name and what it names. */
export interface NamedInode {
  readonly directory: Inode;
  readonly entry: StoredEntry;
  readonly inode: Inode;
  /** Offset of the name's DIR_INDEX key. */
  readonly sequence: number;
}

/** @throws FsError ENOENT, ENOTDIR, EUCLEAN; EBUSY for `.` and `..` */
export function findNamed(directory: Inode, name: Uint8Array): NamedInode {
  if (isDot(name) || isDotDot(name)) throw new FsError('EBUSY', "'.' and '..' stay");
  const entry = findChild(directory, name) ?? notThere(directory);
  const inode = inodeOf(directory, entry);
  return { directory, entry, inode, sequence: sequenceOfEntry(directory, entry, inode) };
}

function sequenceOfEntry(directory: Inode, entry: StoredEntry, inode: Inode): number {
  if (!isSubvolumeEntry(entry)) return sequenceOf(directory.subvolume.tree, inode.ino, directory.ino, entry.name);
  const parent = parentOfSubvolume(directory.filesystem.transaction.rootTree, inode.subvolume.id);
  return isPlaceholder(inode) || parent === undefined ? searchSequence(directory, entry) : parent.sequence;
}

/** Told of an inode that has lost its last name: who opens it keeps it from being deleted. */
export type Nameless = (inode: Inode) => void;

export function unlinkName(directory: Inode, name: Uint8Array, onNameless?: Nameless): void {
  if (isDot(name) || isDotDot(name)) throw new FsError('EISDIR', "'.' and '..' are directories");
  const named = findNamed(directory, name);
  assertChangeable(directory);
  if (named.inode.isDirectory) throw new FsError('EISDIR', `${named.inode.describe()} is a directory`);
  removeNamed(named, onNameless);
}

export function removeDirectory(directory: Inode, name: Uint8Array, onNameless?: Nameless): Inode {
  if (isDot(name)) throw new FsError('EINVAL', "a directory cannot be removed as '.'");
  if (isDotDot(name)) throw new FsError('ENOTEMPTY', "a directory cannot be removed as '..'");
  const named = findNamed(directory, name);
  const { inode } = named;
  assertChangeable(directory);
  if (!inode.isDirectory) throw new FsError('ENOTDIR', `${inode.describe()} is no directory`);
  assertEmpty(inode);
  if (isPlaceholder(inode)) removePlaceholder(named);
  else if (inode.ino === FIRST_FREE_OBJECTID) deleteSubvolume(directory, name);
  else removeNamed(named, onNameless);
  return inode;
}

/** @throws FsError ENOTEMPTY */
export function assertEmpty(directory: Inode): void {
  if (!isEmptyDirectory(directory)) throw new FsError('ENOTEMPTY', `${directory.describe()} is not empty`);
}

function removeNamed({ directory, entry, inode, sequence }: NamedInode, onNameless: Nameless | undefined): void {
  const isUncommitted = isOnlyNewName(inode, directory, entry.name);
  directory.filesystem.change(
    ITEMS_OF_REMOVAL,
    () => {
      removeEntry(directory, entry.name, sequence, isLastName(inode));
      dropName(inode, directory, entry.name);
      // Or the log would have two files of one name when it takes the next.
      if (isUncommitted) directory.filesystem.transaction.log.drop(inode.subvolume.id, inode.ino);
    },
    { freeing: true },
  );
  deleteIfUnused(inode, onNameless);
}

/** Takes a name from an inode; without its last one it becomes an orphan. Part of a step of changes. */
export function dropName(inode: Inode, directory: Inode, name: Uint8Array): void {
  removeName(inode, { parent: directory.ino, name });
  inode.item.nlink = inode.isDirectory ? 0 : Math.max(0, inode.item.nlink - 1);
  if (inode.item.nlink === 0) insertOrphan(inode);
  inode.touch('attributes');
}

/** Deletes an inode that lost its last name, unless it is open. */
export function deleteIfUnused(inode: Inode, onNameless?: Nameless): void {
  if (inode.item.nlink === 0) onNameless?.(inode);
  if (inode.item.nlink === 0 && inode.openCount === 0 && !inode.isDeleted) deleteInode(inode);
}

/** Removes the entry of a subvolume that is not there: nothing refers back to it. */
function removePlaceholder({ directory, entry, sequence }: NamedInode): void {
  directory.filesystem.change(ITEMS_OF_REMOVAL, () => removeEntry(directory, entry.name, sequence), { freeing: true });
}

function searchSequence(directory: Inode, { name, location }: StoredEntry): number {
  const cursor = directory.subvolume.tree.seek(new Key(directory.ino, DIR_INDEX_KEY, 0));
  for (; cursor.isItemOf(directory.ino, DIR_INDEX_KEY); cursor.next()) {
    const [item] = decodeDirItems(cursor.view, cursor.at, cursor.size);
    if (item !== undefined && isSubvolumeEntry(item) && equalBytes(item.name, name)) return cursor.keyOffset;
  }
  throw corrupt(directory.describe(), `the entry of subvolume ${location.objectid} has no index`);
}
