/** ioctls: which are known, and how their arguments come and go. */
import { errnoOf } from '../../bytes/index.js';
import { EMPTY_SUBVOL_DIR_OBJECTID } from '../../format/index.js';
import { Caller } from '../caller.js';
import { CONTROL } from '../control.js';
import { FSCRYPT_IOCTL } from '../protocol/fscrypt.js';
import { IOCTL_IN, IOCTL_OUT } from '../protocol/layouts.js';
import { FITRIM } from '../protocol/trim.js';
import type { Operation } from '../server.js';
import { control } from './control.js';
import { getFlags, getVersion, getXflags, setFlags, setXflags } from './flag-ioctls.js';
import * as fscrypt from './fscrypt-ioctls.js';
import type { Ioctl } from './ioctl-call.js';
import { trim } from './trim-ioctl.js';

/** By the number that linux include/uapi/linux/fscrypt.h, fs.h and btrfs.h give. */
const IOCTLS: ReadonlyMap<number, Ioctl> = new Map([
  [0x80086601, getFlags],
  [0x40086602, setFlags],
  [0x801c581f, getXflags],
  [0x401c5820, setXflags],
  [0x80087601, getVersion],
  [FITRIM, trim],
  [FSCRYPT_IOCTL.SET_POLICY, fscrypt.setPolicy],
  [FSCRYPT_IOCTL.GET_POLICY, fscrypt.getPolicyV1],
  [FSCRYPT_IOCTL.GET_POLICY_EX, fscrypt.getPolicy],
  [FSCRYPT_IOCTL.ADD_KEY, fscrypt.addKey],
  [FSCRYPT_IOCTL.ADD_KEY_INSIDE, fscrypt.addKey],
  [FSCRYPT_IOCTL.REMOVE_KEY, fscrypt.removeKey],
  [FSCRYPT_IOCTL.REMOVE_KEY_ALL_USERS, fscrypt.removeKeyOfAllUsers],
  [FSCRYPT_IOCTL.GET_KEY_STATUS, fscrypt.getKeyStatus],
  [FSCRYPT_IOCTL.GET_NONCE, fscrypt.getNonce],
  [CONTROL, control],
]);

/** Fails with ENOTTY for one that is not known. */
export const ioctl: Operation = (server, request, reply) => {
  const run = IOCTLS.get(request.u32(IOCTL_IN.cmd));
  const inode = server.nodes.inode(request.nodeid);
  // The kernel's btrfs knows none on the placeholder of a missing subvolume.
  const isKnown = run === control || inode.ino !== EMPTY_SUBVOL_DIR_OBJECTID;
  if (run === undefined || !isKnown) {
    // Many programs ask of every file they open whether it is a terminal: too often for an exception.
    reply.fail(-errnoOf('ENOTTY'));
    return;
  }
  const { nodeid, pid, uid, gid } = request;
  const outputSize = request.u32(IOCTL_IN.outSize);
  const output = run({
    server,
    nodeid,
    inode,
    caller: new Caller(pid, uid, gid, server.port.log),
    address: request.u64(IOCTL_IN.arg),
    input: request.payload(IOCTL_IN.SIZE, request.u32(IOCTL_IN.inSize)),
    outputSize,
  });
  reply.append(IOCTL_OUT.SIZE);
  reply.appendBytes(output.subarray(0, outputSize));
};
