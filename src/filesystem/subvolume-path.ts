/** From a subvolume up to the top of the volume: its path. */
import { isFsError } from '../bytes/index.js';
import { FIRST_FREE_OBJECTID, FS_TREE_OBJECTID } from '../format/index.js';
import { namesOf } from './entries.js';
import type { Filesystem } from './filesystem.js';
import type { Inode } from './inode.js';
import { namesCipher, shownName } from './names.js';
import { parentOfSubvolume } from './root-refs.js';

/** No path of the system has more names; damage can make circles. */
const MAX_DEPTH = 4096;

/**
 * The path of a subvolume's top from the top of the volume, names as shown; empty for that top.
 *
 * @returns undefined for a subvolume that no directory names, or whose way up is damaged
 */
export function subvolumePath(filesystem: Filesystem, id: number): Uint8Array | undefined {
  const names: Uint8Array[] = [];
  try {
    for (let at = id; at !== FS_TREE_OBJECTID; ) {
      const parent = parentOfSubvolume(filesystem.transaction.rootTree, at);
      if (parent === undefined || names.length > MAX_DEPTH) return undefined;
      let directory = filesystem.inode(parent.parentId, parent.dirid);
      names.push(shown(directory, parent.name));
      for (; directory.ino !== FIRST_FREE_OBJECTID; directory = directory.subvolume.inode(parentIno(directory))) {
        names.push(shownNameOf(directory));
        if (names.length > MAX_DEPTH) return undefined;
      }
      at = parent.parentId;
    }
  } catch (error) {
    if (!isFsError(error, 'EUCLEAN', 'ENOENT', 'EIO')) throw error;
    return undefined;
  }
  return Buffer.concat(names.reverse().flatMap((name, i) => (i === 0 ? [name] : [Buffer.from('/'), name])));
}

function parentIno(directory: Inode): number {
  return firstName(directory)?.parent ?? FIRST_FREE_OBJECTID;
}

function shownNameOf(directory: Inode): Uint8Array {
  const stored = firstName(directory);
  if (stored === undefined) return Buffer.from('?');
  return shown(directory.subvolume.inode(stored.parent), stored.name);
}

function firstName({ subvolume, ino }: Inode) {
  for (const name of namesOf(subvolume.tree, ino)) return name;
  return undefined;
}

function shown(directory: Inode, stored: Uint8Array): Uint8Array {
  return shownName(directory, directory.encrypted ? namesCipher(directory) : undefined, stored).name;
}
