/** The mark of an inode without a name: (ORPHAN, ORPHAN_ITEM, inode), empty, in the inode's own tree. */
import { Key, ORPHAN_ITEM_KEY, ORPHAN_OBJECTID } from '../format/index.js';
import type { Inode } from './inode.js';

export function orphanKey(ino: number): Key {
  return new Key(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY, ino);
}

/** Marks an inode whose last name goes, or that is made without one, in the same step. */
export function insertOrphan({ subvolume: { tree }, ino }: Inode): void {
  const key = orphanKey(ino);
  if (tree.get(key) === undefined) tree.insert(key, new Uint8Array(0));
}

/** Takes the mark away, in the step that gives the inode a name. */
export function removeOrphan({ subvolume: { tree }, ino }: Inode): void {
  tree.remove(orphanKey(ino));
}
