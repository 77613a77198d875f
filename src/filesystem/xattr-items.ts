/**
 * Extended attributes as stored: plain bytes, in encrypted directories too.
 *
 * Key (inode, XATTR_ITEM, nameHash); attributes of one inode with equal hashes share an item.
 */
import { equalBytes, FsError } from '../bytes/index.js';
import {
  type DirItem,
  decodeDirItems,
  encodeDirItem,
  FT_XATTR,
  Key,
  nameHash,
  XATTR_ITEM_KEY,
} from '../format/index.js';
import { maxItemSize } from './entries.js';
import type { Inode } from './inode.js';

export function readXattr(inode: Inode, name: Uint8Array): Uint8Array | undefined {
  inode.hasXattrs ??= inode.subvolume.tree
    .seek(new Key(inode.ino, XATTR_ITEM_KEY, 0))
    .isItemOf(inode.ino, XATTR_ITEM_KEY);
  if (!inode.hasXattrs) return undefined;
  return attributesWithHash(inode, nameHash(name)).find((xattr) => equalBytes(xattr.name, name))?.data;
}

export function listXattrs(inode: Inode): Uint8Array[] {
  const names: Uint8Array[] = [];
  const cursor = inode.subvolume.tree.seek(new Key(inode.ino, XATTR_ITEM_KEY, 0));
  for (; cursor.isItemOf(inode.ino, XATTR_ITEM_KEY); cursor.next()) {
    for (const { name } of decodeDirItems(cursor.view, cursor.at, cursor.size)) names.push(name);
  }
  return names;
}

/** Stores an attribute, or removes it. Part of a step of changes. */
export function writeXattr(inode: Inode, name: Uint8Array, value: Uint8Array | undefined): void {
  inode.needCommit();
  const { tree } = inode.subvolume;
  const key = new Key(inode.ino, XATTR_ITEM_KEY, nameHash(name));
  const existing = attributesWithHash(inode, nameHash(name));
  const all = existing.filter((xattr) => !equalBytes(xattr.name, name));
  if (value !== undefined) {
    const { transid } = inode.filesystem.transaction;
    all.push({ location: new Key(0, 0, 0), transid, type: FT_XATTR, name, data: value });
    inode.hasXattrs = true;
  }
  if (all.length === 0) tree.remove(key);
  else if (existing.length === 0) tree.insert(key, joined(all));
  else tree.replace(key, joined(all));
}

/** @throws FsError ENOSPC if the attribute, with others of the same hash, does not fit into one item */
export function checkRoomForXattr(inode: Inode, name: Uint8Array, value: Uint8Array): void {
  const xattr = { location: new Key(0, 0, 0), transid: 0, type: FT_XATTR, name, data: value };
  const others = attributesWithHash(inode, nameHash(name)).filter((other) => !equalBytes(other.name, name));
  const fits =
    value.length <= maxItemSize(inode.filesystem) && joined([...others, xattr]).length <= maxItemSize(inode.filesystem);
  if (!fits) throw new FsError('ENOSPC', `an attribute of ${value.length} bytes does not fit into a tree block`);
}

function attributesWithHash(inode: Inode, hash: number): DirItem[] {
  const cursor = inode.subvolume.tree.get(new Key(inode.ino, XATTR_ITEM_KEY, hash));
  return cursor === undefined ? [] : decodeDirItems(cursor.view, cursor.at, cursor.size);
}

function joined(xattrs: DirItem[]): Uint8Array {
  return new Uint8Array(Buffer.concat(xattrs.map(encodeDirItem)));
}
