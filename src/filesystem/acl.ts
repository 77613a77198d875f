/**
 * POSIX access control lists, as far as they meet modes.
 *
 * Stored as attributes in the form of `struct posix_acl_xattr_header` and `_entry` (linux
 * include/uapi/linux/posix_acl_xattr.h): u32 version 2, then entries of u16 tag, u16 permissions,
 * u32 id. The rules are those of linux fs/posix_acl.c.
 */
import { FsError, viewOf } from '../bytes/index.js';
import type { Inode } from './inode.js';
import { S_IFDIR, S_IFLNK, S_IFMT } from './mode.js';
import { readXattr } from './xattr-items.js';

export const POSIX_ACL_ACCESS: Uint8Array = Buffer.from('system.posix_acl_access');
export const POSIX_ACL_DEFAULT: Uint8Array = Buffer.from('system.posix_acl_default');
const COMPRESSION: Uint8Array = Buffer.from('btrfs.compression');

const ACL_VERSION = 2;
const HEADER_SIZE = 4;
const ENTRY = { tag: 0, permissions: 2, id: 4, SIZE: 8 } as const;

const USER_OBJ = 0x01;
const USER = 0x02;
const GROUP_OBJ = 0x04;
const GROUP = 0x08;
const MASK = 0x10;
const OTHER = 0x20;
const TAGS = [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER];
const REQUIRED_TAGS = [USER_OBJ, GROUP_OBJ, OTHER];

interface AclEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

export type Acl = readonly AclEntry[];

export function isAclName(name: Uint8Array): boolean {
  return Buffer.compare(name, POSIX_ACL_ACCESS) === 0 || Buffer.compare(name, POSIX_ACL_DEFAULT) === 0;
}

/**
 * Decodes a list that is to be stored; undefined for one without entries, which means none.
 *
 * @throws FsError EINVAL, EOPNOTSUPP
 */
export function checkedAcl(bytes: Uint8Array): Acl | undefined {
  if (bytes.length === 0) return undefined;
  const acl = parseAcl(bytes);
  if (acl === undefined) throw new FsError('EINVAL', 'the bytes are no access control list');
  if (acl.length === 0) return undefined;
  const count = (tag: number): number => acl.filter((entry) => entry.tag === tag).length;
  const needsMask = count(USER) + count(GROUP) > 0;
  const isValid =
    REQUIRED_TAGS.every((tag) => count(tag) === 1) && count(MASK) <= 1 && (!needsMask || count(MASK) === 1);
  if (!isValid) throw new FsError('EINVAL', 'the access control list lacks an entry or has one twice');
  return acl;
}

function parseAcl(bytes: Uint8Array): Acl | undefined {
  if (bytes.length < HEADER_SIZE || (bytes.length - HEADER_SIZE) % ENTRY.SIZE !== 0) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== ACL_VERSION) return undefined;
  const acl: AclEntry[] = [];
  for (let at = HEADER_SIZE; at < bytes.length; at += ENTRY.SIZE) {
    const tag = view.getUint16(at + ENTRY.tag, true);
    const permissions = view.getUint16(at + ENTRY.permissions, true);
    if (!TAGS.includes(tag) || permissions > 7) return undefined;
    acl.push({ tag, permissions, id: view.getUint32(at + ENTRY.id, true) });
  }
  return acl;
}

function encodeAcl(acl: Acl): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE + acl.length * ENTRY.SIZE);
  const view = viewOf(bytes);
  view.setUint32(0, ACL_VERSION, true);
  acl.forEach(({ tag, permissions, id }, index) => {
    const at = HEADER_SIZE + index * ENTRY.SIZE;
    view.setUint16(at + ENTRY.tag, tag, true);
    view.setUint16(at + ENTRY.permissions, permissions, true);
    view.setUint32(at + ENTRY.id, id, true);
  });
  return bytes;
}

/** The access list of an inode, if it has one that can be read. */
export function accessAclOf(inode: Inode): Acl | undefined {
  const bytes = readXattr(inode, POSIX_ACL_ACCESS);
  return bytes === undefined ? undefined : parseAcl(bytes);
}

/** A user, by the numbers that permissions go by. */
export interface User {
  readonly uid: number;
  readonly groups: readonly number[];
}

