/** Answers what Butterlock's own commands ask of a mount. */
import { FsError, isFsError } from '../../bytes/index.js';
import { ACCESS, describeVolume, type Inode } from '../../filesystem/index.js';
import { encodePolicy, parsePolicy } from '../../fscrypt/index.js';
import { type Answer, type Ask, decodeControl, encodeControl, pageOf } from '../control.js';
import { startOf } from '../process-start.js';
import { bytesIn, nameIn, numberIn, type Unchecked } from '../questions.js';
import { changePolicy } from './fscrypt-ioctls.js';
import type { Ioctl, IoctlCall } from './ioctl-call.js';
import { SUBVOLUME_CONTROLS } from './subvolume-controls.js';

/** One function for each thing that can be asked. */
export type Answers<A extends Ask = Ask> = { readonly [K in A]: (call: IoctlCall, question: Unchecked) => Answer<K> };

const CONTROLS: Answers = {
  status: ({ server: { filesystem, answered } }) => ({
    pid: process.pid,
    started: startOf('self'),
    image: filesystem.transaction.volume.device.name,
    readOnly: !filesystem.transaction.writable,
    failure: filesystem.transaction.failure,
    answered,
  }),
  commit: ({ server }) => {
    server.commit();
    return {};
  },
  info: ({ server }) => describeVolume(server.filesystem),
  enableEncryption: ({ server, caller }, { layout }) => {
    caller.assertAdministrator();
    if (layout !== 'item' && layout !== 'trailing') throw new FsError('EINVAL', 'there is no such layout');
    server.filesystem.enableEncryption(layout);
    return {};
  },
  ...SUBVOLUME_CONTROLS,
  isEncrypted: (call, question) => ({ encrypted: target(call, question).encrypted }),
  policy: (call, question) => {
    const { policy, nonce } = call.server.filesystem.policy(target(call, question));
    return { policy: encodePolicy(policy), nonce };
  },
  setPolicy: (call, question) => {
    changePolicy(call, parsePolicy(bytesIn(question, 'policy')));
    return {};
  },
  keys: ({ server, caller }, question) => {
    const keys = [...server.keys.list(caller.uid)].map((key, index) => [index, key] as const);
    return pageOf(keys.slice(numberIn(question, 'from')));
  },
};

/** Failures are part of the answer, so that their message reaches the user. */
export const control: Ioctl = (call) => {
  try {
    const { ask, ...question } = decodeControl(call.input);
    if (!isAsk(ask)) throw new FsError('EINVAL', `the mount cannot be asked ${JSON.stringify(ask)}`);
    return encodeControl(CONTROLS[ask](call, question));
  } catch (error) {
    if (!isFsError(error)) throw error;
    return encodeControl({ error: error.code, message: error.message.slice(error.code.length + 2) });
  }
};

function isAsk(ask: unknown): ask is Ask {
  return typeof ask === 'string' && Object.hasOwn(CONTROLS, ask);
}

/** What a question is about: something in the directory that is asked, or what is asked itself. */
function target({ server, inode, caller }: IoctlCall, question: Unchecked): Inode {
  if (question.name === undefined) return inode;
  caller.assertAccess(inode, ACCESS.EXECUTE);
  return server.filesystem.lookup(inode, nameIn(question));
}
