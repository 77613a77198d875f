/** Hard links. */
import { FsError } from '../bytes/index.js';
import { INODE_ITEM_KEY, Key } from '../format/index.js';
import { nameForCreation } from './create.js';
import { addEntry, addName, checkRoomForName, nextSequence } from './entries.js';
import type { Inode } from './inode.js';
import { isPlaceholder } from './lookup.js';
import { fileTypeOf } from './mode.js';
import { removeOrphan } from './orphan-items.js';
import { assertMayHold } from './policies.js';

/** Items of a new name: dir item, dir index, ref, orphan, both inode items. */
const ITEMS_OF_LINK = 6;

/**
 * @throws FsError EPERM (directory), EXDEV (another subvolume, another policy), EMLINK, EEXIST,
 * ENOENT, ENOKEY, EROFS
 */
export function linkInode(inode: Inode, directory: Inode, name: Uint8Array): void {
  const stored = nameForCreation(directory, name);
  if (inode.isDirectory || isPlaceholder(inode)) throw new FsError('EPERM', 'a directory has one name only');
  if (inode.subvolume !== directory.subvolume) throw new FsError('EXDEV', 'a file has names in its own subvolume only');
  if (inode.item.nlink === 0 && !inode.isUnnamed)
    throw new FsError('ENOENT', `${inode.describe()} has no name any more`);
  checkRoomForName(inode, directory.ino, stored);
  assertMayHold(directory, inode);
  directory.filesystem.change(ITEMS_OF_LINK, () => {
    const sequence = nextSequence(directory);
    addName(inode, { parent: directory.ino, sequence, name: stored });
    const type = fileTypeOf(inode.item.mode) ?? 0;
    addEntry(directory, { name: stored, location: new Key(inode.ino, INODE_ITEM_KEY, 0), type }, sequence);
    if (inode.isUnnamed) removeOrphan(inode);
    inode.isUnnamed = false;
    inode.item.nlink += 1;
    inode.touch('attributes');
  });
}
