/**
 * Directory entries as the trees hold them, by stored name (ciphertext in an encrypted directory).
 *
 * A name is three items that say the same: DIR_ITEM (dir, nameHash), where equal hashes share an
 * item; DIR_INDEX (dir, sequence), which orders the listing; and the way back from what is named:
 * INODE_REF or, when that item is full, INODE_EXTREF (for subvolumes see root-refs.ts).
 */
import { corrupt, equalBytes, FsError } from '../bytes/index.js';
import {
  DIR_INDEX_KEY,
  DIR_ITEM,
  DIR_ITEM_KEY,
  type DirItem,
  decodeDirItems,
  decodeInodeExtrefs,
  decodeInodeRefs,
  decodeKey,
  dirItemSize,
  encodeInodeExtref,
  encodeInodeRef,
  extrefHash,
  FT_ENCRYPTED,
  findDirItem,
  HEADER,
  INCOMPAT_EXTENDED_IREF,
  INODE_EXTREF,
  INODE_EXTREF_KEY,
  INODE_REF,
  INODE_REF_KEY,
  ITEM,
  inodeExtrefSize,
  inodeRefSize,
  Key,
  LINK_MAX,
  MAX_OFFSET,
  nameHash,
  ROOT_ITEM_KEY,
  writeDirItem,
  writeInodeExtref,
  writeInodeRef,
} from '../format/index.js';
import type { Cursor, ItemPlace, Tree } from '../tree/index.js';
import type { Filesystem } from './filesystem.js';
import type { Inode } from './inode.js';
import { noteEntry } from './link-count.js';
import { noteKeptName } from './new-names.js';

/** The first DIR_INDEX offset of a directory: 0 and 1 stand for `.` and `..`. */
const FIRST_SEQUENCE = 2;
const EMPTY = new Uint8Array(0);

/** One entry of a directory as found in its tree. */
export interface StoredEntry {
  readonly name: Uint8Array;
  readonly location: Key;
  /** FT_*, without FT_ENCRYPTED. */
  readonly type: number;
}

/** Where a name goes back from an inode to a directory. */
export interface InodeName {
  readonly parent: number;
  readonly sequence: number;
  readonly name: Uint8Array;
}

/** Largest item data a leaf of the volume takes, in bytes. */
export function maxItemSize(filesystem: Filesystem): number {
  return filesystem.transaction.volume.nodesize - HEADER.SIZE - ITEM.SIZE;
}

export function isSubvolumeEntry(entry: { readonly location: Key }): boolean {
  return entry.location.type === ROOT_ITEM_KEY;
}

export function toStoredEntry({ name, location, type }: DirItem): StoredEntry {
  return { name, location, type: type & ~FT_ENCRYPTED };
}

/** The entries whose stored names have this hash. */
export function entriesWithHash(directory: Inode, hash: number): DirItem[] {
  const cursor = directory.subvolume.tree.get(new Key(directory.ino, DIR_ITEM_KEY, hash));
  return cursor === undefined ? [] : decodeDirItems(cursor.view, cursor.at, cursor.size);
}

export function findEntry(directory: Inode, name: Uint8Array): StoredEntry | undefined {
  const cursor = directory.subvolume.tree.get(new Key(directory.ino, DIR_ITEM_KEY, nameHash(name)));
  if (cursor === undefined) return undefined;
  const { view } = cursor;
  const found = findDirItem(view, cursor.at, cursor.size, name);
  if (found === undefined) return undefined;
  const type = view.getUint8(found.at + DIR_ITEM.type) & ~FT_ENCRYPTED;
  return { name, location: decodeKey(view, found.at + DIR_ITEM.location), type };
}

/** Whether the directory holds no entry at all. */
export function isEmptyDirectory(directory: Inode): boolean {
  const cursor = directory.subvolume.tree.seek(new Key(directory.ino, DIR_INDEX_KEY, 0));
  return !cursor.isItemOf(directory.ino, DIR_INDEX_KEY);
}

/** The highest sequence number in use; 1 in an empty directory. */
export function highestSequence(directory: Inode): number {
  if (directory.lastSequence === undefined) {
    const cursor = directory.subvolume.tree.seekAtOrBefore(new Key(directory.ino, DIR_INDEX_KEY, MAX_OFFSET));
    const highest = cursor.isItemOf(directory.ino, DIR_INDEX_KEY) ? cursor.keyOffset : 0;
    directory.lastSequence = Math.max(highest, FIRST_SEQUENCE - 1);
  }
  return directory.lastSequence;
}

