/** Renaming: over a free name, over an existing one, or two names exchanged. */
import { FsError } from '../bytes/index.js';
import { nameForCreation } from './create.js';
import {
  addEntry,
  addName,
  checkRoomForReference,
  isSubvolumeEntry,
  nextSequence,
  removeEntry,
  removeName,
  type StoredEntry,
} from './entries.js';
import type { Inode } from './inode.js';
import { assertChangeable, isPlaceholder, parentOf } from './lookup.js';
import { assertCanName, findShown, isDot, isDotDot } from './names.js';
import { isLastName, isOnlyNewName } from './new-names.js';
import { assertMayHold, policyOfExtents } from './policies.js';
import { assertEmpty, deleteIfUnused, dropName, findNamed, type NamedInode, type Nameless } from './remove.js';
import { insertRootRef, removeRootRef } from './root-refs.js';

/** Items of a rename: two names with entry, index and reference, an orphan, four inode items. */
const ITEMS_OF_RENAME = 14;
/** More directories than this above one another are taken for a circle. */
const MAX_DEPTH = 100_000;

/** @throws FsError as Filesystem.rename says */
export function renameName(
  from: Inode,
  oldName: Uint8Array,
  to: Inode,
  newName: Uint8Array,
  mode: 'replace' | 'noreplace',
  onNameless?: Nameless,
): void {
  if (isDot(newName) || isDotDot(newName)) throw new FsError('EBUSY', "'.' and '..' stay");
  const old = findNamed(from, oldName);
  const replaced = to.isDirectory && findShown(to, newName) !== undefined ? findNamed(to, newName) : undefined;
  if (replaced !== undefined && mode === 'noreplace') throw new FsError('EEXIST', `${to.describe()} has such an entry`);
  assertNotAbove(old.inode, to, 'EINVAL');
  if (replaced !== undefined) assertNotAbove(replaced.inode, from, 'ENOTEMPTY');
  if (replaced?.inode === old.inode) return;
  assertChangeable(from);
  assertChangeable(to);
  if (replaced !== undefined) assertSameKind(old, replaced);
  assertParentMayChange(old, to);
  assertMovable(old, to);
  if (replaced !== undefined) assertReplaceable(replaced);
  const stored = replaced?.entry.name ?? nameForCreation(to, newName);
  checkRoomFor(old, to, stored);

  from.filesystem.change(ITEMS_OF_RENAME, () => {
    detach(old);
    if (replaced !== undefined) {
      removeEntry(
        to,
        stored,
        replaced.sequence,
        isLastName(replaced.inode) && !isOnlyNewName(replaced.inode, to, stored),
      );
      dropName(replaced.inode, to, stored);
    }
    attach(old, to, stored);
  });
  if (replaced !== undefined) deleteIfUnused(replaced.inode, onNameless);
}

/** @throws FsError as Filesystem.rename says */
export function exchangeNames(from: Inode, oldName: Uint8Array, to: Inode, newName: Uint8Array): void {
  const one = findNamed(from, oldName);
  const other = findNamed(to, newName);
  assertNotAbove(one.inode, to, 'EINVAL');
  assertNotAbove(other.inode, from, 'EINVAL');
  if (one.inode === other.inode) return;
  assertChangeable(from);
  assertChangeable(to);
  assertParentMayChange(one, to);
  assertParentMayChange(other, from);
  if (from.subvolume !== to.subvolume && isSubvolumeEntry(one.entry) !== isSubvolumeEntry(other.entry))
    throw acrossSubvolumes();
  assertMovable(one, to);
  assertMovable(other, from);
  checkRoomFor(one, to, other.entry.name);
  checkRoomFor(other, from, one.entry.name);

  from.filesystem.change(ITEMS_OF_RENAME, () => {
    detach(one);
    detach(other);
    attach(one, to, other.entry.name);
    attach(other, from, one.entry.name);
  });
}

