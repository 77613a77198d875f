/** Requests about the mount as a whole: agreeing on the protocol, forgetting, space, durability. */
import { FsError } from '../../bytes/index.js';
import { spaceOf } from '../../filesystem/index.js';
import { NAME_LEN } from '../../format/index.js';
import { MAX_READ_AHEAD } from '../kernel-mount.js';
import { BATCH_FORGET_IN, FORGET_ONE, INIT_IN, INIT_OUT, STATFS_OUT } from '../protocol/layouts.js';
import {
  INIT_FLAG,
  INIT_FLAG2,
  KERNEL_MINOR_VERSION,
  KERNEL_VERSION,
  MINOR_WITH_EPOCH,
  OLDEST_MINOR_VERSION,
} from '../protocol/numbers.js';
import type { Operation } from '../server.js';

/** Bytes of data in the largest request. */
export const MAX_WRITE = 1024 * 1024;
const PAGE_SIZE = 4096;
/** Requests that the kernel may queue without waiting for their answers. */
const MAX_BACKGROUND = 64;

const WANTED_FLAGS = Object.values(INIT_FLAG).reduce((all, flag) => all | flag, 0);
const WANTED_FLAGS2 = Object.values(INIT_FLAG2).reduce((all, flag) => all | flag, 0);

/** @throws FsError EPROTO: the kernel is older than all that we speak */
export const initialise: Operation = ({ agreement, port }, request, reply) => {
  const minor = request.u32(INIT_IN.minor);
  const offered = request.u32(INIT_IN.flags);
  if (request.u32(INIT_IN.major) !== KERNEL_VERSION || minor < OLDEST_MINOR_VERSION) {
    port.log(`the kernel speaks FUSE 7.${minor}; at least 7.${OLDEST_MINOR_VERSION} is needed`);
    throw new FsError('EPROTO', `FUSE 7.${minor} is too old`);
  }
  const isExtended = (offered & INIT_FLAG.INIT_EXT) !== 0;
  agreement.minor = Math.min(minor, KERNEL_MINOR_VERSION);
  agreement.hasEpochs = agreement.minor >= MINOR_WITH_EPOCH;
  const at = reply.append(INIT_OUT.SIZE);
  reply.u32(at + INIT_OUT.major, KERNEL_VERSION);
  reply.u32(at + INIT_OUT.minor, KERNEL_MINOR_VERSION);
  // The kernel goes by the lesser of this and what the mount has been allowed: see widenReadAhead.
  reply.u32(at + INIT_OUT.maxReadahead, MAX_READ_AHEAD);
  reply.u32(at + INIT_OUT.flags, (offered & WANTED_FLAGS) >>> 0);
  reply.view.setUint16(at + INIT_OUT.maxBackground, MAX_BACKGROUND, true);
  reply.view.setUint16(at + INIT_OUT.congestionThreshold, (MAX_BACKGROUND * 3) / 4, true);
  reply.u32(at + INIT_OUT.maxWrite, MAX_WRITE);
  reply.u32(at + INIT_OUT.timeGran, 1);
  reply.view.setUint16(at + INIT_OUT.maxPages, MAX_WRITE / PAGE_SIZE, true);
  if (isExtended) reply.u32(at + INIT_OUT.flags2, request.u32(INIT_IN.flags2) & WANTED_FLAGS2);
};

export const forget: Operation = ({ nodes }, request) => nodes.forget(request.nodeid, request.u64(0));

export const forgetMany: Operation = ({ nodes }, request) => {
  const count = request.u32(BATCH_FORGET_IN.count);
  for (let i = 0, at: number = BATCH_FORGET_IN.SIZE; i < count; i++, at += FORGET_ONE.SIZE) {
    nodes.forget(request.u64(at + FORGET_ONE.nodeid), request.u64(at + FORGET_ONE.nlookup));
  }
};

export const statFilesystem: Operation = ({ filesystem }, _request, reply) => {
  const { blockSize, blocks, free, available } = spaceOf(filesystem);
  const at = reply.append(STATFS_OUT.SIZE);
  reply.u64(at + STATFS_OUT.blocks, blocks);
  reply.u64(at + STATFS_OUT.bfree, free);
  reply.u64(at + STATFS_OUT.bavail, available);
  reply.u32(at + STATFS_OUT.bsize, blockSize);
  reply.u32(at + STATFS_OUT.frsize, blockSize);
  reply.u32(at + STATFS_OUT.namelen, NAME_LEN);
};

export const syncEverything: Operation = (server) => server.commit();

export const syncInode: Operation = ({ filesystem, nodes }, request) => filesystem.fsync(nodes.inode(request.nodeid));
