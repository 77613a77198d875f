/**
 * The ioctls of fscrypt, as linux Documentation/filesystems/fscrypt.rst describes them.
 *
 * FUSE copies only the bytes that an ioctl's number speaks of, and three of these numbers speak of
 * less than the caller means. There the caller's memory is read or written directly. Butterlock's
 * own commands use numbers of their own (`…_INSIDE`) in which everything lies within the size.
 */
import { FsError, isZero } from '../../bytes/index.js';
import { encodePolicy, IDENTIFIER_SIZE, POLICY_V2, parsePolicy } from '../../fscrypt/index.js';
import { CAPABILITY } from '../caller.js';
import { keyChanged } from '../notices.js';
import { type Ioctl, type IoctlCall, NOTHING } from './ioctl-call.js';

/** Numbers of linux include/uapi/linux/fscrypt.h, and those of our own with a larger size field. */
export const FSCRYPT_IOCTL = {
  SET_POLICY: 0x800c6613,
  SET_POLICY_INSIDE: 0x40186613,
  GET_POLICY: 0x400c6615,
  GET_POLICY_EX: 0xc0096616,
  GET_POLICY_EX_INSIDE: 0xc0206616,
  ADD_KEY: 0xc0506617,
  ADD_KEY_INSIDE: 0xc0906617,
  REMOVE_KEY: 0xc0406618,
  REMOVE_KEY_ALL_USERS: 0xc0406619,
  GET_KEY_STATUS: 0xc080661a,
  GET_NONCE: 0x8010661b,
} as const;

/** `struct fscrypt_key_specifier`. */
export const KEY_SPEC = { type: 0, reserved: 4, identifier: 8, SIZE: 40 } as const;
const KEY_SPEC_TYPE_DESCRIPTOR = 1;
export const KEY_SPEC_TYPE_IDENTIFIER = 2;

/** `struct fscrypt_add_key_arg`, without the raw key at its end. */
export const ADD_KEY_ARG = { keySpec: 0, rawSize: 40, keyId: 44, flags: 48, reserved: 52, SIZE: 80 } as const;
export const REMOVE_KEY_ARG = { keySpec: 0, removalStatusFlags: 40, reserved: 44, SIZE: 64 } as const;
export const KEY_STATUS_ARG = {
  keySpec: 0,
  reserved: 40,
  status: 64,
  statusFlags: 68,
  userCount: 72,
  SIZE: 128,
} as const;

const REMOVAL_FILES_BUSY = 1;
const REMOVAL_OTHER_USERS = 2;
const KEY_STATUS = { absent: 1, present: 2, incompletelyRemoved: 3 } as const;
const KEY_STATUS_ADDED_BY_SELF = 1;

export const MIN_RAW_SIZE = 16;
export const MAX_RAW_SIZE = 64;
const V1_POLICY_SIZE = 12;

// --- policies ---

export const setPolicy: Ioctl = ({ server, inode, caller, address, input }) => {
  const policy = parsePolicy(input.length >= POLICY_V2.SIZE ? Buffer.from(input) : readPolicy(caller, address));
  const isOwner = caller.uid === inode.item.uid || caller.isCapable(CAPABILITY.FOWNER);
  const mayNameAbsentKey = caller.isCapable(CAPABILITY.FOWNER);
  if (isOwner && !mayNameAbsentKey && !server.keys.isClaimed(policy.masterKeyIdentifier, caller.uid)) {
    throw new FsError('ENOKEY', 'only a key that the caller has added can be named');
  }
  server.filesystem.setPolicy(inode, policy, isOwner, mayNameAbsentKey);
  return NOTHING;
};

/** The first byte tells the version, and it the size. */
function readPolicy(caller: IoctlCall['caller'], address: number): Buffer {
  const [version] = caller.read(address, 1);
  if (version !== 0 && version !== 2)
    throw new FsError('EINVAL', `there is no encryption policy of version ${version}`);
  return caller.read(address, version === 0 ? V1_POLICY_SIZE : POLICY_V2.SIZE);
}

/** This one speaks of policies of version 1 only, which no volume here has. @throws FsError ENODATA, EINVAL */
export const getPolicyV1: Ioctl = ({ server, inode }) => {
  server.filesystem.policy(inode);
  throw new FsError('EINVAL', `the policy of ${inode.describe()} is of version 2`);
};

const SIZE_FIELD = 8;

export const getPolicy: Ioctl = ({ server, inode, caller, address, input, outputSize }) => {
  const { policy } = server.filesystem.policy(inode);
  if (input.length < SIZE_FIELD) throw new FsError('EINVAL', 'the argument is too short');
  if (input.readBigUInt64LE() < BigInt(POLICY_V2.SIZE)) throw new FsError('EOVERFLOW', 'the policy does not fit');
  const bytes = Buffer.alloc(SIZE_FIELD + POLICY_V2.SIZE);
  bytes.writeBigUInt64LE(BigInt(POLICY_V2.SIZE));
  bytes.set(encodePolicy(policy), SIZE_FIELD);
  if (outputSize >= bytes.length) return bytes;
  caller.write(address, bytes);
  return NOTHING;
};

/** @throws FsError ENODATA also for an encrypted file that needs no nonce of its own */
export const getNonce: Ioctl = ({ server, inode }) => {
  const { nonce } = server.filesystem.policy(inode);
  if (nonce === undefined) throw new FsError('ENODATA', `${inode.describe()} has no nonce of its own`);
  return nonce;
};

