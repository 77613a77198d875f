/** Requests about the attributes of inodes. */
import type { Timespec } from '../../bytes/index.js';
import { type AttributeChanges, type Inode, S_ISGID, S_ISUID, S_IXGRP } from '../../filesystem/index.js';
import { CAPABILITY, Caller } from '../caller.js';
import { appendAttributes, appendStatx } from '../protocol/attributes.js';
import { SETATTR_IN } from '../protocol/layouts.js';
import { FATTR } from '../protocol/numbers.js';
import type { Request } from '../protocol/request.js';
import type { Operation, Server } from '../server.js';

/** What the kernel sends when it writes back times that it kept for a file itself. */
const ONLY_TIMES = FATTR.MTIME | FATTR.CTIME | FATTR.FH;

export const getAttributes: Operation = ({ filesystem, nodes }, request, reply) => {
  appendAttributes(reply, filesystem.stat(nodes.inode(request.nodeid)));
};

export const statx: Operation = ({ filesystem, nodes }, request, reply) => {
  appendStatx(reply, filesystem.stat(nodes.inode(request.nodeid)));
};

export const setAttributes: Operation = ({ filesystem, nodes }, request, reply) => {
  const inode = nodes.inode(request.nodeid);
  const valid = request.u32(SETATTR_IN.valid);
  if ((valid & ~ONLY_TIMES) !== 0) {
    filesystem.setAttributes(inode, changesOf(request, valid, filesystem.transaction.clock.now()));
    if ((valid & FATTR.KILL_SUIDGID) !== 0) dropPrivileges(inode);
  } else {
    filesystem.assertWritable(inode.subvolume);
    if ((valid & FATTR.MTIME) !== 0) inode.item.mtime = timeOf(request, SETATTR_IN.mtime, SETATTR_IN.mtimensec);
  }
  if ((valid & FATTR.CTIME) !== 0) {
    inode.item.ctime = timeOf(request, SETATTR_IN.ctime, SETATTR_IN.ctimensec);
    inode.markDirty();
  }
  appendAttributes(reply, filesystem.stat(inode));
};

function changesOf(request: Request, valid: number, now: Timespec): AttributeChanges {
  const atime = (valid & FATTR.ATIME_NOW) !== 0 ? now : timeOf(request, SETATTR_IN.atime, SETATTR_IN.atimensec);
  const mtime = (valid & FATTR.MTIME_NOW) !== 0 ? now : timeOf(request, SETATTR_IN.mtime, SETATTR_IN.mtimensec);
  return {
    ...((valid & FATTR.MODE) !== 0 && { mode: request.u32(SETATTR_IN.mode) }),
    ...((valid & FATTR.UID) !== 0 && { uid: request.u32(SETATTR_IN.uid) }),
    ...((valid & FATTR.GID) !== 0 && { gid: request.u32(SETATTR_IN.gid) }),
    ...((valid & FATTR.SIZE) !== 0 && { size: request.u64(SETATTR_IN.size) }),
    ...((valid & FATTR.ATIME) !== 0 && { atime }),
    ...((valid & FATTR.MTIME) !== 0 && { mtime }),
  };
}

function timeOf(request: Request, seconds: number, nanoseconds: number): Timespec {
  return { sec: request.seconds(seconds), nsec: request.u32(nanoseconds) };
}

/**
 * Takes the set-id bits away where the caller's change of contents does so, and the kernel, which
 * tells with a write, leaves it to the server to find out.
 */
export function dropPrivilegesUnlessCapable({ port }: Server, inode: Inode, { pid, uid, gid }: Request): void {
  if ((inode.item.mode & (S_ISUID | S_ISGID)) === 0) return;
  if (!new Caller(pid, uid, gid, port.log).isCapable(CAPABILITY.FSETID)) dropPrivileges(inode);
}

/** Takes the set-id bits away, as a write by somebody without CAP_FSETID does. */
export function dropPrivileges(inode: Inode): void {
  const { item } = inode;
  const mode = item.mode & ~S_ISUID;
  const dropped = (mode & S_IXGRP) !== 0 ? mode & ~S_ISGID : mode;
  if (dropped === item.mode) return;
  item.mode = dropped;
  inode.markDirty();
}
