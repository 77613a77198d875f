/** Jobs of the kernel that it left half done, and that a writer must not disturb. */
import {
  BALANCE_OBJECTID,
  DEV_REPLACE_KEY,
  decodeReplaceState,
  Key,
  QUOTA_TREE_OBJECTID,
  ROOT_ITEM_KEY,
  TEMPORARY_ITEM_KEY,
  TREE_RELOC_OBJECTID,
} from '../format/index.js';
import type { Tree } from '../tree/index.js';
import { findRootItem } from './rooted-tree.js';

/**
 * States of a device replace that is not over.
 *
 * @see linux include/uapi/linux/btrfs.h BTRFS_IOCTL_DEV_REPLACE_STATE_*
 */
const REPLACE_STARTED = 1;
const REPLACE_SUSPENDED = 4;

/** Why a volume with these trees has to stay as it is; empty when it may be written. */
export function unfinishedJobs(trees: { readonly rootTree: Tree; readonly devTree: Tree }): string[] {
  const { rootTree, devTree } = trees;
  const reasons: string[] = [];
  if (rootTree.get(new Key(BALANCE_OBJECTID, TEMPORARY_ITEM_KEY, 0)) !== undefined) {
    reasons.push('a balance is under way; let the kernel finish it');
  }
  if (rootTree.seek(new Key(TREE_RELOC_OBJECTID, ROOT_ITEM_KEY, 0)).isItemOf(TREE_RELOC_OBJECTID, ROOT_ITEM_KEY)) {
    reasons.push('a relocation is under way; let the kernel finish it');
  }
  if (replaceIsRunning(devTree)) reasons.push('a device replace is under way; let the kernel finish it');
  if (findRootItem(rootTree, QUOTA_TREE_OBJECTID) !== undefined) {
    reasons.push('quotas are on, and their numbers would become wrong');
  }
  return reasons;
}

function replaceIsRunning(devTree: Tree): boolean {
  const cursor = devTree.get(new Key(0, DEV_REPLACE_KEY, 0));
  if (cursor === undefined) return false;
  const state = decodeReplaceState(cursor.view, cursor.at);
  return state === REPLACE_STARTED || state === REPLACE_SUSPENDED;
}
