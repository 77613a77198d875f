/**
 * Names that a log can tell of: those of files made in the running transaction.
 *
 * A log names a new file by its reference to its directory alone. Whoever replays it makes the entry,
 * and takes the name from the file that has it in the last commit, if one has. That is right only while
 * the last commit has the directory as it is, and if that file is gone: one that still has a name, which
 * no log tells of, would be lost. So directories remember which of the names they gave up belong to
 * something that is kept. A directory that was changed otherwise, or whose memory was lost with its
 * place in the cache, makes fsync commit.
 */
import { equalBytes } from '../bytes/index.js';
import { nameHash } from '../format/index.js';
import type { InodeName } from './entries.js';
import type { Inode } from './inode.js';

/** With more such names in one transaction, new ones of the directory are not logged. */
const MAX_KEPT = 4096;

/** The name of a file, given to it when it was made. */
export interface NewName extends InodeName {
  readonly transid: number;
}

/** Hashes of the names that a directory gave up in one transaction and whose owners may live on. */
export interface KeptNames {
  readonly transid: number;
  readonly hashes: Set<number>;
}

/** A file was made with this name, and is otherwise as the log tells it: without attributes beside its item. */
export function noteNewName(inode: Inode, { parent, sequence, name }: InodeName): void {
  if (!inode.isRegular || inode.hasXattrs !== false) return;
  inode.newName = { parent, sequence, name, transid: inode.filesystem.transaction.transid };
  inode.commitNeededIn = undefined;
}

/** A directory gives up a name whose owner may live on, by another or in the log. */
export function noteKeptName(directory: Inode, hash: number): void {
  const { transid } = directory.filesystem.transaction;
  if (directory.keptNames?.transid !== transid) directory.keptNames = { transid, hashes: new Set() };
  const { hashes } = directory.keptNames;
  if (hashes.size <= MAX_KEPT) hashes.add(hash);
}

/** Whether a file is gone when it loses one more name. */
export function isLastName({ isRegular, item }: Inode): boolean {
  return isRegular && item.nlink === 1;
}

/** Whether an inode was made in this transaction with this name and has no other: no commit knows either. */
export function isOnlyNewName({ newName, item, filesystem }: Inode, directory: Inode, name: Uint8Array): boolean {
  if (newName === undefined || newName.transid !== filesystem.transaction.transid || item.nlink !== 1) return false;
  return newName.parent === directory.ino && equalBytes(newName.name, name);
}

/** The name by which the log can tell of a file that was made in this transaction. */
export function loggableName({ newName, subvolume, filesystem }: Inode): NewName | undefined {
  const { transid } = filesystem.transaction;
  if (newName === undefined || newName.transid !== transid) return undefined;
  const directory = subvolume.cachedInode(newName.parent);
  if (directory === undefined || directory.commitNeededIn === transid) return undefined;
  const { keptNames } = directory;
  if (keptNames === undefined || keptNames.transid !== transid) return newName;
  const { hashes } = keptNames;
  return hashes.size > MAX_KEPT || hashes.has(nameHash(newName.name)) ? undefined : newName;
}
