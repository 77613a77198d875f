/**
 * Replaying a log: what fsync made durable is brought into the trees of the last commit.
 *
 * Replayed is what `fsync.ts` logs: new files with one name, new extents of files, and their inode
 * items. A kernel logs more (further names, removed names, directories); a volume with such a log stays
 * read-only, and mounting it once with a kernel replays it. All is looked at before anything is
 * changed, and all is changed in one transaction.
 */
import { corrupt, equalBytes, FsError, isFsError, roundUp, viewOf, writeU53 } from '../bytes/index.js';
import {
  bytesAt,
  decodeFileExtent,
  decodeInodeItem,
  ENCRYPTION_FSCRYPT,
  EXTENT_CSUM_KEY,
  EXTENT_DATA_KEY,
  type FileExtent,
  FSCRYPT_CTX_KEY,
  FSCRYPT_INODE_CTX_KEY,
  INCOMPAT_NO_HOLES,
  INODE_EXTREF_KEY,
  INODE_ITEM,
  INODE_ITEM_KEY,
  INODE_NODATASUM,
  INODE_REF_KEY,
  type InodeItem,
  Key,
  XATTR_ITEM_KEY,
} from '../format/index.js';
import { ChecksumTree, type SubvolumeLog, WaitingLog } from '../transaction/index.js';
import type { Cursor, Tree } from '../tree/index.js';
import { dropRange } from './data/drop-range.js';
import { contextKey } from './data/extent-contexts.js';
import { isInline, isOnDisk } from './data/file-extents.js';
import { insertExtent } from './data/flush.js';
import type { Filesystem } from './filesystem.js';
import { checkClaims, checkNewItem, insertNewFile, type NewFile, readNewFile } from './log-replay-names.js';
import { S_IFMT, S_IFREG } from './mode.js';
import type { Subvolume } from './subvolume.js';

/** What a log repeats of an inode without having changed it. */
const REPEATED = [INODE_REF_KEY, INODE_EXTREF_KEY, FSCRYPT_INODE_CTX_KEY, XATTR_ITEM_KEY];
/** What it tells of a new file beside its item and its extents. */
const OF_NEW_FILES = [INODE_REF_KEY, FSCRYPT_INODE_CTX_KEY];

/** Of a new file, in inodes that are written back: its items and its entry, its directory, and who had its name. */
const PLACES_PER_NEW_FILE = 6;

interface LoggedExtent {
  readonly start: number;
  readonly extent: FileExtent;
  readonly context: Uint8Array | undefined;
  /** Of the part that the item uses; undefined in a file without checksums. */
  readonly sums: Uint8Array | undefined;
}

/** What the log has of one subvolume. */
interface SubvolumeReplay {
  readonly subvolume: Subvolume;
  readonly items: Map<number, InodeItem>;
  /** Those of the items that the last commit does not have. */
  readonly newFiles: Map<number, NewFile>;
  readonly extents: Map<number, LoggedExtent[]>;
}

/** Replays the log that waits, and commits. One that cannot be replayed is reported, and the volume stays read-only. */
export function replayLog(filesystem: Filesystem): void {
  const { transaction } = filesystem;
  try {
    const log = new WaitingLog(transaction);
    const replays = log.subvolumes.map(({ id, tree }) => readLog(filesystem.subvolume(id), tree));
    const adopted = newExtents(filesystem, replays);
    log.beginReplay();
    // Reserving might commit, and end the log before it is replayed.
    if (!transaction.hasRoomToReplay(amountOf(replays))) throw new FsError('ENOSPC', 'the volume has no room for it');
    transaction.change(() => {
      for (const [bytenr, length] of adopted) log.adopt(bytenr, length);
      for (const replay of replays) apply(replay);
    });
    filesystem.commit();
  } catch (error) {
    if (!isFsError(error)) throw error;
    transaction.volume.warn(`the log is not replayed: ${error.message}; mounting the volume with a kernel may do so`);
    if (transaction.writable) transaction.abort(error);
  }
}

