/**
 * Inode references: from an inode back to the names it has.
 *
 * On disk: `struct btrfs_inode_ref` and name, one or more to an item, key (inode, INODE_REF,
 * parent directory); `struct btrfs_inode_extref` and name, key (inode, INODE_EXTREF, extrefHash),
 * for names that no longer fit there.
 */
import { corrupt, readId, readU53, viewOf, writeId, writeU53 } from '../bytes/index.js';
import { readBytes, writeBytes } from './byte-fields.js';

export const INODE_REF = { index: 0, nameLen: 8, SIZE: 10 } as const;

export interface InodeRef {
  index: number; // offset of the name's DIR_INDEX key
  name: Uint8Array; // as stored: ciphertext in an encrypted directory
}

/** Decodes all references of an item of `size` bytes. @throws FsError EUCLEAN */
export function decodeInodeRefs(view: DataView, at: number, size: number): InodeRef[] {
  const refs: InodeRef[] = [];
  const end = at + size;
  while (at < end) {
    const nameAt = at + INODE_REF.SIZE;
    if (nameAt > end) throw corrupt('inode ref', 'cut off inside its fixed part');
    const nameLen = view.getUint16(at + INODE_REF.nameLen, true);
    if (nameAt + nameLen > end) throw corrupt('inode ref', `name of ${nameLen} bytes runs past the item`);
    refs.push({ index: readU53(view, at + INODE_REF.index), name: readBytes(view, nameAt, nameLen) });
    at = nameAt + nameLen;
  }
  return refs;
}

/** Bytes of a reference. */
export function inodeRefSize({ name }: InodeRef): number {
  return INODE_REF.SIZE + name.length;
}

export function encodeInodeRef(ref: InodeRef): Uint8Array {
  const bytes = new Uint8Array(inodeRefSize(ref));
  writeInodeRef(viewOf(bytes), 0, ref);
  return bytes;
}

export function writeInodeRef(view: DataView, at: number, ref: InodeRef): void {
  writeU53(view, at + INODE_REF.index, ref.index);
  view.setUint16(at + INODE_REF.nameLen, ref.name.length, true);
  writeBytes(view, at + INODE_REF.SIZE, ref.name);
}

export const INODE_EXTREF = { parentObjectid: 0, index: 8, nameLen: 16, SIZE: 18 } as const;

export interface InodeExtref {
  parent: number; // inode of the directory
  index: number; // offset of the name's DIR_INDEX key
  name: Uint8Array;
}

/** Decodes all references of an item of `size` bytes. @throws FsError EUCLEAN */
export function decodeInodeExtrefs(view: DataView, at: number, size: number): InodeExtref[] {
  const refs: InodeExtref[] = [];
  const end = at + size;
  while (at < end) {
    const nameAt = at + INODE_EXTREF.SIZE;
    if (nameAt > end) throw corrupt('inode extref', 'cut off inside its fixed part');
    const nameLen = view.getUint16(at + INODE_EXTREF.nameLen, true);
    if (nameAt + nameLen > end) throw corrupt('inode extref', `name of ${nameLen} bytes runs past the item`);
    refs.push({
      parent: readId(view, at + INODE_EXTREF.parentObjectid),
      index: readU53(view, at + INODE_EXTREF.index),
      name: readBytes(view, nameAt, nameLen),
    });
    at = nameAt + nameLen;
  }
  return refs;
}

/** Bytes of a reference. */
export function inodeExtrefSize({ name }: InodeExtref): number {
  return INODE_EXTREF.SIZE + name.length;
}

export function encodeInodeExtref(ref: InodeExtref): Uint8Array {
  const bytes = new Uint8Array(inodeExtrefSize(ref));
  writeInodeExtref(viewOf(bytes), 0, ref);
  return bytes;
}

export function writeInodeExtref(view: DataView, at: number, ref: InodeExtref): void {
  writeId(view, at + INODE_EXTREF.parentObjectid, ref.parent);
  writeU53(view, at + INODE_EXTREF.index, ref.index);
  view.setUint16(at + INODE_EXTREF.nameLen, ref.name.length, true);
  writeBytes(view, at + INODE_EXTREF.SIZE, ref.name);
}
