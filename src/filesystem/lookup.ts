/**
 * From a name to an inode, into subvolumes and back up again.
 *
 * Damage can make circles of directories. A walk down from the top never runs in one: a directory
 * is only entered from the single parent that it itself names, and never a subvolume's top by
 * another way than the subvolume's own reference.
 */
import { corrupt, equalBytes, FsError } from '../bytes/index.js';
import {
  DIR_ITEM_KEY,
  decodeDirItems,
  decodeInodeRefs,
  EMPTY_SUBVOL_DIR_OBJECTID,
  FIRST_FREE_OBJECTID,
  FS_TREE_OBJECTID,
  INODE_ITEM_KEY,
  INODE_REF_KEY,
  type InodeItem,
  Key,
  nameHash,
  ROOT_ITEM_KEY,
  ROOT_TREE_DIR_OBJECTID,
} from '../format/index.js';
import { isSubvolumeEntry, type StoredEntry } from './entries.js';
import type { Filesystem } from './filesystem.js';
import { Inode } from './inode.js';
import { fileTypeOf, S_IFDIR } from './mode.js';
import { checkName, findShown, isDot, isDotDot, namesCipher } from './names.js';
import { isAnchored, parentOfSubvolume } from './root-refs.js';

/** What the kernel shows for a subvolume that is missing in a snapshot (linux fs/btrfs/inode.c new_simple_dir). */
class Placeholder extends Inode {
  readonly parent: Inode;

  constructor(parent: Inode) {
    super(parent.subvolume, EMPTY_SUBVOL_DIR_OBJECTID, placeholderItem(parent));
    this.parent = parent;
  }

  /** Nothing of it is stored: what changes of it is forgotten. */
  override markDirty(): void {}
}

/** Whether the inode stands for a subvolume that is not there: an empty directory that cannot be changed. */
export function isPlaceholder(inode: Inode): inode is Placeholder {
  return inode instanceof Placeholder;
}

/** @throws FsError EPERM for the placeholder of a missing subvolume, EROFS */
export function assertChangeable(directory: Inode): void {
  if (isPlaceholder(directory)) throw new FsError('EPERM', 'the placeholder of a missing subvolume cannot be changed');
  directory.filesystem.assertWritable(directory.subvolume);
}

function placeholderItem({ filesystem, item: { uid, gid } }: Inode): InodeItem {
  const now = filesystem.transaction.clock.now();
  const none = { generation: 0, transid: 0, size: 0, nbytes: 0, blockGroup: 0, rdev: 0, flags: 0n, sequence: 0 };
  return { ...none, nlink: 1, uid, gid, mode: S_IFDIR | 0o755, atime: now, ctime: now, mtime: now, otime: now };
}

/** @throws FsError ENOENT, ENOTDIR, ENAMETOOLONG, EINVAL, ENOKEY, EUCLEAN */
export function lookup(directory: Inode, name: Uint8Array): Inode {
  return find(directory, name) ?? notThere(directory);
}

/** As {@link lookup}; undefined if there is no such entry. */
export function find(directory: Inode, name: Uint8Array): Inode | undefined {
  if (isDot(name) || isDotDot(name)) {
    assertDirectory(directory);
    return isDot(name) ? directory : parentOf(directory);
  }
  const entry = findChild(directory, name);
  return entry && inodeOf(directory, entry);
}

/** The entry of a name that is not `.` or `..`. @throws FsError ENOTDIR, ENAMETOOLONG, EINVAL */
export function findChild(directory: Inode, name: Uint8Array): StoredEntry | undefined {
  assertDirectory(directory);
  checkName(name);
  return isPlaceholder(directory) ? undefined : findShown(directory, name);
}

export function notThere(directory: Inode): never {
  throw new FsError('ENOENT', `${directory.describe()} has no such entry`);
}

function assertDirectory(directory: Inode): void {
  if (!directory.isDirectory) throw new FsError('ENOTDIR', `${directory.describe()} is no directory`);
}

/** What an entry names. @throws FsError ENOKEY, EUCLEAN */
export function inodeOf(directory: Inode, entry: StoredEntry): Inode {
  return isSubvolumeEntry(entry) ? subvolumeTop(directory, entry) : childInode(directory, entry);
}

function childInode(directory: Inode, { location, name, type }: StoredEntry): Inode {
  const { subvolume } = directory;
  const ino = location.objectid;
  if (location.type !== INODE_ITEM_KEY || ino <= FIRST_FREE_OBJECTID) {
    throw corrupt(directory.describe(), `an entry names ${location}, no inode that can have a name`);
  }
  const cached = subvolume.cachedInode(ino);
  if (cached !== undefined && isChecked(cached, directory, name)) return ofType(subvolume.inode(ino), type);
  const cursor = subvolume.tree.get(new Key(ino, INODE_ITEM_KEY, 0));
  if (cursor === undefined)
    throw corrupt(directory.describe(), `entry ${describeName(name)} names the missing inode ${ino}`);
  const inode = ofType(subvolume.inode(ino), type);
  if (inode.isDirectory) assertNamesParent(inode, directory, name);
  inode.checkedParent = directory.ino;
  inode.checkedName = name;
  return inode;
}

