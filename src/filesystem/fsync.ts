/**
 * Making one file durable without committing the whole transaction, by way of the log.
 *
 * The log takes what can be told of a file that the last commit has by the same names, or of one made
 * since: its inode item, its only name if it is new, and extents that it was given since, with contexts
 * and checksums. Everything else, such as further names, attributes that are items of their own, or
 * extents that went, makes fsync commit.
 *
 * @see linux fs/btrfs/tree-log.c btrfs_log_inode, which tells more of them
 */
import { isFsError } from '../bytes/index.js';
import {
  decodeFileExtent,
  EXTENT_DATA_KEY,
  encodeFileExtent,
  encodeInodeItem,
  encodeInodeRef,
  FSCRYPT_CTX_KEY,
  FSCRYPT_INODE_CTX_KEY,
  INODE_ITEM,
  INODE_ITEM_KEY,
  INODE_NODATASUM,
  INODE_REF_KEY,
  Key,
} from '../format/index.js';
import type { SubvolumeLog, TransactionLog } from '../transaction/index.js';
import { contextItemBytes } from './data/context-recovery.js';
import type { FileRange } from './data/dirty-sectors.js';
import { hasContextItem } from './data/extent-contexts.js';
import { extentAtOrAfter, extentDataKey, extentsFrom, holdsData, type PlacedExtent } from './data/file-extents.js';
import type { Inode } from './inode.js';
import { loggableName } from './new-names.js';

/** Items of the log that one range of a file changes, more or less. */
const ITEMS_PER_RANGE = 4;
/** Of an inode without its extents: its item, its name, its context. */
const ITEMS_OF_INODE = 4;
/** Taking any number of inodes out of the log writes no more than all of its blocks anew. */
const MAX_ITEMS_OF_GONE = 32;
/** With more ranges than this a commit is the lesser work. */
const MAX_RANGES = 2048;

/**
 * Makes what was written to an inode durable. Returns when it would survive a power cut.
 *
 * @throws FsError EIO, EROFS, ENOSPC, ENOKEY
 */
export function fsync(inode: Inode): void {
  const { filesystem } = inode;
  if (!filesystem.transaction.writable) {
    filesystem.sync();
    return;
  }
  if (!isLoggable(inode)) {
    filesystem.commit();
    return;
  }
  inode.data.flush();
  // Writing may have committed on the way, or have made of a small file what a log cannot tell.
  if (!hasNews(inode)) return;
  if (!isLoggable(inode) || !logFile(inode)) filesystem.commit();
}

function isLoggable(inode: Inode): boolean {
  const { transid } = inode.filesystem.transaction;
  if (!inode.isRegular || inode.commitNeededIn === transid || inode.item.nlink === 0) return false;
  // The last commit may have it as read-only, and such a subvolume has no log.
  if (inode.subvolume.tree.rootItemChanged) return false;
  return (!isNew(inode) || loggableName(inode) !== undefined) && inode.data.isLoggable;
}

/** Whether the last commit does not have it. */
function isNew({ item, filesystem }: Inode): boolean {
  return item.generation === filesystem.transaction.transid;
}

/** Whether anything of the inode is newer than the last commit and the log. */
function hasNews(inode: Inode): boolean {
  const { transid } = inode.filesystem.transaction;
  if (inode.commitNeededIn === transid) return true;
  const isChanged = inode.isDirty || inode.item.transid === transid;
  return inode.data.isDirty || inode.data.unlogged.length > 0 || (isChanged && !inode.isLogged);
}

/** @returns false if the log does not take it: a commit must */
function logFile(inode: Inode): boolean {
  const { transaction } = inode.filesystem;
  const { transid } = transaction;
  const { data } = inode;
  const ranges = data.unlogged;
  if (ranges.length > MAX_RANGES) return false;
  try {
    const gone = Math.min(transaction.log.goneCount * ITEMS_OF_INODE, MAX_ITEMS_OF_GONE);
    transaction.reserve(ranges.length * ITEMS_PER_RANGE + ITEMS_OF_INODE + gone);
    if (transaction.transid !== transid) return !hasNews(inode);
    const log = transaction.log.open();
    if (log === undefined) return false;
    const subvolumeLog = log.of(inode.subvolume.id);
    putInodeItem(inode, subvolumeLog);
    if (isNew(inode) && !putName(inode, subvolumeLog)) return false;
    for (const range of ranges) if (!logRange(inode, log, subvolumeLog, range)) return false;
    transaction.change(() => log.sync());
  } catch (error) {
    if (isFsError(error, 'ENOSPC') && transaction.writable) return false;
    throw error;
  }
  data.clearUnlogged();
  inode.isLogged = true;
  return true;
}

