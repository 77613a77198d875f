/** Requests about the contents of regular files. */
import { FsError, roundDown } from '../../bytes/index.js';
import { cloneRange } from '../../filesystem/index.js';
import {
  COPY_FILE_RANGE_IN,
  COPY_FILE_RANGE_OUT,
  FALLOCATE_IN,
  LSEEK_IN,
  LSEEK_OUT,
  OPEN_IN,
  OPEN_OUT,
  READ_IN,
  RELEASE_IN,
  WRITE_IN,
  WRITE_OUT,
} from '../protocol/layouts.js';
import { FOPEN_KEEP_CACHE, OPEN_KILL_SUIDGID, WRITE_KILL_SUIDGID } from '../protocol/numbers.js';
import type { Request } from '../protocol/request.js';
import type { Operation, Server } from '../server.js';
import { noteAccess } from './access-time.js';
import { dropPrivileges, dropPrivilegesUnlessCapable } from './attributes.js';

const O_ACCMODE = 0o3;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const FALLOC_ZERO_RANGE = 0x10;

export const open: Operation = ({ filesystem, files, nodes }, request, reply) => {
  const inode = nodes.inode(request.nodeid);
  const flags = request.u32(OPEN_IN.flags);
  // Later would be too late: the kernel takes in what is written, and hands it on when it likes.
  if ((flags & O_ACCMODE) !== 0) filesystem.assertWritable(inode.subvolume);
  const handle = files.open(inode, request.nodeid, flags);
  try {
    if ((request.u32(OPEN_IN.openFlags) & OPEN_KILL_SUIDGID) !== 0) dropPrivileges(inode);
  } catch (error) {
    files.close(handle);
    throw error;
  }
  const at = reply.append(OPEN_OUT.SIZE);
  reply.u64(at + OPEN_OUT.fh, handle);
  reply.u32(at + OPEN_OUT.openFlags, FOPEN_KEEP_CACHE);
};

export const close: Operation = ({ files }, request) => files.close(request.u64(RELEASE_IN.fh));

export const read: Operation = (server, request, reply) => {
  const inode = server.nodes.inode(request.nodeid);
  const size = request.u32(READ_IN.size);
  reply.extend(inode.data.read(request.u64(READ_IN.offset), reply.room(size), false));
  noteAccess(server, inode);
};

export const write: Operation = ({ nodes }, request, reply) => {
  const inode = nodes.inode(request.nodeid);
  const payload = request.payload(WRITE_IN.SIZE, request.u32(WRITE_IN.size));
  const written = inode.data.write(request.u64(WRITE_IN.offset), payload);
  if ((request.u32(WRITE_IN.writeFlags) & WRITE_KILL_SUIDGID) !== 0) dropPrivileges(inode);
  const at = reply.append(WRITE_OUT.SIZE);
  reply.u32(at + WRITE_OUT.size, written);
};

export const allocate: Operation = (server, request) => {
  const inode = server.nodes.inode(request.nodeid);
  const { data } = inode;
  const offset = request.u64(FALLOCATE_IN.offset);
  const length = request.u64(FALLOCATE_IN.length);
  const mode = request.u32(FALLOCATE_IN.mode);
  const keepSize = (mode & FALLOC_KEEP_SIZE) !== 0;
  const kind = mode & ~FALLOC_KEEP_SIZE;
  if (kind === 0) data.preallocate(offset, length, keepSize);
  else if (kind === FALLOC_PUNCH_HOLE && keepSize) data.punchHole(offset, length);
  else if (kind === FALLOC_ZERO_RANGE) data.zeroRange(offset, length, keepSize);
  else throw new FsError('EOPNOTSUPP', `fallocate has no mode ${mode} here`);
  dropPrivilegesUnlessCapable(server, inode, request);
};

export const seek: Operation = ({ nodes }, request, reply) => {
  const { data } = nodes.inode(request.nodeid);
  const offset = request.u64(LSEEK_IN.offset);
  const whence = request.u32(LSEEK_IN.whence);
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE) throw new FsError('EINVAL', `lseek has no whence ${whence} here`);
  const at = reply.append(LSEEK_OUT.SIZE);
  reply.u64(at + LSEEK_OUT.offset, whence === SEEK_DATA ? data.dataAfter(offset) : data.holeAfter(offset));
};

export const copyRange: Operation = (server, request, reply) => {
  const at = reply.append(WRITE_OUT.SIZE);
  reply.u32(at + WRITE_OUT.size, shareRange(server, request));
};

export const copyRange64: Operation = (server, request, reply) => {
  const at = reply.append(COPY_FILE_RANGE_OUT.SIZE);
  reply.u64(at + COPY_FILE_RANGE_OUT.bytesCopied, shareRange(server, request));
};

/** Largest count that the older reply can hold, in whole sectors. */
const MOST_AT_ONCE = 0x4000_0000;

/**
 * Copies by sharing extents. What cannot be shared is left to the kernel, which copies by reading
 * and writing.
 *
 * @returns bytes shared. @throws FsError EOPNOTSUPP
 */
function shareRange(server: Server, request: Request): number {
  const { nodes } = server;
  const source = nodes.inode(request.nodeid);
  const target = nodes.inode(request.u64(COPY_FILE_RANGE_IN.nodeidOut));
  const from = request.u64(COPY_FILE_RANGE_IN.offIn);
  const to = request.u64(COPY_FILE_RANGE_IN.offOut);
  const { sectorsize } = source.data;
  const wanted = Math.min(request.u64(COPY_FILE_RANGE_IN.len), MOST_AT_ONCE, source.data.size - from);
  if (wanted <= 0) return 0;
  const endsBoth = from + wanted === source.data.size && to + wanted >= target.data.size;
  const length = endsBoth ? wanted : roundDown(wanted, sectorsize);
  const isAligned = from % sectorsize === 0 && to % sectorsize === 0;
  if (length === 0 || !isAligned) throw new FsError('EOPNOTSUPP', 'only whole sectors can be shared');
  try {
    cloneRange(source, from, length, target, to);
  } catch (error) {
    if (error instanceof FsError && error.code === 'EINVAL') throw new FsError('EOPNOTSUPP', error.message);
    throw error;
  }
  dropPrivilegesUnlessCapable(server, target, request);
  return length;
}
