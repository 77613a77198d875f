/** What Butterlock's commands ask of a mount about subvolumes. */
import { FsError } from '../../bytes/index.js';
import {
  ACCESS,
  createSnapshot,
  createSubvolume,
  deleteSubvolume,
  findSubvolume,
  listSubvolumes,
  type SubvolumeInfo,
  setDefaultSubvolume,
} from '../../filesystem/index.js';
import { FIRST_FREE_OBJECTID } from '../../format/index.js';
import { pageOf } from '../control.js';
import { nameChanged, subvolumeDeleted } from '../notices.js';
import { nameIn, numberIn } from '../questions.js';
import type { Answers } from './control.js';
import type { IoctlCall } from './ioctl-call.js';
import { removing } from './names.js';

/** PATH_MAX: no program can use a longer path, and no answer has room for any length. */
const LONGEST_PATH = 4095;
const PERMISSION_BITS = 0o7777;

type SubvolumeAsk =
  | 'subvolume'
  | 'subvolumes'
  | 'createSubvolume'
  | 'snapshot'
  | 'deleteSubvolume'
  | 'setDefaultSubvolume';

export const SUBVOLUME_CONTROLS: Answers<SubvolumeAsk> = {
  subvolume: ({ server: { filesystem }, inode }) => ({
    ...withUsablePath(findSubvolume(filesystem, inode.subvolume.id)),
    isTop: inode.ino === FIRST_FREE_OBJECTID,
  }),
  subvolumes: ({ server: { filesystem }, caller }, question) => {
    caller.assertAdministrator();
    return pageOf(numbered(listSubvolumes(filesystem, numberIn(question, 'from'))));
  },
  createSubvolume: (call, question) => {
    const { server, inode, caller } = call;
    const name = nameIn(question);
    const mode = numberIn(question, 'mode') & PERMISSION_BITS;
    assertMayCreate(call);
    const top = createSubvolume(inode, name, { uid: caller.uid, gid: caller.gid });
    server.filesystem.setAttributes(top, { mode });
    nameChanged(server, call.nodeid, name);
    return {};
  },
  snapshot: (call, question) => {
    const { server, inode, caller } = call;
    const name = nameIn(question);
    const source = server.filesystem.subvolume(numberIn(question, 'source'));
    assertMayCreate(call);
    if (!caller.isOwnerOf(source.inode(FIRST_FREE_OBJECTID)))
      throw new FsError('EPERM', `subvolume ${source.id} belongs to somebody else`);
    createSnapshot(source, inode, name, question.readOnly === true);
    nameChanged(server, call.nodeid, name);
    return {};
  },
  deleteSubvolume: ({ server, nodeid, inode, caller }, question) => {
    const name = nameIn(question);
    caller.assertAdministrator();
    const { subvolume } = server.filesystem.lookup(inode, name);
    removing(server.filesystem, server.nodes, inode, name, () => deleteSubvolume(inode, name));
    subvolumeDeleted(server, subvolume.id);
    nameChanged(server, nodeid, name);
    return {};
  },
  setDefaultSubvolume: ({ server, caller }, question) => {
    caller.assertAdministrator();
    setDefaultSubvolume(server.filesystem, numberIn(question, 'id'));
    return {};
  },
};

/** As mkdir(2) asks of the directory. @throws FsError EACCES */
function assertMayCreate({ inode, caller }: IoctlCall): void {
  caller.assertAccess(inode, ACCESS.WRITE | ACCESS.EXECUTE);
}

function* numbered(subvolumes: Iterable<SubvolumeInfo>): Generator<readonly [number, SubvolumeInfo]> {
  for (const subvolume of subvolumes) yield [subvolume.id, withUsablePath(subvolume)];
}

function withUsablePath(subvolume: SubvolumeInfo): SubvolumeInfo {
  const { path } = subvolume;
  return path !== undefined && path.length > LONGEST_PATH ? { ...subvolume, path: undefined } : subvolume;
}
