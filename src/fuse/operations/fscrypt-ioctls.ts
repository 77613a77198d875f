/**
 * The ioctls of fscrypt, as linux Documentation/filesystems/fscrypt.rst describes them.
 *
 * FUSE copies only the bytes that an ioctl's number speaks of, and three of these numbers speak of
 * less than the caller means. There the caller's memory is read or written directly. Butterlock's
 * own commands ask in other ways: by ADD_KEY_INSIDE, and as control.ts says.
 */
import { FsError, isZero } from '../../bytes/index.js';
import { encodePolicy, IDENTIFIER_SIZE, POLICY_V2, type Policy, parsePolicy } from '../../fscrypt/index.js';
import { CAPABILITY } from '../caller.js';
import { keyChanged } from '../notices.js';
import {
  ADD_KEY_ARG,
  KEY_SPEC,
  KEY_SPEC_TYPE_DESCRIPTOR,
  KEY_SPEC_TYPE_IDENTIFIER,
  KEY_STATUS,
  KEY_STATUS_ADDED_BY_SELF,
  KEY_STATUS_ARG,
  MAX_RAW_SIZE,
  MIN_RAW_SIZE,
  REMOVAL_FILES_BUSY,
  REMOVAL_OTHER_USERS,
  REMOVE_KEY_ARG,
} from '../protocol/fscrypt.js';
import { type Ioctl, type IoctlCall, NOTHING } from './ioctl-call.js';

const V1_POLICY_SIZE = 12;

// --- policies ---

export const setPolicy: Ioctl = (call) => {
  changePolicy(call, parsePolicy(readPolicy(call.caller, call.address)));
  return NOTHING;
};

/** Encrypts the directory that is asked, as far as the caller may. @throws FsError as Filesystem.setPolicy */
export function changePolicy({ server, inode, caller }: IoctlCall, policy: Policy): void {
  const isOwner = caller.isOwnerOf(inode);
  const mayNameAbsentKey = caller.isCapable(CAPABILITY.FOWNER);
  if (isOwner && !mayNameAbsentKey && !server.keys.isClaimed(policy.masterKeyIdentifier, caller.uid)) {
    throw new FsError('ENOKEY', 'only a key that the caller has added can be named');
  }
  server.filesystem.setPolicy(inode, policy, isOwner, mayNameAbsentKey);
}

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

export const getPolicy: Ioctl = ({ server, inode, caller, address, input }) => {
  const { policy } = server.filesystem.policy(inode);
  if (input.length < SIZE_FIELD) throw new FsError('EINVAL', 'the argument is too short');
  if (input.readBigUInt64LE() < BigInt(POLICY_V2.SIZE)) throw new FsError('EOVERFLOW', 'the policy does not fit');
  const bytes = Buffer.alloc(SIZE_FIELD + POLICY_V2.SIZE);
  bytes.writeBigUInt64LE(BigInt(POLICY_V2.SIZE));
  bytes.set(encodePolicy(policy), SIZE_FIELD);
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
