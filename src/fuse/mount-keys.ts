/** The keys of a mount, added and removed by ioctls whose whole argument FUSE carries. */
import {
  ADD_KEY_ARG,
  FSCRYPT_IOCTL,
  KEY_SPEC,
  KEY_SPEC_TYPE_IDENTIFIER,
  MAX_RAW_SIZE,
  REMOVAL_FILES_BUSY,
  REMOVAL_OTHER_USERS,
  REMOVE_KEY_ARG,
} from './protocol/fscrypt.js';
import { ioctl } from './system-calls.js';

/** What keeps a key that was removed usable. */
export type StillUsed = 'openFiles' | 'otherUsers';

/**
 * Adds a master key to the mount that an open directory lies in, on behalf of the calling user.
 *
 * @param raw - 16 to 64 bytes, the caller's to wipe
 * @throws FsError EINVAL, ENOTTY if it is no mount of Butterlock
 */
export function addMountKey(fd: number, raw: Uint8Array): void {
  const argument = Buffer.alloc(ADD_KEY_ARG.SIZE + MAX_RAW_SIZE);
  argument.writeUInt32LE(KEY_SPEC_TYPE_IDENTIFIER, ADD_KEY_ARG.keySpec + KEY_SPEC.type);
  argument.writeUInt32LE(raw.length, ADD_KEY_ARG.rawSize);
  argument.set(raw, ADD_KEY_ARG.SIZE);
  try {
    ioctl(fd, FSCRYPT_IOCTL.ADD_KEY_INSIDE, argument);
  } finally {
    argument.fill(0);
  }
}

/**
 * Takes back what the calling user has added, or all users.
 *
 * @returns what still uses the key, if anything does
 * @throws FsError ENOKEY if the key is not there, or not added by this user; EACCES for all users without privileges
 */
export function removeMountKey(fd: number, identifier: Uint8Array, allUsers: boolean): StillUsed | undefined {
  const argument = Buffer.alloc(REMOVE_KEY_ARG.SIZE);
  argument.writeUInt32LE(KEY_SPEC_TYPE_IDENTIFIER, REMOVE_KEY_ARG.keySpec + KEY_SPEC.type);
  argument.set(identifier, REMOVE_KEY_ARG.keySpec + KEY_SPEC.identifier);
  ioctl(fd, allUsers ? FSCRYPT_IOCTL.REMOVE_KEY_ALL_USERS : FSCRYPT_IOCTL.REMOVE_KEY, argument);
  const flags = argument.readUInt32LE(REMOVE_KEY_ARG.removalStatusFlags);
  if ((flags & REMOVAL_OTHER_USERS) !== 0) return 'otherUsers';
  return (flags & REMOVAL_FILES_BUSY) !== 0 ? 'openFiles' : undefined;
}
