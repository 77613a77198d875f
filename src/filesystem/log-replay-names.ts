/**
 * New files in a log: judged before anything is changed, then made.
 *
 * The log has the item of such a file, one reference to its directory, and its encryption context;
 * the entry of the directory follows from the reference. See new-names.ts for who logs them.
 */
import { corrupt, FsError, isFsError, toHex } from '../bytes/index.js';
import {
  decodeInodeRefs,
  FSCRYPT_INODE_CTX_KEY,
  FT_REG_FILE,
  INODE_ENCRYPT,
  INODE_ITEM_KEY,
  INODE_REF_KEY,
  type InodeItem,
  Key,
} from '../format/index.js';
import { parseInodeContext, policiesEqual } from '../fscrypt/index.js';
import type { Cursor, Tree } from '../tree/index.js';
import { insertInodeItem } from './create.js';
import {
  addEntry,
  addName,
  checkRoomForEntry,
  findEntry,
  highestSequence,
  type InodeName,
  isSubvolumeEntry,
  removeEntry,
  sequenceOf,
} from './entries.js';
import type { Inode } from './inode.js';
import { inodeOf } from './lookup.js';
import { S_IFMT, S_IFREG } from './mode.js';
import { shownName } from './names.js';
import { dropName } from './remove.js';
import type { Subvolume } from './subvolume.js';

/** A file that the last commit does not have. */
export interface NewFile extends InodeName {
  /** Its encryption context as stored, if it has one. */
  readonly context: Uint8Array | undefined;
}

/** What the item of an inode that the last commit does not have must be. @throws FsError EUCLEAN, EOPNOTSUPP */
export function checkNewItem({ tree, filesystem }: Subvolume, cursor: Cursor, item: InodeItem): void {
  const { keyObjectid: ino } = cursor;
  const place = cursor.describe();
  if ((item.mode & S_IFMT) !== S_IFREG || item.nlink !== 1) {
    throw new FsError('EOPNOTSUPP', `${place}: not a file that the last commit has, nor a new one with one name`);
  }
  if (item.generation !== filesystem.transaction.transid) throw corrupt(place, 'neither in the last commit nor new');
  const found = tree.seek(new Key(ino, 0, 0));
  if (found.valid && found.keyObjectid === ino) throw corrupt(place, 'the last commit has items of it, but no inode');
}

/** @throws FsError EUCLEAN, EOPNOTSUPP if it has not exactly one name that its directory can take */
export function readNewFile(subvolume: Subvolume, tree: Tree, ino: number, item: InodeItem): NewFile {
  const { parent, sequence, name } = onlyName(tree, ino);
  const context = tree.get(new Key(ino, FSCRYPT_INODE_CTX_KEY, 0))?.bytes();
  const directory = directoryOf(subvolume, ino, parent);
  const where = `new file ${ino} of the log`;
  shownName(directory, undefined, name);
  if (ownerOf(directory, name)?.inode.isRegular === false)
    throw corrupt(where, 'its name is that of something else than a file');
  checkRoomForEntry(directory, name);
  if (sequence <= highestSequence(directory)) throw corrupt(where, `its directory has gone beyond number ${sequence}`);
  checkEncryption(directory, where, item, context);
  return { parent, sequence, name, context };
}

function onlyName(tree: Tree, ino: number): InodeName {
  const names: InodeName[] = [];
  const cursor = tree.seek(new Key(ino, INODE_REF_KEY, 0));
  for (; cursor.isItemOf(ino, INODE_REF_KEY); cursor.next()) {
    for (const { index, name } of decodeInodeRefs(cursor.view, cursor.at, cursor.size)) {
      names.push({ parent: cursor.keyOffset, sequence: index, name });
    }
  }
  const [only] = names;
  if (only === undefined || names.length > 1) {
    throw new FsError('EOPNOTSUPP', `new file ${ino} of the log: ${names.length} names, not one`);
  }
  return only;
}

function directoryOf(subvolume: Subvolume, ino: number, parent: number): Inode {
  try {
    const directory = subvolume.inode(parent);
    if (directory.isDirectory && directory.item.nlink > 0) return directory;
  } catch (error) {
    if (!isFsError(error, 'ENOENT')) throw error;
  }
  throw corrupt(`new file ${ino} of the log`, `${parent} is no directory of the last commit`);
}

/** Who has the name in the last commit: it was removed before the name was given anew. @throws FsError EUCLEAN */
function ownerOf(directory: Inode, name: Uint8Array): { inode: Inode; sequence: number } | undefined {
  const entry = findEntry(directory, name);
  if (entry === undefined) return undefined;
  if (isSubvolumeEntry(entry)) throw corrupt(directory.describe(), 'the log gives the name of a subvolume to a file');
  const inode = inodeOf(directory, entry);
  return { inode, sequence: sequenceOf(directory.subvolume.tree, inode.ino, directory.ino, name) };
}

/** A new file is encrypted as its directory is. */
function checkEncryption(directory: Inode, where: string, item: InodeItem, context: Uint8Array | undefined): void {
  const isEncrypted = (item.flags & INODE_ENCRYPT) !== 0n;
  if (isEncrypted !== directory.encrypted) throw corrupt(where, 'it is encrypted, or its directory is, but not both');
  const needsContext = isEncrypted && directory.filesystem.layout === 'item';
  if (needsContext !== (context !== undefined))
    throw corrupt(where, 'its encryption context is missing or out of place');
  if (context === undefined) return;
  const { policy } = directory;
  if (policy === undefined || !policiesEqual(policy, parseInodeContext(context).policy))
    throw corrupt(where, 'it is encrypted by another policy than its directory');
}

/** @throws FsError EUCLEAN if two new files have the same name, or number, in a directory */
export function checkClaims(files: Iterable<NewFile>): void {
  const claims = new Set<string>();
  for (const { parent, sequence, name } of files) {
    for (const claim of [`${parent} ${toHex(name)}`, `${parent} number ${sequence}`]) {
      if (claims.has(claim)) throw corrupt('the log', `two new files have one entry of directory ${parent}`);
      claims.add(claim);
    }
  }
}

/** Makes the file, still empty, and its entry. Part of a step of changes. */
export function insertNewFile(subvolume: Subvolume, ino: number, logged: InodeItem, file: NewFile): void {
  const { parent, sequence, name, context } = file;
  const { tree, filesystem } = subvolume;
  const directory = subvolume.inode(parent);
  const owner = ownerOf(directory, name);
  if (owner !== undefined) {
    removeEntry(directory, name, owner.sequence);
    dropName(owner.inode, directory, name);
  }
  const item = { ...logged, nbytes: 0, generation: filesystem.transaction.transid };
  insertInodeItem(tree, ino, item);
  const inode = subvolume.addInode(ino, item);
  if (context !== undefined) tree.insert(new Key(ino, FSCRYPT_INODE_CTX_KEY, 0), context);
  addName(inode, { parent, sequence, name });
  addEntry(directory, { name, location: new Key(ino, INODE_ITEM_KEY, 0), type: FT_REG_FILE }, sequence);
  directory.lastSequence = Math.max(highestSequence(directory), sequence);
}