/** Takes a sequence number above every one in use. */
export function nextSequence(directory: Inode): number {
  const sequence = highestSequence(directory) + 1;
  if (!Number.isSafeInteger(sequence)) throw corrupt(directory.describe(), 'the numbers of its entries have run out');
  directory.lastSequence = sequence;
  return sequence;
}

/** @throws FsError EOVERFLOW if too many names of the directory share this one's hash */
export function checkRoomForEntry(directory: Inode, name: Uint8Array): void {
  const cursor = directory.subvolume.tree.get(new Key(directory.ino, DIR_ITEM_KEY, nameHash(name)));
  if (cursor === undefined) return;
  if (cursor.size + dirItemSize({ name, data: EMPTY }) > maxItemSize(directory.filesystem)) {
    throw new FsError('EOVERFLOW', 'too many names of one directory have the same hash');
  }
}

/** Adds DIR_ITEM and DIR_INDEX of a name that is not there yet, and its length to the directory's size. */
export function addEntry(directory: Inode, { name, location, type }: StoredEntry, sequence: number): void {
  const { tree } = directory.subvolume;
  const { transid } = directory.filesystem.transaction;
  const storedType = directory.encrypted ? type | FT_ENCRYPTED : type;
  const entry: DirItem = { location, transid, type: storedType, name, data: EMPTY };
  const size = dirItemSize(entry);
  const item = appendToItem(tree, new Key(directory.ino, DIR_ITEM_KEY, nameHash(name)), size);
  writeDirItem(item.view, item.at, entry);
  const index = tree.insertEmpty(new Key(directory.ino, DIR_INDEX_KEY, sequence), size);
  writeDirItem(index.view, index.at, entry);
  directory.item.size = Math.min(directory.item.size + 2 * name.length, Number.MAX_SAFE_INTEGER);
  noteEntry(directory, type, 1);
  directory.touch('contents');
}

/**
 * Removes DIR_ITEM and DIR_INDEX of a name, and its length from the directory's size.
 *
 * @param isFree - what had the name is gone with it, and a log may give the name to another: see new-names.ts
 */
export function removeEntry(directory: Inode, name: Uint8Array, sequence: number, isFree = false): void {
  const { tree } = directory.subvolume;
  const key = new Key(directory.ino, DIR_ITEM_KEY, nameHash(name));
  // Or the number of the last entry, removed, would be given again to one that is logged: the last commit has it.
  highestSequence(directory);
  if (!isFree) noteKeptName(directory, key.offset);
  const cursor = tree.get(key);
  const found = cursor && findDirItem(cursor.view, cursor.at, cursor.size, name);
  if (cursor !== undefined && found !== undefined) {
    noteEntry(directory, cursor.view.getUint8(found.at + DIR_ITEM.type), -1);
    removeFromItem(tree, key, cursor, found.at, found.size);
  }
  tree.remove(new Key(directory.ino, DIR_INDEX_KEY, sequence));
  directory.item.size = Math.max(0, directory.item.size - 2 * name.length);
  directory.touch('contents');
}

// --- from an inode back to its names ---

/** All names of an inode: those in INODE_REF items first. */
export function* namesOf(tree: Tree, ino: number): Generator<InodeName> {
  const names: InodeName[] = [];
  const cursor = tree.seek(new Key(ino, INODE_REF_KEY, 0));
  for (; cursor.isItemOf(ino, INODE_REF_KEY); cursor.next()) {
    for (const { index, name } of decodeInodeRefs(cursor.view, cursor.at, cursor.size)) {
      names.push({ parent: cursor.keyOffset, sequence: index, name });
    }
  }
  yield* names;
  const extended: InodeName[] = [];
  const further = tree.seek(new Key(ino, INODE_EXTREF_KEY, 0));
  for (; further.isItemOf(ino, INODE_EXTREF_KEY); further.next()) {
    for (const { parent, index, name } of decodeInodeExtrefs(further.view, further.at, further.size)) {
      extended.push({ parent, sequence: index, name });
    }
  }
  yield* extended;
}

/** The sequence number of one name of an inode. @throws FsError EUCLEAN if the inode does not know the name */
export function sequenceOf(tree: Tree, ino: number, parent: number, name: Uint8Array): number {
  const refs = tree.get(new Key(ino, INODE_REF_KEY, parent));
  if (refs !== undefined) {
    const ref = decodeInodeRefs(refs.view, refs.at, refs.size).find((other) => equalBytes(other.name, name));
    if (ref !== undefined) return ref.index;
  }
  const extrefs = tree.get(new Key(ino, INODE_EXTREF_KEY, extrefHash(parent, name)));
  if (extrefs !== undefined) {
    const all = decodeInodeExtrefs(extrefs.view, extrefs.at, extrefs.size);
    const ref = all.find((other) => other.parent === parent && equalBytes(other.name, name));
    if (ref !== undefined) return ref.index;
  }
  throw corrupt(`tree ${tree.id}, inode ${ino}`, `no reference to its name in directory ${parent}`);
}

