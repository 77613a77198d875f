/**
 * Directory items: names in a directory, and extended attributes, which share their form.
 *
 * On disk: `struct btrfs_dir_item`, name, data. Keys: (directory, DIR_ITEM, nameHash), where equal
 * hashes share one item; (directory, DIR_INDEX, sequence), one name each; (inode, XATTR_ITEM,
 * nameHash). Only attributes have data: their value.
 */
import { corrupt, readU53, viewOf, writeU53 } from '../bytes/index.js';
import { holdsBytes, readBytes, writeBytes } from './byte-fields.js';
import { decodeKey, encodeKey, type Key } from './key.js';

export const DIR_ITEM = {
  location: 0,
  transid: 17,
  dataLen: 25,
  nameLen: 27,
  type: 29,
  SIZE: 30,
} as const;

export interface DirItem {
  /** (inode, INODE_ITEM, 0), or (tree id, ROOT_ITEM, -1) for a subvolume; all zero in attributes. */
  location: Key;
  transid: number;
  type: number; // FT_*, with FT_ENCRYPTED over it in an encrypted directory
  name: Uint8Array; // as stored: ciphertext in an encrypted directory
  data: Uint8Array;
}

/** Decodes all entries of an item of `size` bytes. @throws FsError EUCLEAN */
export function decodeDirItems(view: DataView, at: number, size: number): DirItem[] {
  const items: DirItem[] = [];
  const end = at + size;
  while (at < end) {
    const nameAt = at + DIR_ITEM.SIZE;
    if (nameAt > end) throw corrupt('dir item', 'cut off inside its fixed part');
    const dataLen = view.getUint16(at + DIR_ITEM.dataLen, true);
    const nameLen = view.getUint16(at + DIR_ITEM.nameLen, true);
    const next = nameAt + nameLen + dataLen;
    if (next > end) throw corrupt('dir item', `name and data of ${nameLen + dataLen} bytes run past the item`);
    items.push({
      location: decodeKey(view, at + DIR_ITEM.location),
      transid: readU53(view, at + DIR_ITEM.transid),
      type: view.getUint8(at + DIR_ITEM.type),
      name: readBytes(view, nameAt, nameLen),
      data: readBytes(view, nameAt + nameLen, dataLen),
    });
    at = next;
  }
  return items;
}

/**
 * Finds the entry of a name in an item of `size` bytes, without decoding the others.
 *
 * @returns where it begins and how long it is. @throws FsError EUCLEAN
 */
export function findDirItem(
  view: DataView,
  at: number,
  size: number,
  name: Uint8Array,
): { readonly at: number; readonly size: number } | undefined {
  const end = at + size;
  while (at < end) {
    const nameAt = at + DIR_ITEM.SIZE;
    if (nameAt > end) throw corrupt('dir item', 'cut off inside its fixed part');
    const nameLen = view.getUint16(at + DIR_ITEM.nameLen, true);
    const next = nameAt + nameLen + view.getUint16(at + DIR_ITEM.dataLen, true);
    if (next > end) throw corrupt('dir item', 'name and data run past the item');
    if (nameLen === name.length && holdsBytes(view, nameAt, name)) return { at, size: next - at };
    at = next;
  }
  return undefined;
}

/** Bytes of an entry. */
export function dirItemSize({ name, data }: Pick<DirItem, 'name' | 'data'>): number {
  return DIR_ITEM.SIZE + name.length + data.length;
}

export function writeDirItem(view: DataView, at: number, item: DirItem): void {
  encodeKey(view, at + DIR_ITEM.location, item.location);
  writeU53(view, at + DIR_ITEM.transid, item.transid);
  view.setUint16(at + DIR_ITEM.dataLen, item.data.length, true);
  view.setUint16(at + DIR_ITEM.nameLen, item.name.length, true);
  view.setUint8(at + DIR_ITEM.type, item.type);
  writeBytes(view, at + DIR_ITEM.SIZE, item.name);
  writeBytes(view, at + DIR_ITEM.SIZE + item.name.length, item.data);
}

export function encodeDirItem(item: DirItem): Uint8Array {
  const bytes = new Uint8Array(dirItemSize(item));
  writeDirItem(viewOf(bytes), 0, item);
  return bytes;
}
