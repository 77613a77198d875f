/**
 * Notices that tell the kernel to forget what it has cached.
 *
 * The kernel may have to wait, while it takes in a notice, for a request that this very server has
 * yet to answer. So they are sent by another thread, and so is the reply to the request that
 * brought the change about, after them: whoever asked then sees the new state.
 */
import { equalBytes, isFsError } from '../bytes/index.js';
import type { Inode } from '../filesystem/index.js';
import { INVAL_ENTRY_OUT, INVAL_INODE_OUT, OUT_HEADER } from './protocol/layouts.js';
import { NOTIFY } from './protocol/numbers.js';
import type { Server } from './server.js';

function notice(code: number, bodySize: number): Buffer {
  const bytes = Buffer.alloc(OUT_HEADER.SIZE + bodySize);
  bytes.writeUInt32LE(bytes.length, OUT_HEADER.len);
  bytes.writeInt32LE(code, OUT_HEADER.error);
  return bytes;
}

/** Every name the kernel knows is asked for again when it is next used. */
function everyNameIsStale(): Uint8Array {
  return notice(NOTIFY.INC_EPOCH, 0);
}

/** Attributes and cached contents (of a directory: its listing) are stale. */
function inodeIsStale(nodeid: number): Uint8Array {
  const bytes = notice(NOTIFY.INVAL_INODE, INVAL_INODE_OUT.SIZE);
  bytes.writeBigUInt64LE(BigInt(nodeid), OUT_HEADER.SIZE + INVAL_INODE_OUT.ino);
  return bytes;
}

/**
 * The kernel lets go of a file's pages, and hands over first what programs wrote to them: their
 * answer depends on it, and the kernel itself does not see to that.
 */
export function contentsAreWanted(nodeid: number): Uint8Array {
  return inodeIsStale(nodeid);
}

function nameIsStale(parent: number, name: Uint8Array): Uint8Array {
  const bytes = notice(NOTIFY.INVAL_ENTRY, INVAL_ENTRY_OUT.SIZE + name.length + 1);
  bytes.writeBigUInt64LE(BigInt(parent), OUT_HEADER.SIZE + INVAL_ENTRY_OUT.parent);
  bytes.writeUInt32LE(name.length, OUT_HEADER.SIZE + INVAL_ENTRY_OUT.namelen);
  bytes.set(name, OUT_HEADER.SIZE + INVAL_ENTRY_OUT.SIZE);
  return bytes;
}

/** A name came or went otherwise than by the kernel's own request. */
export function nameChanged({ notices }: Server, parent: number, name: Uint8Array): void {
  notices.push(nameIsStale(parent, name), inodeIsStale(parent));
}

/** A subvolume was deleted: what the kernel remembers of it is wrong from now on. */
export function subvolumeDeleted({ nodes, notices }: Server, subvolumeId: number): void {
  for (const id of nodes.forgetSubvolume(subvolumeId)) notices.push(inodeIsStale(id));
}

/** A key came or went: names, targets and contents under it are others now. */
export function keyChanged({ agreement, nodes, notices }: Server, identifier: Uint8Array): void {
  if (agreement.hasEpochs) notices.push(everyNameIsStale());
  for (const { id } of nodes.all()) {
    if (isUnderKey(() => nodes.inode(id), identifier)) notices.push(inodeIsStale(id));
  }
}

function isUnderKey(find: () => Inode, identifier: Uint8Array): boolean {
  try {
    const { policy } = find();
    return policy !== undefined && equalBytes(policy.masterKeyIdentifier, identifier);
  } catch (error) {
    if (isFsError(error)) return false;
    throw error;
  }
}