/**
 * Whether a list lets somebody who is not the owner do all that is `wanted`, bits as in a mode.
 *
 * @param gid - the group of the inode
 * @see linux fs/posix_acl.c posix_acl_permission
 */
export function aclPermits(acl: Acl, { uid, groups }: User, gid: number, wanted: number): boolean {
  const mask = acl.find(({ tag }) => tag === MASK)?.permissions ?? 7;
  const named = acl.filter(({ tag, id }) => tag === USER && id === uid);
  const ofGroups = acl.filter(
    ({ tag, id }) => (tag === GROUP_OBJ || tag === GROUP) && groups.includes(tag === GROUP ? id : gid),
  );
  const entries = named.length > 0 ? named : ofGroups;
  if (entries.length > 0) return entries.some(({ permissions }) => (permissions & mask & wanted) === wanted);
  return acl.some(({ tag, permissions }) => tag === OTHER && (permissions & wanted) === wanted);
}

/** The list with the permissions that chmod gives to owner, group (or mask) and others. */
export function chmodAcl(acl: Acl, mode: number): Uint8Array {
  const groupTag = acl.some(({ tag }) => tag === MASK) ? MASK : GROUP_OBJ;
  return encodeAcl(
    acl.map((entry) => {
      if (entry.tag === USER_OBJ) return { ...entry, permissions: (mode >> 6) & 7 };
      if (entry.tag === groupTag) return { ...entry, permissions: (mode >> 3) & 7 };
      return entry.tag === OTHER ? { ...entry, permissions: mode & 7 } : entry;
    }),
  );
}

/** The mode a list stands for, and whether that says all the list does. */
export function modeOfAcl(acl: Acl): { mode: number; isWhole: boolean } {
  const of = (tag: number): number | undefined => acl.find((entry) => entry.tag === tag)?.permissions;
  const group = of(MASK) ?? of(GROUP_OBJ) ?? 0;
  const isWhole = acl.every(({ tag }) => REQUIRED_TAGS.includes(tag));
  return { mode: ((of(USER_OBJ) ?? 0) << 6) | (group << 3) | (of(OTHER) ?? 0), isWhole };
}

export interface InheritedXattrs {
  /** The mode asked for, cut down by the directory's default list. */
  readonly mode: number;
  readonly xattrs: readonly { readonly name: Uint8Array; readonly value: Uint8Array }[];
}

/** What a new inode takes over from its directory's attributes: default list and compression property. */
export function inheritedXattrs(directory: Inode, mode: number): InheritedXattrs {
  const type = mode & S_IFMT;
  if (type === S_IFLNK) return { mode, xattrs: [] };
  const xattrs: { name: Uint8Array; value: Uint8Array }[] = [];
  const compression = directory.encrypted ? undefined : readXattr(directory, COMPRESSION);
  if (compression !== undefined) xattrs.push({ name: COMPRESSION, value: compression });
  const value = readXattr(directory, POSIX_ACL_DEFAULT);
  const acl = value === undefined ? undefined : parseAcl(value);
  if (value === undefined || acl === undefined) return { mode, xattrs };
  const masked = maskedAcl(acl, mode);
  const { mode: permissions, isWhole } = modeOfAcl(masked);
  if (!isWhole) xattrs.push({ name: POSIX_ACL_ACCESS, value: encodeAcl(masked) });
  if (type === S_IFDIR) xattrs.push({ name: POSIX_ACL_DEFAULT, value });
  return { mode: mode - (mode & 0o777) + permissions, xattrs };
}

/** Permissions that both the list and the mode of creation give (posix_acl_create_masq). */
function maskedAcl(acl: Acl, mode: number): Acl {
  const groupTag = acl.some(({ tag }) => tag === MASK) ? MASK : GROUP_OBJ;
  return acl.map((entry) => {
    if (entry.tag === USER_OBJ) return { ...entry, permissions: entry.permissions & (mode >> 6) };
    if (entry.tag === groupTag) return { ...entry, permissions: entry.permissions & (mode >> 3) };
    return entry.tag === OTHER ? { ...entry, permissions: entry.permissions & mode } : entry;
  });
}