/** Replaying costs what writing back as many inodes and extents does. */
function amountOf(replays: readonly SubvolumeReplay[]): { inodes: number; sectors: number } {
  let inodes = 0;
  let sectors = 0;
  for (const { items, newFiles, extents } of replays) {
    inodes += items.size + newFiles.size * PLACES_PER_NEW_FILE;
    for (const { length } of extents.values()) sectors += length;
  }
  return { inodes, sectors };
}

/** @throws FsError EOPNOTSUPP for what only a kernel can replay, EUCLEAN */
function readLog(subvolume: Subvolume, tree: Tree): SubvolumeReplay {
  const { superblock } = subvolume.filesystem.transaction.volume;
  if ((superblock.incompatFlags & INCOMPAT_NO_HOLES) === 0n)
    throw new FsError('EOPNOTSUPP', 'the volume records the holes of its files');
  if (subvolume.readOnly) throw corrupt(`subvolume ${subvolume.id}`, 'is read-only and has a log');
  const replay: SubvolumeReplay = { subvolume, items: new Map(), newFiles: new Map(), extents: new Map() };
  const { sectorsize, checksum } = subvolume.filesystem.transaction.volume;
  const checksums = new ChecksumTree(tree, sectorsize, checksum.size);
  for (const cursor = tree.seek(new Key(0, 0, 0)); cursor.valid; cursor.next()) {
    readItem(replay, { tree, checksums }, cursor);
  }
  checkClaims(replay.newFiles.values());
  return replay;
}

/** Checksums and contexts are read with the extents they belong to: there may be others, of extents that went. */
function readItem(replay: SubvolumeReplay, log: SubvolumeLog, cursor: Cursor): void {
  const { keyType } = cursor;
  if (keyType === EXTENT_CSUM_KEY || keyType === FSCRYPT_CTX_KEY) return;
  if (keyType === INODE_ITEM_KEY) readInode(replay, log.tree, cursor);
  else if (OF_NEW_FILES.includes(keyType) && replay.newFiles.has(cursor.keyObjectid)) return;
  else if (keyType === EXTENT_DATA_KEY) {
    const ino = cursor.keyObjectid;
    const item = replay.items.get(ino);
    if (item === undefined) throw corrupt(cursor.describe(), 'an extent of an inode that is not logged');
    const known = replay.extents.get(ino) ?? [];
    known.push(readExtent(log, cursor, (item.flags & INODE_NODATASUM) === 0n));
    replay.extents.set(ino, known);
  } else {
    assertRepeated(replay.subvolume, cursor);
  }
}

function readInode({ subvolume, items, newFiles }: SubvolumeReplay, tree: Tree, cursor: Cursor): void {
  const ino = cursor.keyObjectid;
  const logged = decodeLogged(cursor);
  const known = subvolume.tree.get(new Key(ino, INODE_ITEM_KEY, 0));
  items.set(ino, logged);
  if (known !== undefined) {
    checkSame(decodeInodeItem(known.view, known.at), logged, cursor);
    return;
  }
  checkNewItem(subvolume, cursor, logged);
  newFiles.set(ino, readNewFile(subvolume, tree, ino, logged));
}

/** The kernel leaves what was in its memory where the bytes of the file's extents are counted. */
function decodeLogged(cursor: Cursor): InodeItem {
  const view = viewOf(new Uint8Array(cursor.bytes()));
  writeU53(view, INODE_ITEM.nbytes, 0);
  return decodeInodeItem(view, 0);
}

/** @throws FsError EOPNOTSUPP */
function checkSame(item: InodeItem, logged: InodeItem, cursor: Cursor): void {
  const isFile = ({ mode }: InodeItem): boolean => (mode & S_IFMT) === S_IFREG;
  const isSame = isFile(item) && isFile(logged) && item.generation === logged.generation;
  if (isSame && item.nlink === logged.nlink && item.nlink > 0) return;
  throw new FsError('EOPNOTSUPP', `${cursor.describe()}: not a file that the last commit has by the same names`);
}

