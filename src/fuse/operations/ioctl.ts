/** ioctls: which are known, and how their arguments come and go. */
import { FsError } from '../../bytes/index.js';
import { Caller } from '../caller.js';
import { CONTROL } from '../control.js';
import { IOCTL_IN, IOCTL_OUT } from '../protocol/layouts.js';
import type { Operation } from '../server.js';
import { control } from './control.js';
import { getFlags, getVersion, getXflags, setFlags, setXflags, trim } from './flag-ioctls.js';
import * as fscrypt from './fscrypt-ioctls.js';
import type { Ioctl } from './ioctl-call.js';

/** By the number that linux include/uapi/linux/fscrypt.h, fs.h and btrfs.h give. */
const IOCTLS: ReadonlyMap<number, Ioctl> = new Map([
  [0x80086601, getFlags],
  [0x40086602, setFlags],
  [0x801c581f, getXflags],
  [0x401c5820, setXflags],
  [0x80087601, getVersion],
  [0xc0185879, trim],
  [fscrypt.FSCRYPT_IOCTL.SET_POLICY, fscrypt.setPolicy],
  [fscrypt.FSCRYPT_IOCTL.SET_POLICY_INSIDE, fscrypt.setPolicy],
  [fscrypt.FSCRYPT_IOCTL.GET_POLICY, fscrypt.getPolicyV1],
  [fscrypt.FSCRYPT_IOCTL.GET_POLICY_EX, fscrypt.getPolicy],
  [fscrypt.FSCRYPT_IOCTL.GET_POLICY_EX_INSIDE, fscrypt.getPolicy],
  [fscrypt.FSCRYPT_IOCTL.ADD_KEY, fscrypt.addKey],
  [fscrypt.FSCRYPT_IOCTL.ADD_KEY_INSIDE, fscrypt.addKey],
  [fscrypt.FSCRYPT_IOCTL.REMOVE_KEY, fscrypt.removeKey],
  [fscrypt.FSCRYPT_IOCTL.REMOVE_KEY_ALL_USERS, fscrypt.removeKeyOfAllUsers],
  [fscrypt.FSCRYPT_IOCTL.GET_KEY_STATUS, fscrypt.getKeyStatus],
  [fscrypt.FSCRYPT_IOCTL.GET_NONCE, fscrypt.getNonce],
  [CONTROL, control],
]);

/** @throws FsError ENOTTY for one that is not known */
export const ioctl: Operation = (server, request, reply) => {
  const run = IOCTLS.get(request.u32(IOCTL_IN.cmd));
  if (run === undefined) throw new FsError('ENOTTY', `ioctl 0x${request.u32(IOCTL_IN.cmd).toString(16)} is not known`);
  const { nodeid, pid, uid } = request;
  const outputSize = request.u32(IOCTL_IN.outSize);
  const output = run({
    server,
    nodeid,
    inode: server.nodes.inode(nodeid),
    caller: new Caller(pid, uid, server.port.log),
    address: request.u64(IOCTL_IN.arg),
    input: request.payload(IOCTL_IN.SIZE, request.u32(IOCTL_IN.inSize)),
    outputSize,
  });
  reply.append(IOCTL_OUT.SIZE);
  reply.appendBytes(output.subarray(0, outputSize));
};
