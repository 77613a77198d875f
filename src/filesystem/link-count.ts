/**
 * How many links an inode is shown with.
 *
 * On disk, every directory of a btrfs volume counts one. Programs know it otherwise from nearly every other filesystem:
 * its name, its `.`, and the `..` of each directory in it. One link says by old custom that nobody has counted.
 */
import { DIR_INDEX_KEY, DIR_ITEM, FT_DIR, FT_ENCRYPTED, Key } from '../format/index.js';
import type { Inode } from './inode.js';

/** Directories with more entries than this are not counted. */
const MAX_COUNTED = 4096;
const NOT_COUNTED = 1;
const NAME_AND_DOT = 2;

/** As programs expect it of a directory; of anything else what is on disk. */
export function shownLinks(inode: Inode): number {
  const { nlink } = inode.item;
  if (!inode.isDirectory || nlink === 0) return nlink;
  inode.shownLinks ??= countLinks(inode);
  return inode.shownLinks;
}

/** An entry of this FT_* type is one more, or one less. */
export function noteEntry(directory: Inode, type: number, by: 1 | -1): void {
  const { shownLinks: links } = directory;
  if (links !== undefined && links !== NOT_COUNTED && (type & ~FT_ENCRYPTED) === FT_DIR)
    directory.shownLinks = links + by;
}

function countLinks({ ino, subvolume }: Inode): number {
  const cursor = subvolume.tree.seek(new Key(ino, DIR_INDEX_KEY, 0));
  let links = NAME_AND_DOT;
  for (let entries = 0; cursor.isItemOf(ino, DIR_INDEX_KEY); cursor.next(), entries++) {
    if (entries === MAX_COUNTED) return NOT_COUNTED;
    if ((cursor.view.getUint8(cursor.at + DIR_ITEM.type) & ~FT_ENCRYPTED) === FT_DIR) links += 1;
  }
  return links;
}
