/** Requests about extended attributes. */
import { errnoOf, FsError, invariant } from '../../bytes/index.js';
import { S_ISGID } from '../../filesystem/index.js';
import { GETXATTR_IN, GETXATTR_OUT, SETXATTR_IN } from '../protocol/layouts.js';
import { SETXATTR_ACL_KILL_SGID } from '../protocol/numbers.js';
import type { Reply } from '../protocol/reply.js';
import type { Operation } from '../server.js';

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const TRUSTED = Buffer.from('trusted.');

/** Appends a value, or only its size when none was asked for. @throws FsError ERANGE */
function appendValue(reply: Reply, value: Uint8Array, wanted: number): void {
  if (wanted === 0) {
    const at = reply.append(GETXATTR_OUT.SIZE);
    reply.u32(at + GETXATTR_OUT.size, value.length);
    return;
  }
  if (value.length > wanted) throw new FsError('ERANGE', `${value.length} bytes do not fit into ${wanted}`);
  reply.appendBytes(value);
}

export const getXattr: Operation = ({ filesystem, nodes }, request, reply) => {
  const value = filesystem.findXattr(nodes.inode(request.nodeid), request.name(GETXATTR_IN.SIZE));
  // Asked for with every first write to a file: too often for an exception.
  if (value === undefined) reply.fail(-errnoOf('ENODATA'));
  else appendValue(reply, value, request.u32(GETXATTR_IN.size));
};

/** Names of trusted attributes are for root. */
export const listXattrs: Operation = ({ filesystem, nodes }, request, reply) => {
  const names = filesystem.listXattr(nodes.inode(request.nodeid));
  const isShown = (name: Uint8Array): boolean => request.uid === 0 || !TRUSTED.equals(name.subarray(0, TRUSTED.length));
  const list = Buffer.concat(names.filter(isShown).flatMap((name) => [name, Buffer.of(0)]));
  appendValue(reply, list, request.u32(GETXATTR_IN.size));
};

export const setXattr: Operation = ({ filesystem, nodes }, request) => {
  const inode = nodes.inode(request.nodeid);
  const name = request.name(SETXATTR_IN.SIZE);
  const value = Buffer.from(request.payload(SETXATTR_IN.SIZE + name.length + 1, request.u32(SETXATTR_IN.size)));
  const flags = request.u32(SETXATTR_IN.flags);
  invariant((flags & ~(XATTR_CREATE | XATTR_REPLACE)) === 0, 'the kernel checks the flags of setxattr');
  const mode = (flags & XATTR_CREATE) !== 0 ? 'create' : (flags & XATTR_REPLACE) !== 0 ? 'replace' : 'either';
  filesystem.setXattr(inode, name, value, mode);
  if ((request.u32(SETXATTR_IN.setxattrFlags) & SETXATTR_ACL_KILL_SGID) !== 0) {
    inode.item.mode &= ~S_ISGID;
    inode.markDirty();
  }
};

export const removeXattr: Operation = ({ filesystem, nodes }, request) => {
  filesystem.removeXattr(nodes.inode(request.nodeid), request.name(0));
};