/** @throws FsError EMLINK if the inode can have no further name */
export function checkRoomForName(inode: Inode, parent: number, name: Uint8Array): void {
  if (inode.item.nlink >= LINK_MAX) throw new FsError('EMLINK', `${inode.describe()} has ${LINK_MAX} names`);
  checkRoomForReference(inode, parent, name);
}

/** @throws FsError EMLINK if the items that refer back to names have no room for this one */
export function checkRoomForReference(inode: Inode, parent: number, name: Uint8Array): void {
  if (fitsInodeRef(inode, parent, name)) return;
  const { superblock } = inode.filesystem.transaction.volume;
  const key = new Key(inode.ino, INODE_EXTREF_KEY, extrefHash(parent, name));
  const size = (inode.subvolume.tree.get(key)?.size ?? 0) + INODE_EXTREF.SIZE + name.length;
  if ((superblock.incompatFlags & INCOMPAT_EXTENDED_IREF) === 0n || size > maxItemSize(inode.filesystem)) {
    throw new FsError('EMLINK', `${inode.describe()} has as many names in one directory as the format allows`);
  }
}

/** Adds the reference back from an inode to a name of it. */
export function addName(inode: Inode, { parent, sequence, name }: InodeName): void {
  const { tree } = inode.subvolume;
  inode.needCommit();
  if (fitsInodeRef(inode, parent, name)) {
    const ref = { index: sequence, name };
    const place = appendToItem(tree, new Key(inode.ino, INODE_REF_KEY, parent), inodeRefSize(ref));
    writeInodeRef(place.view, place.at, ref);
  } else {
    const extref = { parent, index: sequence, name };
    const key = new Key(inode.ino, INODE_EXTREF_KEY, extrefHash(parent, name));
    const place = appendToItem(tree, key, inodeExtrefSize(extref));
    writeInodeExtref(place.view, place.at, extref);
  }
}

/** Removes the reference back from an inode to one of its names. */
export function removeName(inode: Inode, { parent, name }: Pick<InodeName, 'parent' | 'name'>): void {
  const { tree } = inode.subvolume;
  inode.needCommit();
  const key = new Key(inode.ino, INODE_REF_KEY, parent);
  const cursor = tree.get(key);
  const refs = cursor === undefined ? [] : decodeInodeRefs(cursor.view, cursor.at, cursor.size);
  const rest = refs.filter((ref) => !equalBytes(ref.name, name));
  if (rest.length < refs.length) {
    setOrRemove(tree, key, rest.map(encodeInodeRef));
    return;
  }
  const extendedKey = new Key(inode.ino, INODE_EXTREF_KEY, extrefHash(parent, name));
  const extended = tree.get(extendedKey);
  if (extended === undefined) throw corrupt(inode.describe(), 'does not refer to the name that is removed');
  const others = decodeInodeExtrefs(extended.view, extended.at, extended.size).filter(
    (ref) => ref.parent !== parent || !equalBytes(ref.name, name),
  );
  setOrRemove(tree, extendedKey, others.map(encodeInodeExtref));
}

function fitsInodeRef(inode: Inode, parent: number, name: Uint8Array): boolean {
  const size = inode.subvolume.tree.get(new Key(inode.ino, INODE_REF_KEY, parent))?.size ?? 0;
  return size + INODE_REF.SIZE + name.length <= maxItemSize(inode.filesystem);
}

// --- items that several entries share ---

/** Makes room for `size` more bytes at the end of an item, or for a new one. @returns where they go */
function appendToItem(tree: Tree, key: Key, size: number): ItemPlace {
  if (tree.get(key) === undefined) return tree.insertEmpty(key, size);
  const { view, at, size: whole } = tree.lengthen(key, size);
  return { view, at: at + whole - size, size };
}

/** Takes `size` bytes at `at` out of the item that a cursor stands on, and with the last ones the item. */
function removeFromItem(tree: Tree, key: Key, cursor: Cursor, at: number, size: number): void {
  const before = at - cursor.at;
  const bytes = cursor.bytes();
  if (bytes.length === size) tree.remove(key);
  else tree.replace(key, joined([bytes.subarray(0, before), bytes.subarray(before + size)]));
}

function setOrRemove(tree: Tree, key: Key, parts: Uint8Array[]): void {
  if (parts.length === 0) tree.remove(key);
  else tree.replace(key, joined(parts));
}

function joined(parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