/** Other inodes may have several names in a directory; what one of them passed holds for all. */
function isChecked(inode: Inode, directory: Inode, name: Uint8Array): boolean {
  if (inode.checkedParent !== directory.ino) return false;
  return !inode.isDirectory || (inode.checkedName !== undefined && equalBytes(inode.checkedName, name));
}

function ofType(inode: Inode, type: number): Inode {
  if (fileTypeOf(inode.item.mode) === type) return inode;
  throw corrupt(inode.describe(), `its mode is 0${inode.item.mode.toString(8)}, an entry says it is of type ${type}`);
}

/** A directory has one name. Entered by a second one, it would be seen twice, and what is below it ever more often. */
function assertNamesParent(inode: Inode, directory: Inode, name: Uint8Array): void {
  const cursor = inode.subvolume.tree.seek(new Key(inode.ino, INODE_REF_KEY, 0));
  if (cursor.isItemOf(inode.ino, INODE_REF_KEY) && cursor.keyOffset === directory.ino) {
    const [ref] = decodeInodeRefs(cursor.view, cursor.at, cursor.size);
    if (ref !== undefined && equalBytes(ref.name, name)) return;
  }
  throw corrupt(inode.describe(), `an entry of directory ${directory.ino} names it, which it does not know as its own`);
}

function subvolumeTop(directory: Inode, entry: StoredEntry): Inode {
  const { filesystem } = directory;
  const { rootTree } = filesystem.transaction;
  const id = entry.location.objectid;
  if (directory.encrypted && namesCipher(directory) === undefined) {
    throw new FsError('ENOKEY', `subvolume ${id} lies in an encrypted directory whose key is not there`);
  }
  if (!isNamedBy(directory, entry)) return new Placeholder(directory);
  if (!isAnchored(rootTree, id)) throw corrupt(`subvolume ${id}`, 'it lies, over its parents, inside itself');
  return topOf(filesystem, id);
}

/** Whether a subvolume's own reference names this entry. */
export function isNamedBy(directory: Inode, { location, name }: Pick<StoredEntry, 'location' | 'name'>): boolean {
  const id = location.objectid;
  const parent = parentOfSubvolume(directory.filesystem.transaction.rootTree, id);
  const isHere = parent?.parentId === directory.subvolume.id && parent.dirid === directory.ino;
  return isHere && equalBytes(parent.name, name);
}

function topOf(filesystem: Filesystem, id: number): Inode {
  const top = filesystem.subvolume(id).inode(FIRST_FREE_OBJECTID);
  if (!top.isDirectory) throw corrupt(top.describe(), 'the top of a subvolume is no directory');
  return top;
}

/** The directory that holds a directory; the volume's top, and a subvolume that has no name, hold themselves. */
export function parentOf(directory: Inode): Inode {
  if (isPlaceholder(directory)) return directory.parent;
  const { subvolume, filesystem, ino } = directory;
  if (ino === FIRST_FREE_OBJECTID) {
    if (subvolume.id === FS_TREE_OBJECTID) return directory;
    const above = parentOfSubvolume(filesystem.transaction.rootTree, subvolume.id);
    return above === undefined ? directory : filesystem.inode(above.parentId, above.dirid);
  }
  const ref = subvolume.tree.seek(new Key(ino, INODE_REF_KEY, 0));
  if (!ref.isItemOf(ino, INODE_REF_KEY)) throw new FsError('ENOENT', `${directory.describe()} has no name`);
  return subvolume.inode(ref.keyOffset);
}

/** The id that the entry `default` of the root tree's directory gives. @throws FsError EUCLEAN */
export function defaultSubvolumeId({ transaction }: Filesystem): number | undefined {
  const name = Buffer.from('default');
  const cursor = transaction.rootTree.get(new Key(ROOT_TREE_DIR_OBJECTID, DIR_ITEM_KEY, nameHash(name)));
  if (cursor === undefined) return undefined;
  const entry = decodeDirItems(cursor.view, cursor.at, cursor.size).find((item) => equalBytes(item.name, name));
  if (entry === undefined) return undefined;
  if (entry.location.type !== ROOT_ITEM_KEY)
    throw corrupt('the default subvolume', `${entry.location} is no subvolume`);
  return entry.location.objectid;
}

function describeName(stored: Uint8Array): string {
  return JSON.stringify(Buffer.from(stored).toString('latin1'));
}
