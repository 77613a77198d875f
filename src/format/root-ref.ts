/**
 * Root references: which directory entry names a subvolume.
 *
 * On disk: `struct btrfs_root_ref` and name, the same bytes under two keys of the root tree:
 * (parent tree, ROOT_REF, subvolume) and (subvolume, ROOT_BACKREF, parent tree).
 */
import { corrupt, readU53, viewOf, writeU53 } from '../bytes/index.js';
import { readBytes, writeBytes } from './byte-fields.js';

export const ROOT_REF = { dirid: 0, sequence: 8, nameLen: 16, SIZE: 18 } as const;

export interface RootRef {
  dirid: number; // directory that holds the entry, in the parent tree
  sequence: number; // offset of the entry's DIR_INDEX key
  name: Uint8Array; // as stored: ciphertext in an encrypted directory
}

/** Decodes an item of `size` bytes. @throws FsError EUCLEAN when the name does not end with it */
export function decodeRootRef(view: DataView, at: number, size: number): RootRef {
  if (size < ROOT_REF.SIZE) throw corrupt('root ref', `item of ${size} bytes is shorter than its fixed part`);
  const nameLen = view.getUint16(at + ROOT_REF.nameLen, true);
  if (ROOT_REF.SIZE + nameLen !== size) throw corrupt('root ref', `name of ${nameLen} bytes in an item of ${size}`);
  return {
    dirid: readU53(view, at + ROOT_REF.dirid),
    sequence: readU53(view, at + ROOT_REF.sequence),
    name: readBytes(view, at + ROOT_REF.SIZE, nameLen),
  };
}

export function encodeRootRef(ref: RootRef): Uint8Array {
  const bytes = new Uint8Array(ROOT_REF.SIZE + ref.name.length);
  const view = viewOf(bytes);
  writeU53(view, ROOT_REF.dirid, ref.dirid);
  writeU53(view, ROOT_REF.sequence, ref.sequence);
  view.setUint16(ROOT_REF.nameLen, ref.name.length, true);
  writeBytes(view, ROOT_REF.SIZE, ref.name);
  return bytes;
}