// --- keys ---

export const addKey: Ioctl = ({ server, caller, address, input }) => {
  if (input.length < ADD_KEY_ARG.SIZE) throw new FsError('EINVAL', 'the argument is too short');
  const type = input.readUInt32LE(KEY_SPEC.type);
  checkKeySpecifier(input);
  if (!isZero(input.subarray(ADD_KEY_ARG.flags, ADD_KEY_ARG.SIZE)))
    throw new FsError('EINVAL', 'reserved fields are not zero');
  if (type !== KEY_SPEC_TYPE_IDENTIFIER) throw descriptorRefusal();
  if (input.readUInt32LE(ADD_KEY_ARG.keyId) !== 0) {
    throw new FsError('EOPNOTSUPP', 'a key in a keyring of the kernel cannot be read from outside it');
  }
  const size = input.readUInt32LE(ADD_KEY_ARG.rawSize);
  if (size < MIN_RAW_SIZE || size > MAX_RAW_SIZE)
    throw new FsError('EINVAL', `a key has ${MIN_RAW_SIZE} to ${MAX_RAW_SIZE} bytes, not ${size}`);
  const isInside = input.length >= ADD_KEY_ARG.SIZE + MAX_RAW_SIZE;
  const raw = isInside
    ? input.subarray(ADD_KEY_ARG.SIZE, ADD_KEY_ARG.SIZE + size)
    : caller.read(address + ADD_KEY_ARG.SIZE, size);
  const { generation } = server.keys.keyring;
  const output = Buffer.from(input.subarray(0, ADD_KEY_ARG.SIZE));
  try {
    output.set(server.keys.add(raw, caller.uid), KEY_SPEC.identifier);
  } finally {
    raw.fill(0);
  }
  if (server.keys.keyring.generation !== generation) keyChanged(server, identifierOf(output));
  return output;
};

export const removeKey: Ioctl = (call) => remove(call, call.caller.uid);

export const removeKeyOfAllUsers: Ioctl = (call) => {
  if (!call.caller.isCapable(CAPABILITY.SYS_ADMIN))
    throw new FsError('EACCES', "other users' keys are not the caller's");
  return remove(call, 'all');
};

function remove({ server, input }: IoctlCall, uid: number | 'all'): Uint8Array {
  if (input.length < REMOVE_KEY_ARG.SIZE) throw new FsError('EINVAL', 'the argument is too short');
  checkKeySpecifier(input);
  if (!isZero(input.subarray(REMOVE_KEY_ARG.reserved, REMOVE_KEY_ARG.SIZE)))
    throw new FsError('EINVAL', 'reserved fields are not zero');
  if (input.readUInt32LE(KEY_SPEC.type) !== KEY_SPEC_TYPE_IDENTIFIER)
    throw new FsError('ENOKEY', 'there are no keys by descriptor');
  const identifier = identifierOf(input);
  const { hasOtherUsers, status } = server.keys.remove(server.filesystem, identifier, uid);
  const output = Buffer.from(input);
  const busy = status === 'incompletelyRemoved' ? REMOVAL_FILES_BUSY : 0;
  output.writeUInt32LE(hasOtherUsers ? REMOVAL_OTHER_USERS : busy, REMOVE_KEY_ARG.removalStatusFlags);
  if (!hasOtherUsers) keyChanged(server, identifier);
  return output;
}

export const getKeyStatus: Ioctl = ({ server, caller, input }) => {
  if (input.length < KEY_STATUS_ARG.SIZE) throw new FsError('EINVAL', 'the argument is too short');
  checkKeySpecifier(input);
  if (!isZero(input.subarray(KEY_STATUS_ARG.reserved, KEY_STATUS_ARG.status)))
    throw new FsError('EINVAL', 'reserved fields are not zero');
  const output = Buffer.from(input);
  output.fill(0, KEY_STATUS_ARG.status);
  const identifier = identifierOf(input);
  const isIdentifier = input.readUInt32LE(KEY_SPEC.type) === KEY_SPEC_TYPE_IDENTIFIER;
  const status = isIdentifier ? server.keys.keyring.status(identifier) : 'absent';
  output.writeUInt32LE(KEY_STATUS[status], KEY_STATUS_ARG.status);
  if (status === 'present') {
    const bySelf = server.keys.isClaimed(identifier, caller.uid) ? KEY_STATUS_ADDED_BY_SELF : 0;
    output.writeUInt32LE(bySelf, KEY_STATUS_ARG.statusFlags);
    output.writeUInt32LE(server.keys.userCount(identifier), KEY_STATUS_ARG.userCount);
  }
  return output;
};

function identifierOf(argument: Buffer): Buffer {
  return Buffer.from(argument.subarray(KEY_SPEC.identifier, KEY_SPEC.identifier + IDENTIFIER_SIZE));
}

/** @throws FsError EINVAL */
function checkKeySpecifier(argument: Buffer): void {
  const type = argument.readUInt32LE(KEY_SPEC.type);
  const isKnown = type === KEY_SPEC_TYPE_DESCRIPTOR || type === KEY_SPEC_TYPE_IDENTIFIER;
  if (!isKnown || argument.readUInt32LE(KEY_SPEC.reserved) !== 0) throw new FsError('EINVAL', 'this specifies no key');
}

function descriptorRefusal(): FsError {
  return new FsError(
    'EOPNOTSUPP',
    'keys by descriptor are for encryption policies of version 1, which are not supported',
  );
}