function assertSameKind(old: NamedInode, { inode }: NamedInode): void {
  if (old.inode.isDirectory && !inode.isDirectory) throw new FsError('ENOTDIR', `${inode.describe()} is no directory`);
  if (!old.inode.isDirectory && inode.isDirectory) throw new FsError('EISDIR', `${inode.describe()} is a directory`);
}

function assertReplaceable({ inode, entry }: NamedInode): void {
  if (!inode.isDirectory) return;
  if (isSubvolumeEntry(entry)) throw new FsError('ENOTEMPTY', 'a subvolume cannot be replaced');
  assertEmpty(inode);
}

/** The `..` of a directory that gets another parent changes. */
function assertParentMayChange({ directory, inode }: NamedInode, to: Inode): void {
  if (directory !== to && inode.isDirectory && !isPlaceholder(inode)) assertChangeable(inode);
}

/** What holds for either end of a move, whatever is at the other. */
function assertMovable({ directory, entry, inode }: NamedInode, to: Inode): void {
  if (isPlaceholder(inode)) throw new FsError('ENOTEMPTY', 'the placeholder of a missing subvolume stays');
  if (directory.subvolume !== to.subvolume && !isSubvolumeEntry(entry)) throw acrossSubvolumes();
  assertCanName(directory);
  assertCanName(to);
  if (directory === to) return;
  assertMayHold(to, inode);
  assertKeepsPolicy(inode, to);
}

function checkRoomFor({ entry, inode }: NamedInode, to: Inode, name: Uint8Array): void {
  if (!isSubvolumeEntry(entry)) checkRoomForReference(inode, to.ino, name);
}

/**
 * In layout `trailing` an encrypted file knows its policy by its directory or its extents. Without
 * either nothing could ever be written to it.
 */
function assertKeepsPolicy(inode: Inode, to: Inode): void {
  if (to.encrypted || !inode.isRegular || !inode.encrypted || inode.context !== undefined) return;
  inode.loadedData?.flush();
  if (policyOfExtents(inode) === undefined) {
    throw new FsError(
      'EXDEV',
      `${inode.describe()} holds no data yet, and would lose its encryption policy outside its directory`,
    );
  }
}

/** Nothing moves below itself. */
function assertNotAbove(inode: Inode, directory: Inode, code: 'EINVAL' | 'ENOTEMPTY'): void {
  if (!inode.isDirectory || isPlaceholder(inode)) return;
  let at = directory;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (at === inode) throw new FsError(code, `${inode.describe()} holds the directory it would move to`);
    const above = parentOf(at);
    if (above === at) return;
    at = above;
  }
  throw new FsError('ELOOP', `${directory.describe()} lies too deep`);
}

function acrossSubvolumes(): FsError {
  return new FsError('EXDEV', 'only a subvolume moves to another subvolume');
}

/** Removes a name with what refers back to it; the inode goes on to another name in the same step. */
function detach({ directory, entry, inode, sequence }: NamedInode): void {
  removeEntry(directory, entry.name, sequence);
  if (isSubvolumeEntry(entry))
    removeRootRef(directory.filesystem.transaction.rootTree, directory.subvolume.id, inode.subvolume.id);
  else removeName(inode, { parent: directory.ino, name: entry.name });
}

function attach({ entry, inode }: NamedInode, to: Inode, name: Uint8Array): void {
  const sequence = nextSequence(to);
  const moved: StoredEntry = { name, location: entry.location, type: entry.type };
  addEntry(to, moved, sequence);
  if (isSubvolumeEntry(entry)) {
    const { rootTree } = to.filesystem.transaction;
    insertRootRef(rootTree, to.subvolume.id, inode.subvolume.id, { dirid: to.ino, sequence, name });
    return;
  }
  addName(inode, { parent: to.ino, sequence, name });
  inode.checkedParent = to.ino;
  inode.touch('attributes');
}