function putInodeItem({ ino, item, filesystem }: Inode, { tree }: SubvolumeLog): void {
  const key = new Key(ino, INODE_ITEM_KEY, 0);
  const place = tree.change(key) ?? tree.insertEmpty(key, INODE_ITEM.SIZE);
  // Whoever replays the extents counts their bytes.
  encodeInodeItem(place.view, place.at, { ...item, transid: filesystem.transaction.transid, nbytes: 0 });
}

/** Logs of a new file its name, and its context if it has one. @returns false if the name cannot be told */
function putName(inode: Inode, { tree }: SubvolumeLog): boolean {
  const { ino, subvolume } = inode;
  const name = loggableName(inode);
  if (name === undefined) return false;
  const reference = new Key(ino, INODE_REF_KEY, name.parent);
  if (tree.get(reference) !== undefined) return true;
  tree.insert(reference, encodeInodeRef({ index: name.sequence, name: name.name }));
  const key = new Key(ino, FSCRYPT_INODE_CTX_KEY, 0);
  const context = subvolume.tree.get(key);
  if (context !== undefined) tree.insert(key, context.bytes());
  return true;
}

/**
 * Logs what a range of the file maps to now, in the place of what the log said of it before.
 *
 * @returns false if part of it is older than the transaction, which is never so unless the file was changed otherwise
 */
function logRange(inode: Inode, log: TransactionLog, { tree, checksums }: SubvolumeLog, range: FileRange): boolean {
  const { ino } = inode;
  const { list } = inode.data;
  const { transid } = inode.filesystem.transaction;
  const { start, end } = wholeItems(inode, tree, range);
  for (const type of [FSCRYPT_CTX_KEY, EXTENT_DATA_KEY]) {
    while (tree.removeRange(new Key(ino, type, start), new Key(ino, type, end - 1)));
  }
  for (const placed of extentsFrom(list, start)) {
    if (placed.start >= end) break;
    const { extent } = placed;
    if (extent.generation !== transid || !holdsData(extent) || placed.start < start || placed.end > end) return false;
    tree.insert(extentDataKey(ino, placed.start), encodeFileExtent(extent));
    if (hasContextItem(placed)) {
      const context = contextItemBytes(inode, placed);
      if (context === undefined) return false;
      tree.insert(new Key(ino, FSCRYPT_CTX_KEY, placed.start), context);
    }
    if ((inode.item.flags & INODE_NODATASUM) === 0n && !copyChecksums(inode, checksums, placed)) return false;
    log.holdExtent(extent.diskBytenr);
  }
  return true;
}

/** The range, widened to the items that the log has of it. */
function wholeItems({ ino, data }: Inode, tree: SubvolumeLog['tree'], { start, end }: FileRange): FileRange {
  const cursor = tree.seekAtOrBefore(extentDataKey(ino, end - 1));
  for (; cursor.isItemOf(ino, EXTENT_DATA_KEY); cursor.previous()) {
    const from = cursor.keyOffset;
    const to = from + decodeFileExtent(cursor.view, cursor.at, cursor.size).numBytes;
    if (to <= start) break;
    start = Math.min(start, from);
    end = Math.max(end, to);
  }
  const first = extentAtOrAfter(data.list, start);
  return { start: Math.min(start, first?.start ?? start), end };
}

/** The checksums of the part of an extent that an item uses. */
function copyChecksums(inode: Inode, checksums: SubvolumeLog['checksums'], { extent }: PlacedExtent): boolean {
  const bytenr = extent.diskBytenr + extent.offset;
  const sums = inode.filesystem.transaction.checksumsOf(bytenr, extent.numBytes);
  if (sums === undefined) return false;
  checksums.remove(bytenr, extent.numBytes);
  checksums.insert(bytenr, sums);
  return true;
}
