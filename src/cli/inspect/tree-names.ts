/** Trees by name, as `dump-tree -t` takes them. */
import * as format from '../../format/index.js';

const TREES = new Map<string, number>([
  ['ROOT', format.ROOT_TREE_OBJECTID],
  ['EXTENT', format.EXTENT_TREE_OBJECTID],
  ['CHUNK', format.CHUNK_TREE_OBJECTID],
  ['DEVICE', format.DEV_TREE_OBJECTID],
  ['DEV', format.DEV_TREE_OBJECTID],
  ['FS', format.FS_TREE_OBJECTID],
  ['CSUM', format.CSUM_TREE_OBJECTID],
  ['CHECKSUM', format.CSUM_TREE_OBJECTID],
  ['QUOTA', format.QUOTA_TREE_OBJECTID],
  ['UUID', format.UUID_TREE_OBJECTID],
  ['FREE_SPACE', format.FREE_SPACE_TREE_OBJECTID],
  ['TREE_LOG_FIXUP', format.TREE_LOG_FIXUP_OBJECTID],
  ['TREE_LOG', format.TREE_LOG_OBJECTID],
  ['TREE_RELOC', format.TREE_RELOC_OBJECTID],
  ['DATA_RELOC', format.DATA_RELOC_TREE_OBJECTID],
  ['BLOCK_GROUP', format.BLOCK_GROUP_TREE_OBJECTID],
]);

/**
 * The id of a tree given by number, name (`fs`, `csum`), or the kernel's constant for it, whole or
 * without its beginning or end (`FS_TREE`, `BTRFS_FS_TREE_OBJECTID`).
 *
 * @returns undefined for what is neither
 */
export function treeIdOf(text: string): number | undefined {
  if (/^-?\d+$/.test(text)) {
    const id = Number(BigInt.asIntN(64, BigInt(text)));
    return Number.isSafeInteger(id) && id !== 0 ? id : undefined;
  }
  const name = text
    .toUpperCase()
    .replace(/^BTRFS_/, '')
    .replace(/_OBJECTID$/, '');
  return TREES.get(name) ?? TREES.get(name.replace(/_TREE$/, ''));
}

/** What a tree is called in the line above its blocks. */
export function treeTitle(id: number): string {
  return TITLES.get(id) ?? 'file';
}

const TITLES = new Map<number, string>([
  [format.ROOT_TREE_OBJECTID, 'root'],
  [format.EXTENT_TREE_OBJECTID, 'extent'],
  [format.CHUNK_TREE_OBJECTID, 'chunk'],
  [format.DEV_TREE_OBJECTID, 'device'],
  [format.FS_TREE_OBJECTID, 'fs'],
  [format.ROOT_TREE_DIR_OBJECTID, 'directory'],
  [format.CSUM_TREE_OBJECTID, 'checksum'],
  [format.QUOTA_TREE_OBJECTID, 'quota'],
  [format.UUID_TREE_OBJECTID, 'uuid'],
  [format.FREE_SPACE_TREE_OBJECTID, 'free space'],
  [format.BLOCK_GROUP_TREE_OBJECTID, 'block group'],
  [format.ORPHAN_OBJECTID, 'orphan'],
  [format.TREE_LOG_OBJECTID, 'log'],
  [format.TREE_LOG_FIXUP_OBJECTID, 'log fixup'],
  [format.TREE_RELOC_OBJECTID, 'reloc'],
  [format.DATA_RELOC_TREE_OBJECTID, 'data reloc'],
  [format.EXTENT_CSUM_OBJECTID, 'extent checksum'],
]);
