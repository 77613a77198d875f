/** One item of a leaf as lines: which printer is for which type. */
import * as format from '../../format/index.js';
import {
  blockGroupLines,
  checksumLines,
  extentItemLines,
  freeSpaceHeaderLines,
  freeSpaceInfoLines,
  keyedRefLines,
} from './extent-items.js';
import {
  dirItemLines,
  dirLogLines,
  fileExtentLines,
  fscryptContextLines,
  inodeExtrefLines,
  inodeLines,
  inodeRefLines,
} from './file-items.js';
import type { PrintedItem } from './item-fields.js';
import { isFreeSpaceHeader } from './key-text.js';
import {
  chunkLines,
  devExtentLines,
  devItemLines,
  persistentLines,
  qgroupInfoLines,
  qgroupLimitLines,
  qgroupStatusLines,
  rootItemLines,
  rootRefLines,
  stringLines,
  temporaryLines,
  uuidLines,
} from './volume-items.js';

type Printer = (item: PrintedItem) => string[];

const PRINTERS = new Map<number, Printer>([
  [format.INODE_ITEM_KEY, inodeLines],
  [format.INODE_REF_KEY, inodeRefLines],
  [format.INODE_EXTREF_KEY, inodeExtrefLines],
  [format.XATTR_ITEM_KEY, dirItemLines],
  [format.FSCRYPT_INODE_CTX_KEY, fscryptContextLines],
  [format.FSCRYPT_CTX_KEY, fscryptContextLines],
  [format.ORPHAN_ITEM_KEY, () => ['orphan item']],
  [format.DIR_LOG_ITEM_KEY, dirLogLines],
  [format.DIR_LOG_INDEX_KEY, dirLogLines],
  [format.DIR_ITEM_KEY, dirItemLines],
  [format.DIR_INDEX_KEY, dirItemLines],
  [format.EXTENT_DATA_KEY, fileExtentLines],
  [format.EXTENT_CSUM_KEY, checksumLines],
  [format.ROOT_ITEM_KEY, rootItemLines],
  [format.ROOT_BACKREF_KEY, rootRefLines],
  [format.ROOT_REF_KEY, rootRefLines],
  [format.EXTENT_ITEM_KEY, extentItemLines],
  [format.METADATA_ITEM_KEY, extentItemLines],
  [format.TREE_BLOCK_REF_KEY, keyedRefLines],
  [format.EXTENT_DATA_REF_KEY, keyedRefLines],
  [format.SHARED_BLOCK_REF_KEY, keyedRefLines],
  [format.SHARED_DATA_REF_KEY, keyedRefLines],
  [format.BLOCK_GROUP_ITEM_KEY, blockGroupLines],
  [format.FREE_SPACE_INFO_KEY, freeSpaceInfoLines],
  [format.FREE_SPACE_EXTENT_KEY, () => ['free space extent']],
  [format.FREE_SPACE_BITMAP_KEY, () => ['free space bitmap']],
  [format.DEV_EXTENT_KEY, devExtentLines],
  [format.DEV_ITEM_KEY, devItemLines],
  [format.CHUNK_ITEM_KEY, chunkLines],
  [format.QGROUP_STATUS_KEY, qgroupStatusLines],
  [format.QGROUP_INFO_KEY, qgroupInfoLines],
  [format.QGROUP_LIMIT_KEY, qgroupLimitLines],
  [format.TEMPORARY_ITEM_KEY, temporaryLines],
  [format.PERSISTENT_ITEM_KEY, persistentLines],
  [format.UUID_KEY_SUBVOL, uuidLines],
  [format.UUID_KEY_RECEIVED_SUBVOL, uuidLines],
  [format.STRING_ITEM_KEY, stringLines],
]);

/** What an item holds; nothing for types that the real tool does not explain either. @throws FsError EUCLEAN */
export function itemLines(item: PrintedItem): string[] {
  const printer = isFreeSpaceHeader(item.key) ? freeSpaceHeaderLines : PRINTERS.get(item.key.type);
  return (printer?.(item) ?? []).map((line) => `\t\t${line}`);
}
