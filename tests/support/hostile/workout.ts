/** Every kind of change, tried on a damaged volume; and what must hold on the device afterwards. */
import assert from 'node:assert/strict';
import { type BlockDevice, RecordingDevice } from '../../../src/device/index.js';
import { cloneRange, type Filesystem, type Inode } from '../../../src/filesystem/index.js';
import { createSnapshot, createSubvolume, deleteSubvolume } from '../../../src/filesystem/subvolumes.js';
import { type OpenedFilesystem, openFilesystem } from '../open-filesystem.js';
import { steppingClock } from '../seeded.js';
import { explore, fsErrorOf, type Sight } from './explore.js';
import { nameBytes, write } from './subjects.js';

const SUPERBLOCK = 65536;
const OWNER = { uid: 0, gid: 0 };
/** What the changes leave alone. */
const UNTOUCHED = ['/subvolume', '/plain'];

export type Change = (filesystem: Filesystem, work: Inode) => void;

/** The changes, in order. One of them is refused: the directory is not empty. */
export const CHANGES: readonly Change[] = [
  (fs, work) => void write(fs, work, 'new', 0, 30_000, 40),
  (fs, work) => void write(fs, work, 'file9', 4000, 9000, 41),
  (fs) => fs.commit(),
  (fs, work) => fs.unlink(work, nameBytes('file2')),
  (fs, work) => fs.lookup(work, nameBytes('sparse')).data.truncate(120_000),
  (fs, work) => fs.rename(work, nameBytes('file5'), work, nameBytes('file6')),
  (fs, work) => fs.setXattr(work, nameBytes('user.new'), Buffer.alloc(100, 42)),
  (fs) => fs.commit(),
  (fs, work) => void createSnapshot(work.subvolume, fs.root(), nameBytes('second snapshot'), false),
  (fs, work) => fs.lookup(work, nameBytes('file11')).data.punchHole(4096, 8192),
  (fs, work) => fs.link(fs.lookup(work, nameBytes('file7')), work, nameBytes('second name')),
  (fs, work) => cloneRange(fs.lookup(work, nameBytes('file12')), 0, 8192, fs.lookup(work, nameBytes('file8')), 0),
  (fs) => deleteSubvolume(fs.root(), nameBytes('snapshot')),
  (fs) => void createSubvolume(fs.root(), nameBytes('new subvolume'), OWNER),
  (fs, work) => fs.rmdir(fs.lookup(work, nameBytes('below')), nameBytes('deep')),
  (fs, work) => fs.setAttributes(fs.lookup(work, nameBytes('file10')), { mode: 0o600, size: 3 }),
  (fs, work) => fs.unlink(work, nameBytes('hard link')),
  (fs) => fs.commit(),
];

/**
 * Does all the changes it can on `device`, for writing.
 *
 * @throws Error when a change ends in anything but success or an FsError, or does harm: to the last
 *   commit, if a failure made the volume read-only, or to what no change was asked of
 */
export function workOut(device: BlockDevice, keys: readonly Uint8Array[], before: Sight): string[] {
  const recording = new RecordingDevice(device);
  const errors: string[] = [];
  const attempt = (work: () => void): void => {
    const error = fsErrorOf(work);
    if (error !== undefined) errors.push(error.message);
  };
  let opened: OpenedFilesystem | undefined;
  attempt(() => {
    opened = openFilesystem(recording, { keys, clock: steppingClock(1_800_000_000) });
  });
  if (opened !== undefined) {
    const { filesystem } = opened;
    for (const change of CHANGES) {
      attempt(() => change(filesystem, filesystem.lookup(filesystem.root(), nameBytes('vault'))));
    }
    attempt(() => filesystem.close());
  }
  const after = explore(recording, keys);
  if (opened?.transaction.writable !== true) assertLastCommitStands(recording, keys, after);
  assertNoCollateralDamage(before, after);
  return errors;
}

/** How many events of a recording each commit in it took: up to and with its first superblock. */
export function commitsIn({ events }: RecordingDevice): number[] {
  return events.flatMap((event, i) => (event.kind === 'write' && event.offset === SUPERBLOCK ? [i + 1] : []));
}

function assertLastCommitStands(recording: RecordingDevice, keys: readonly Uint8Array[], after: Sight): void {
  const committed = commitsIn(recording).at(-1) ?? 0;
  if (recording.events.slice(committed).every(({ kind }) => kind !== 'write')) return;
  assert.deepEqual(after, explore(recording.replay(committed), keys), 'a change that failed touched the last commit');
}

function assertNoCollateralDamage(before: Sight, after: Sight): void {
  for (const [path, line] of before) {
    if (!UNTOUCHED.some((part) => path.startsWith(part)) || !/^\d+ /.test(line)) continue;
    assert.equal(after.get(path) ?? after.get('error'), line, `${path} is as before the changes`);
  }
}
