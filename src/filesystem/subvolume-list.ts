/** Subvolumes as users are told of them. */
import { FsError, type Timespec } from '../bytes/index.js';
import { FS_TREE_OBJECTID } from '../format/index.js';
import type { Filesystem } from './filesystem.js';
import { subvolumeIds } from './layout.js';
import { defaultSubvolumeId } from './lookup.js';
import { parentOfSubvolume } from './root-refs.js';
import { subvolumePath } from './subvolume-path.js';

export interface SubvolumeInfo {
  readonly id: number;
  /** The subvolume whose directory names it; undefined for the volume's top. */
  readonly parentId: number | undefined;
  /** Inode of that directory, and the name as stored there. */
  readonly directory: number | undefined;
  readonly storedName: Uint8Array | undefined;
  /** From the top of the volume; undefined if it cannot be told, for one that hangs nowhere. */
  readonly path: Buffer | undefined;
  readonly generation: number;
  /** Transaction that made it. */
  readonly originalGeneration: number;
  readonly created: Timespec;
  readonly uuid: Uint8Array;
  /** Of the subvolume it is a snapshot of; zero for others. */
  readonly parentUuid: Uint8Array;
  readonly receivedUuid: Uint8Array;
  readonly readOnly: boolean;
  readonly isDefault: boolean;
}

/**
 * All subvolumes that are not being deleted, by id, the volume's top first. Nothing may change meanwhile.
 *
 * @param from - the lowest id wanted
 */
export function* listSubvolumes(filesystem: Filesystem, from = 0): Generator<SubvolumeInfo> {
  const { rootTree } = filesystem.transaction;
  const defaultId = defaultSubvolumeId(filesystem) ?? FS_TREE_OBJECTID;
  for (const id of subvolumeIds(rootTree, from)) {
    const tree = filesystem.transaction.subvolumeTree(id);
    const { rootItem } = tree;
    if (rootItem.refs === 0) continue;
    const parent = parentOfSubvolume(rootTree, id);
    const path = subvolumePath(filesystem, id);
    yield {
      id,
      parentId: parent?.parentId,
      directory: parent?.dirid,
      storedName: parent?.name,
      path: path && Buffer.from(path),
      generation: tree.root.generation,
      originalGeneration: rootItem.otransid,
      created: rootItem.otime,
      uuid: rootItem.uuid,
      parentUuid: rootItem.parentUuid,
      receivedUuid: rootItem.receivedUuid,
      readOnly: tree.readOnly,
      isDefault: id === defaultId,
    };
  }
}

/** @throws FsError ENOENT for one that is being deleted */
export function findSubvolume(filesystem: Filesystem, id: number): SubvolumeInfo {
  for (const subvolume of listSubvolumes(filesystem, id)) if (subvolume.id === id) return subvolume;
  throw new FsError('ENOENT', `subvolume ${id} is being deleted`);
}
