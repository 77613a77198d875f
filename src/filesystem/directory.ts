/** Listing a directory. */
import { corrupt, equalBytes, FsError } from '../bytes/index.js';
import {
  DIR_INDEX_KEY,
  type DirItem,
  decodeDirItems,
  decodeInodeRefs,
  FT_DIR,
  FT_ENCRYPTED,
  INODE_ITEM_KEY,
  INODE_REF_KEY,
  Key,
} from '../format/index.js';
import { highestSequence, isSubvolumeEntry } from './entries.js';
import type { Inode } from './inode.js';
import { isNamedBy, isPlaceholder } from './lookup.js';
import { namesCipher, type ShownName, shownName } from './names.js';
import { parentOfSubvolume } from './root-refs.js';

/** Entries read at a time; in between the directory may change. */
const BATCH = 256;

export interface DirectoryEntry {
  /** As shown. */
  readonly name: Uint8Array;
  /** Its place in the listing: a number that only grows while the directory is listed. */
  readonly offset: number;
  /** FT_REG_FILE, FT_DIR and so on. */
  readonly type: number;
  /** In its own subvolume; 256 for a subvolume's top. */
  readonly ino: number;
  /** Set if the entry is a subvolume. */
  readonly subvolumeId?: number;
  /** The name is shown in its no-key form. */
  readonly noKey: boolean;
}

/** @throws FsError ENOTDIR, EUCLEAN */
export function readDirectory(directory: Inode, from: number): Iterable<DirectoryEntry> {
  if (!directory.isDirectory) throw new FsError('ENOTDIR', `${directory.describe()} is no directory`);
  return isPlaceholder(directory) ? [] : entriesFrom(directory, from);
}

/** Ends at what was there at the beginning, or renaming each entry as it comes would never end. */
function* entriesFrom(directory: Inode, from: number): Generator<DirectoryEntry> {
  const last = highestSequence(directory);
  for (let batch = readBatch(directory, from, last); batch.length > 0; batch = readBatch(directory, from, last)) {
    const cipher = directory.encrypted ? namesCipher(directory) : undefined;
    const shown = batch.map(({ item, offset }) =>
      toEntry(directory, item, offset, shownName(directory, cipher, item.name)),
    );
    yield* shown;
    from = (batch.at(-1)?.offset ?? from) + 1;
  }
}

function readBatch(directory: Inode, from: number, last: number): { item: DirItem; offset: number }[] {
  const batch: { item: DirItem; offset: number }[] = [];
  const cursor = directory.subvolume.tree.seek(new Key(directory.ino, DIR_INDEX_KEY, from));
  for (; batch.length < BATCH && cursor.isItemOf(directory.ino, DIR_INDEX_KEY); cursor.next()) {
    if (cursor.keyOffset > last) break;
    const [item] = decodeDirItems(cursor.view, cursor.at, cursor.size);
    if (item === undefined) throw corrupt(cursor.describe(), 'an entry without a name');
    batch.push({ item, offset: cursor.keyOffset });
  }
  return batch;
}

function toEntry(directory: Inode, item: DirItem, offset: number, { name, noKey }: ShownName): DirectoryEntry {
  const { location } = item;
  const type = item.type & ~FT_ENCRYPTED;
  if (type === FT_DIR) assertListedOnce(directory, item, offset);
  if (isSubvolumeEntry(item)) return { name, noKey, offset, type, ino: 256, subvolumeId: location.objectid };
  if (location.type !== INODE_ITEM_KEY) throw corrupt(`directory entry ${offset}`, `it names ${location}, no inode`);
  return { name, noKey, offset, type, ino: location.objectid };
}

/**
 * A directory refers back to its one entry. Listed twice under its name, all below it would be seen
 * ever more often. What refers back to elsewhere is listed, and found out by looking it up.
 */
function assertListedOnce(directory: Inode, item: DirItem, offset: number): void {
  const sequence = isSubvolumeEntry(item) ? sequenceOfSubvolume(directory, item) : sequenceOfChild(directory, item);
  if (sequence === undefined || sequence === offset) return;
  throw corrupt(directory.describe(), `entry ${offset} names what refers back to entry ${sequence}`);
}

function sequenceOfSubvolume(directory: Inode, item: DirItem): number | undefined {
  const { rootTree } = directory.filesystem.transaction;
  return isNamedBy(directory, item) ? parentOfSubvolume(rootTree, item.location.objectid)?.sequence : undefined;
}

function sequenceOfChild(directory: Inode, { location, name }: DirItem): number | undefined {
  const cursor = directory.subvolume.tree.get(new Key(location.objectid, INODE_REF_KEY, directory.ino));
  const refs = cursor === undefined ? [] : decodeInodeRefs(cursor.view, cursor.at, cursor.size);
  return refs.find((ref) => equalBytes(ref.name, name))?.index;
}
