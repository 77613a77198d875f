/**
 * Where subvolumes hang: the references between a subvolume and the directory entry that names it.
 *
 * The same bytes stand under (parent tree, ROOT_REF, subvolume) and (subvolume, ROOT_BACKREF,
 * parent tree). A snapshot keeps the entries of nested subvolumes but gets no references for them.
 */
import {
  decodeRootRef,
  encodeRootRef,
  FS_TREE_OBJECTID,
  Key,
  ROOT_BACKREF_KEY,
  ROOT_REF_KEY,
  type RootRef,
} from '../format/index.js';
import type { Tree } from '../tree/index.js';

/** How deep subvolumes may be nested: far beyond what path lengths allow. */
const MAX_NESTING = 4096;

export interface SubvolumeParent extends RootRef {
  /** Id of the subvolume that holds the entry. */
  readonly parentId: number;
}

/** The entry that names a subvolume; undefined for the top of the volume and for one being deleted. */
export function parentOfSubvolume(rootTree: Tree, id: number): SubvolumeParent | undefined {
  const cursor = rootTree.seek(new Key(id, ROOT_BACKREF_KEY, 0));
  if (!cursor.isItemOf(id, ROOT_BACKREF_KEY)) return undefined;
  return { parentId: cursor.keyOffset, ...decodeRootRef(cursor.view, cursor.at, cursor.size) };
}

/** Whether a subvolume holds references to others. */
export function holdsSubvolumes(rootTree: Tree, id: number): boolean {
  return rootTree.seek(new Key(id, ROOT_REF_KEY, 0)).isItemOf(id, ROOT_REF_KEY);
}

/** Whether following parents ends, at the volume's top or at a subvolume without one; damage can make a circle. */
export function isAnchored(rootTree: Tree, id: number): boolean {
  let at: number | undefined = id;
  for (let steps = 0; steps < MAX_NESTING; steps++) {
    if (at === undefined || at === FS_TREE_OBJECTID) return true;
    at = parentOfSubvolume(rootTree, at)?.parentId;
  }
  return false;
}

export function insertRootRef(rootTree: Tree, parentId: number, id: number, ref: RootRef): void {
  const bytes = encodeRootRef(ref);
  rootTree.insert(new Key(parentId, ROOT_REF_KEY, id), bytes);
  rootTree.insert(new Key(id, ROOT_BACKREF_KEY, parentId), bytes);
}

export function removeRootRef(rootTree: Tree, parentId: number, id: number): void {
  rootTree.remove(new Key(parentId, ROOT_REF_KEY, id));
  rootTree.remove(new Key(id, ROOT_BACKREF_KEY, parentId));
}
