/** Jobs of the kernel that it left half done, and that a writer must not disturb. */
import { readId } from '../bytes/index.js';
import {
  BALANCE_OBJECTID,
  DEV_REPLACE_KEY,
  Key,
  QUOTA_TREE_OBJECTID,
  ROOT_ITEM_KEY,
  TEMPORARY_ITEM_KEY,
  TREE_RELOC_OBJECTID,
} from '../format/index.js';
import type { Tree } from '../tree/index.js';
import { findRootItem } from './rooted-tree.js';

/** Where a device replace item has its state, and the state that means running or suspended. */
const REPLACE_STATE_AT = 24;
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
  if (cursor === undefined || cursor.size < REPLACE_STATE_AT + 8) return false;
  const state = readId(cursor.view, cursor.at + REPLACE_STATE_AT);
  return state === REPLACE_STARTED || state === REPLACE_SUSPENDED;
}