function readExtent({ tree, checksums }: SubvolumeLog, cursor: Cursor, hasSums: boolean): LoggedExtent {
  const extent = decodeFileExtent(cursor.view, cursor.at, cursor.size);
  if (isInline(extent) || !isOnDisk(extent)) {
    throw new FsError('EOPNOTSUPP', `${cursor.describe()}: an extent without a place on disk`);
  }
  const start = cursor.keyOffset;
  const context = tree.get(contextKey(cursor.keyObjectid, start))?.bytes();
  const needsItem = extent.encryption === ENCRYPTION_FSCRYPT && extent.context === undefined;
  if (needsItem !== (context !== undefined)) throw corrupt(cursor.describe(), 'extent and context do not match');
  const sums = hasSums ? checksums.copyOf(extent.diskBytenr + extent.offset, extent.numBytes) : undefined;
  if (hasSums && sums === undefined) throw corrupt(cursor.describe(), 'the log has no checksums of the extent');
  return { start, extent, context, sums };
}

/** @throws FsError EOPNOTSUPP unless the subvolume has the very same item */
function assertRepeated(subvolume: Subvolume, cursor: Cursor): void {
  const known = REPEATED.includes(cursor.keyType) ? subvolume.tree.get(cursor.key) : undefined;
  if (known !== undefined && known.size === cursor.size) {
    const [one, other] = [bytesAt(known.view, known.at, known.size), bytesAt(cursor.view, cursor.at, cursor.size)];
    if (equalBytes(one, other)) return;
  }
  throw new FsError('EOPNOTSUPP', `${cursor.describe()}: a change of names or attributes`);
}

/** Lengths of the extents that the last commit does not have, by address. @throws FsError EUCLEAN */
function newExtents({ transaction }: Filesystem, replays: readonly SubvolumeReplay[]): Map<number, number> {
  const found = new Map<number, number>();
  const logged = replays.flatMap(({ extents }) => [...extents.values()].flat());
  for (const { diskBytenr, diskNumBytes } of logged.map(({ extent }) => extent)) {
    const known = found.get(diskBytenr);
    if (known !== undefined && known !== diskNumBytes)
      throw corrupt(`extent ${diskBytenr} of the log`, 'has two lengths');
    if (transaction.space.isFree(diskBytenr, diskNumBytes)) found.set(diskBytenr, diskNumBytes);
    else if (transaction.dataExtentUse(diskBytenr, diskNumBytes).refs < 1)
      throw corrupt(`extent ${diskBytenr} of the log`, 'is neither free nor an extent');
  }
  let end = 0;
  for (const [start, length] of [...found].sort(([a], [b]) => a - b)) {
    if (start < end) throw corrupt(`extent ${start} of the log`, 'overlaps another');
    end = start + length;
  }
  return found;
}

function apply({ subvolume, items, newFiles, extents }: SubvolumeReplay): void {
  const { transaction } = subvolume.filesystem;
  for (const [ino, logged] of items) {
    const newFile = newFiles.get(ino);
    if (newFile !== undefined) insertNewFile(subvolume, ino, logged, newFile);
    const inode = subvolume.inode(ino);
    const { list } = inode.data;
    const end = roundUp(logged.size, list.sectorsize);
    dropRange(list, inode, end, Number.MAX_SAFE_INTEGER);
    for (const { start, extent, context, sums } of extents.get(ino) ?? []) {
      dropRange(list, inode, start, start + extent.numBytes);
      insertExtent(list, inode, start, { ...extent, generation: transaction.transid }, context);
      if (sums === undefined) continue;
      const bytenr = extent.diskBytenr + extent.offset;
      transaction.removeChecksums(bytenr, extent.numBytes);
      transaction.insertChecksums(bytenr, sums);
    }
    const { nbytes, nlink } = inode.item;
    Object.assign(inode.item, logged, { nbytes, nlink });
    inode.needCommit();
    inode.markDirty();
  }
}
