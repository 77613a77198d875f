/**
 * Inodes without a name: kept while a file is open, then deleted; and those that a power cut or
 * another system left behind, which the next writable opening deletes.
 *
 * An ORPHAN_ITEM marks each of them from the removal of its last name to the removal of its last
 * item, so that deletion can take several transactions.
 */
import { FsError, isFsError } from '../bytes/index.js';
import {
  FIRST_FREE_OBJECTID,
  INODE_ITEM_KEY,
  Key,
  MAX_OFFSET,
  ORPHAN_ITEM_KEY,
  ORPHAN_OBJECTID,
} from '../format/index.js';
import type { Filesystem } from './filesystem.js';
import type { Inode } from './inode.js';
import { subvolumeIds } from './layout.js';
import { orphanKey } from './orphan-items.js';
import { mayHold } from './policies.js';
import type { Subvolume } from './subvolume.js';
import { finishDeletedSubvolumes } from './subvolumes.js';

/** Item ranges removed in one step of a deletion: each within one leaf. */
const RANGES_PER_STEP = 4;
const HIGHEST_TYPE = 255;

/** @throws FsError ENOKEY, EPERM */
export function openInode(inode: Inode, directory?: Inode): Inode {
  if (inode.isRegular) {
    if (inode.openCount === 0 && inode.policy !== undefined) {
      inode.hold = inode.filesystem.keyring.hold(inode.policy.masterKeyIdentifier);
    }
    if (directory !== undefined && !mayHold(directory, inode)) {
      if (inode.openCount === 0) releaseHold(inode);
      throw new FsError('EPERM', `${inode.describe()} is not encrypted by the policy of its directory`);
    }
  }
  inode.openCount += 1;
  return inode;
}

export function closeInode(inode: Inode): void {
  inode.openCount -= 1;
  if (inode.openCount > 0) return;
  const { filesystem } = inode;
  if (inode.item.nlink === 0 && filesystem.transaction.writable) {
    releaseHold(inode);
    deleteInode(inode);
    return;
  }
  const wasRemoved =
    inode.hold !== undefined && inode.policy !== undefined && !filesystem.keyring.has(inode.policy.masterKeyIdentifier);
  // The hold is the last chance to encrypt what was written to the file.
  if (wasRemoved) inode.loadedData?.flush();
  releaseHold(inode);
  if (!inode.isDirty || wasRemoved) inode.dropData();
}

function releaseHold(inode: Inode): void {
  inode.hold?.release();
  inode.hold = undefined;
}

/** Deletes an inode that has no name and is not open: its data, its items, its orphan mark. */
export function deleteInode(inode: Inode): void {
  const { subvolume, filesystem, ino } = inode;
  if (inode.isRegular) inode.data.truncate(0);
  removeItems(subvolume, ino);
  inode.isDeleted = true;
  filesystem.writeback.inodes.delete(inode);
  subvolume.forget(inode);
}

function removeItems(subvolume: Subvolume, ino: number): void {
  const { filesystem, tree } = subvolume;
  subvolume.unusedIno();
  const first = new Key(ino, INODE_ITEM_KEY + 1, 0);
  const last = new Key(ino, HIGHEST_TYPE, MAX_OFFSET);
  for (let isDone = false; !isDone; ) {
    isDone = filesystem.change(
      RANGES_PER_STEP + 2,
      () => {
        for (let range = 0; range < RANGES_PER_STEP; range++) {
          if (tree.removeRange(first, last)) continue;
          tree.remove(new Key(ino, INODE_ITEM_KEY, 0));
          tree.remove(orphanKey(ino));
          return true;
        }
        return false;
      },
      { freeing: true },
    );
  }
}

/** Deletes what was being deleted when the volume was last closed. What cannot be is reported and stays. */
export function finishOrphans(filesystem: Filesystem): void {
  attempt(filesystem, 'deleted subvolumes', () => finishDeletedSubvolumes(filesystem));
  for (const id of subvolumeIds(filesystem.transaction.rootTree)) {
    attempt(filesystem, `deleted files of subvolume ${id}`, () => {
      const subvolume = filesystem.subvolume(id);
      if (!subvolume.readOnly && subvolume.tree.rootItem.refs > 0) finishOrphansOf(subvolume);
    });
  }
}

/** Once a failure has made the volume read-only there is nothing more to attempt. */
function attempt({ transaction }: Filesystem, what: string, finish: () => void): void {
  if (!transaction.writable) return;
  try {
    finish();
  } catch (error) {
    if (!isFsError(error)) throw error;
    transaction.volume.warn(`${what} could not be finished: ${error.message}`);
  }
}

function finishOrphansOf(subvolume: Subvolume): void {
  for (const ino of orphansOf(subvolume)) {
    if (subvolume.tree.get(new Key(ino, INODE_ITEM_KEY, 0)) === undefined) {
      removeItems(subvolume, ino);
      continue;
    }
    const inode = subvolume.inode(ino);
    if (inode.item.nlink === 0 && ino !== FIRST_FREE_OBJECTID) deleteInode(inode);
    else subvolume.filesystem.change(1, () => subvolume.tree.remove(orphanKey(ino)), { freeing: true });
  }
}

function orphansOf({ tree }: Subvolume): number[] {
  const orphans: number[] = [];
  const cursor = tree.seek(orphanKey(0));
  for (; cursor.isItemOf(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY); cursor.next()) orphans.push(cursor.keyOffset);
  return orphans;
}
