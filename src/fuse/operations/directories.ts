/** Requests that list a directory. */
import { FsError, isFsError } from '../../bytes/index.js';
import type { DirectoryEntry, Inode } from '../../filesystem/index.js';
import {
  FIRST_FREE_OBJECTID,
  FT_BLKDEV,
  FT_CHRDEV,
  FT_DIR,
  FT_FIFO,
  FT_REG_FILE,
  FT_SOCK,
  FT_SYMLINK,
} from '../../format/index.js';
import { putEntry, putIno } from '../protocol/attributes.js';
import { DIRENT, ENTRY_OUT, READ_IN } from '../protocol/layouts.js';
import type { Reply } from '../protocol/reply.js';
import type { Operation, Server } from '../server.js';
import { noteAccess } from './access-time.js';
import { nameSeconds } from './names.js';

/** `d_type` of readdir(3) by FT_* number. */
const DIRENT_TYPES: readonly number[] = (() => {
  const types: number[] = [];
  types[FT_REG_FILE] = 8;
  types[FT_DIR] = 4;
  types[FT_CHRDEV] = 2;
  types[FT_BLKDEV] = 6;
  types[FT_FIFO] = 1;
  types[FT_SOCK] = 12;
  types[FT_SYMLINK] = 10;
  return types;
})();

/** A place in a listing says where the next entry is: `.` is at 0, `..` at 1, the others at their own offset. */
const DOT_DOT = 1;
const FIRST_ENTRY = 2;

const NAME_OF_DOT = Buffer.from('.');
const NAME_OF_DOT_DOT = Buffer.from('..');

export const readDirectory: Operation = (server, request, reply) => {
  list(server, request.nodeid, request.u64(READ_IN.offset), request.u32(READ_IN.size), reply, false);
};

export const readDirectoryWithAttributes: Operation = (server, request, reply) => {
  list(server, request.nodeid, request.u64(READ_IN.offset), request.u32(READ_IN.size), reply, true);
};

function list(server: Server, nodeid: number, from: number, size: number, reply: Reply, isPlus: boolean): void {
  const directory = server.nodes.inode(nodeid);
  if (!directory.isDirectory) throw new FsError('ENOTDIR', `${directory.describe()} is no directory`);
  const end = reply.length + size;
  if (from < FIRST_ENTRY && !appendDots(server, directory, from, end, reply, isPlus)) return;
  for (const entry of server.filesystem.readDirectory(directory, Math.max(from, FIRST_ENTRY))) {
    if (reply.length + recordSize(entry.name, isPlus) > end) break;
    if (isPlus) appendEntryOut(server, directory, entry, reply);
    const { subvolumeId } = entry;
    const type = DIRENT_TYPES[entry.type] ?? 0;
    appendDirent(reply, subvolumeId ?? directory.subvolume.id, entry.ino, entry.offset + 1, type, entry.name);
  }
  noteAccess(server, directory);
}

/** @returns whether there was room */
function appendDots(
  server: Server,
  directory: Inode,
  from: number,
  end: number,
  reply: Reply,
  isPlus: boolean,
): boolean {
  const above = server.filesystem.parent(directory);
  for (let place = from; place < FIRST_ENTRY; place++) {
    const name = place === DOT_DOT ? NAME_OF_DOT_DOT : NAME_OF_DOT;
    if (reply.length + recordSize(name, isPlus) > end) return false;
    const inode = place === DOT_DOT ? above : directory;
    // An entry of zeros tells the kernel of no inode: it knows these two.
    if (isPlus) reply.append(ENTRY_OUT.SIZE);
    appendDirent(reply, inode.subvolume.id, inode.ino, place + 1, DIRENT_TYPES[FT_DIR] ?? 0, name);
  }
  return true;
}

function recordSize(name: Uint8Array, isPlus: boolean): number {
  return (isPlus ? ENTRY_OUT.SIZE : 0) + roundUpTo8(DIRENT.SIZE + name.length);
}

function roundUpTo8(size: number): number {
  return (size + 7) & ~7;
}

function appendDirent(
  reply: Reply,
  subvolumeId: number,
  ino: number,
  next: number,
  type: number,
  name: Uint8Array,
): void {
  const at = reply.append(roundUpTo8(DIRENT.SIZE + name.length));
  putIno(reply, at + DIRENT.ino, subvolumeId, ino);
  reply.u64(at + DIRENT.off, next);
  reply.u32(at + DIRENT.namelen, name.length);
  reply.u32(at + DIRENT.type, type);
  reply.bytes.set(name, at + DIRENT.SIZE);
}

/** An entry whose inode is damaged is listed all the same; looking it up tells what is wrong. */
function appendEntryOut(server: Server, directory: Inode, entry: DirectoryEntry, reply: Reply): void {
  const at = reply.append(ENTRY_OUT.SIZE);
  try {
    const inode = inodeOf(server, directory, entry);
    const attributes = server.filesystem.stat(inode);
    putEntry(reply, at, server.nodes.tell(inode).id, attributes, nameSeconds(server, directory));
  } catch (error) {
    if (!isFsError(error)) throw error;
    reply.bytes.fill(0, at, at + ENTRY_OUT.SIZE);
  }
}

/** Only directories need the checks of a lookup by name. */
function inodeOf({ filesystem }: Server, directory: Inode, entry: DirectoryEntry): Inode {
  const isPlain = entry.type !== FT_DIR && entry.subvolumeId === undefined && entry.ino > FIRST_FREE_OBJECTID;
  if (!isPlain) return filesystem.lookup(directory, entry.name);
  const inode = directory.subvolume.inode(entry.ino);
  inode.checkedParent ??= directory.ino;
  return inode;
}
