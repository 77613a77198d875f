/** Requests about names: finding, making, moving and removing them. */
import { FsError, isFsError } from '../../bytes/index.js';
import type { Filesystem, Inode } from '../../filesystem/index.js';
import { FIRST_FREE_OBJECTID } from '../../format/index.js';
import type { Node, Nodes } from '../nodes.js';
import { appendNoEntry, CACHE_SECONDS, putEntry } from '../protocol/attributes.js';
import {
  CREATE_IN,
  ENTRY_OUT,
  LINK_IN,
  MKDIR_IN,
  MKNOD_IN,
  OPEN_OUT,
  RENAME_IN,
  RENAME2_IN,
} from '../protocol/layouts.js';
import { FOPEN_KEEP_CACHE } from '../protocol/numbers.js';
import type { Reply } from '../protocol/reply.js';
import type { Request } from '../protocol/request.js';
import type { Operation, Server } from '../server.js';

const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
const DEFAULT_ACL = Buffer.from('system.posix_acl_default');

/** Seconds for which the kernel may believe a name. Without epochs it asks each time where a key changes names. */
export function nameSeconds({ agreement }: Server, directory: Inode): number {
  return directory.encrypted && !agreement.hasEpochs ? 0 : CACHE_SECONDS;
}

/** @returns the node that the kernel is told of */
function appendEntry(server: Server, reply: Reply, directory: Inode, inode: Inode): Node {
  const attributes = server.filesystem.stat(inode);
  const at = reply.append(ENTRY_OUT.SIZE);
  const node = server.nodes.tell(inode);
  putEntry(reply, at, node.id, attributes, nameSeconds(server, directory));
  return node;
}

function appendOpened({ files }: Server, request: Request, reply: Reply, inode: Inode, nodeid: number): void {
  const at = reply.append(OPEN_OUT.SIZE);
  reply.u64(at + OPEN_OUT.fh, files.open(inode, nodeid, request.u32(CREATE_IN.flags)));
  reply.u32(at + OPEN_OUT.openFlags, FOPEN_KEEP_CACHE);
}

function ownerOf(request: Request): { uid: number; gid: number } {
  return { uid: request.uid, gid: request.gid };
}

/** The mode of something new. A default access control list takes the place of the umask. */
function maskedMode({ filesystem }: Server, directory: Inode, mode: number, umask: number): number {
  if ((mode & umask & 0o777) === 0) return mode;
  return filesystem.findXattr(directory, DEFAULT_ACL) === undefined ? mode & ~(umask & 0o777) : mode;
}

export const lookUp: Operation = (server, request, reply) => {
  const directory = server.nodes.inode(request.nodeid);
  const inode = server.filesystem.find(directory, request.name(0));
  if (inode === undefined) appendNoEntry(reply, nameSeconds(server, directory));
  else appendEntry(server, reply, directory, inode);
};

export const makeNode: Operation = (server, request, reply) => {
  const directory = server.nodes.inode(request.nodeid);
  const mode = maskedMode(server, directory, request.u32(MKNOD_IN.mode), request.u32(MKNOD_IN.umask));
  const name = request.name(MKNOD_IN.SIZE);
  const { filesystem } = server;
  const inode = filesystem.mknod(directory, name, mode, ownerOf(request), request.u32(MKNOD_IN.rdev));
  appendEntry(server, reply, directory, inode);
};

export const makeDirectory: Operation = (server, request, reply) => {
  const directory = server.nodes.inode(request.nodeid);
  const mode = maskedMode(server, directory, request.u32(MKDIR_IN.mode), request.u32(MKDIR_IN.umask));
  const inode = server.filesystem.mkdir(directory, request.name(MKDIR_IN.SIZE), mode, ownerOf(request));
  appendEntry(server, reply, directory, inode);
};

