/** Answers what Butterlock's own commands ask of a mount. */
import { FsError, isFsError } from '../../bytes/index.js';
import { createSnapshot, createSubvolume, deleteSubvolume } from '../../filesystem/index.js';
import { type ControlAnswer, decodeControl, encodeControl } from '../control.js';
import { nameChanged } from '../notices.js';
import type { Ioctl, IoctlCall } from './ioctl-call.js';

type Control = (call: IoctlCall, question: Record<string, unknown>) => ControlAnswer;

const CONTROLS: Readonly<Record<string, Control>> = {
  status: ({ server }) => ({
    pid: process.pid,
    image: server.filesystem.transaction.volume.device.name,
    readOnly: !server.filesystem.transaction.writable,
    ...(server.failure !== undefined && { failure: server.failure }),
  }),
  commit: ({ server }) => {
    server.commit();
    return {};
  },
  subvolume: ({ inode }) => ({ id: inode.subvolume.id }),
  createSubvolume: ({ server, nodeid, inode, caller }, question) => {
    const name = nameIn(question);
    const top = createSubvolume(inode, name, { uid: caller.uid, gid: inode.item.gid });
    nameChanged(server, nodeid, name);
    return { id: top.subvolume.id };
  },
  snapshot: ({ server, nodeid, inode }, question) => {
    const { id, readOnly } = question;
    if (typeof id !== 'number') throw new FsError('EINVAL', 'a snapshot is made of a subvolume');
    const name = nameIn(question);
    createSnapshot(server.filesystem.subvolume(id), inode, name, readOnly === true);
    nameChanged(server, nodeid, name);
    return {};
  },
  deleteSubvolume: ({ server, nodeid, inode }, question) => {
    const name = nameIn(question);
    deleteSubvolume(inode, name);
    nameChanged(server, nodeid, name);
    return {};
  },
};

/** Failures are part of the answer, so that their message reaches the user. */
export const control: Ioctl = (call) => {
  try {
    return encodeControl(answer(call, decodeControl(call.input)));
  } catch (error) {
    if (!isFsError(error)) throw error;
    return encodeControl({ error: error.code, message: error.message.slice(error.code.length + 2) });
  }
};

function answer(call: IoctlCall, question: Record<string, unknown>): ControlAnswer {
  const { caller } = call;
  if (caller.uid !== 0 && caller.uid !== process.getuid?.())
    throw new FsError('EPERM', 'the mount belongs to somebody else');
  const { ask } = question;
  const run = typeof ask === 'string' && Object.hasOwn(CONTROLS, ask) ? CONTROLS[ask] : undefined;
  if (run === undefined) throw new FsError('EINVAL', `the mount cannot be asked ${JSON.stringify(ask)}`);
  return run(call, question);
}

function nameIn({ name }: Record<string, unknown>): Buffer {
  if (typeof name !== 'string' || !/^([0-9a-f]{2})+$/.test(name))
    throw new FsError('EINVAL', 'the question has no name');
  return Buffer.from(name, 'hex');
}
