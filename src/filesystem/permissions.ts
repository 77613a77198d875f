/** Who may do what with an inode, by its mode and access control list. */
import { accessAclOf, aclPermits, type User } from './acl.js';
import type { Inode } from './inode.js';

/** Bits of `wanted`, as in a mode. */
export const ACCESS = { EXECUTE: 1, WRITE: 2, READ: 4 } as const;

const GROUP_BITS = 0o070;

/** Whether a user without privileges may do all that is `wanted`. @see linux fs/namei.c acl_permission_check */
export function mayAccess(inode: Inode, user: User, wanted: number): boolean {
  const { mode, uid, gid } = inode.item;
  const isIn = (bits: number): boolean => (bits & wanted) === wanted;
  if (user.uid === uid) return isIn(mode >> 6);
  const acl = (mode & GROUP_BITS) === 0 ? undefined : accessAclOf(inode);
  if (acl !== undefined) return aclPermits(acl, user, gid, wanted);
  return isIn(user.groups.includes(gid) ? mode >> 3 : mode);
}