export const makeSymlink: Operation = (server, request, reply) => {
  const directory = server.nodes.inode(request.nodeid);
  const name = request.name(0);
  const target = request.name(name.length + 1);
  appendEntry(server, reply, directory, server.filesystem.symlink(directory, name, target, ownerOf(request)));
};

export const create: Operation = (server, request, reply) => {
  const directory = server.nodes.inode(request.nodeid);
  const mode = maskedMode(server, directory, request.u32(CREATE_IN.mode), request.u32(CREATE_IN.umask));
  const inode = server.filesystem.create(directory, request.name(CREATE_IN.SIZE), mode, ownerOf(request));
  const { id } = appendEntry(server, reply, directory, inode);
  appendOpened(server, request, reply, inode, id);
};

/** O_TMPFILE: a file without a name, which can be given one. */
export const createUnnamed: Operation = (server, request, reply) => {
  const directory = server.nodes.inode(request.nodeid);
  const mode = maskedMode(server, directory, request.u32(CREATE_IN.mode), request.u32(CREATE_IN.umask));
  const inode = server.filesystem.createUnnamed(directory, mode, ownerOf(request));
  const node = appendEntry(server, reply, directory, inode);
  server.nodes.hold(inode);
  appendOpened(server, request, reply, inode, node.id);
};

export const link: Operation = (server, request, reply) => {
  const directory = server.nodes.inode(request.nodeid);
  const inode = server.nodes.inode(request.u64(LINK_IN.oldnodeid));
  server.filesystem.link(inode, directory, request.name(LINK_IN.SIZE));
  server.nodes.unhold(inode);
  appendEntry(server, reply, directory, inode);
};

export const unlink: Operation = ({ filesystem, nodes }, request) => {
  filesystem.unlink(nodes.inode(request.nodeid), request.name(0), (inode) => nodes.hold(inode));
};

export const removeDirectory: Operation = ({ filesystem, nodes }, request) => {
  const directory = nodes.inode(request.nodeid);
  const name = request.name(0);
  const removed = removing(filesystem, nodes, directory, name, () =>
    filesystem.rmdir(directory, name, (inode) => nodes.hold(inode)),
  );
  // An empty subvolume can be removed so, too.
  if (removed.ino === FIRST_FREE_OBJECTID) nodes.forgetSubvolume(removed.subvolume.id);
};

/** Runs `remove`, which may delete a subvolume. What was removed in it a moment ago does not keep it. */
export function removing<T>(
  filesystem: Filesystem,
  nodes: Nodes,
  directory: Inode,
  name: Uint8Array,
  remove: () => T,
): T {
  try {
    return remove();
  } catch (error) {
    if (!isFsError(error, 'EBUSY')) throw error;
    nodes.letGo(filesystem.lookup(directory, name).subvolume.id);
    return remove();
  }
}

export const rename: Operation = (server, request) => move(server, request, RENAME_IN.SIZE, 0);

export const exchangeOrRename: Operation = (server, request) =>
  move(server, request, RENAME2_IN.SIZE, request.u32(RENAME2_IN.flags));

function move({ filesystem, nodes }: Server, request: Request, namesAt: number, flags: number): void {
  const from = nodes.inode(request.nodeid);
  const to = nodes.inode(request.u64(RENAME_IN.newdir));
  const oldName = request.name(namesAt);
  const newName = request.name(namesAt + oldName.length + 1);
  if (flags === RENAME_EXCHANGE || flags === RENAME_NOREPLACE) {
    filesystem.rename(from, oldName, to, newName, flags === RENAME_EXCHANGE ? 'exchange' : 'noreplace');
    return;
  }
  if (flags !== 0) throw new FsError('EINVAL', `rename with flags ${flags} is not supported`);
  filesystem.rename(from, oldName, to, newName, 'replace', (inode) => nodes.hold(inode));
}

export const readLink: Operation = ({ filesystem, nodes }, request, reply) => {
  reply.appendBytes(filesystem.readlink(nodes.inode(request.nodeid)));
};
