/** The time of the last access, kept in the manner of the mount option `relatime`. */
import type { Timespec } from '../../bytes/index.js';
import type { Inode } from '../../filesystem/index.js';
import type { Server } from '../server.js';

const DAY = 24 * 60 * 60;

/** Notes that an inode was read, if the noted time is older than the last change, or than a day. */
export function noteAccess({ filesystem, options }: Server, inode: Inode): void {
  const { item, subvolume } = inode;
  const { transaction } = filesystem;
  const isOld = !isAfter(item.atime, item.mtime) || !isAfter(item.atime, item.ctime);
  if (!isOld && transaction.clock.now().sec - item.atime.sec < DAY) return;
  if (!options.updatesAccessTimes || !transaction.writable || subvolume.readOnly || inode.isDetached) return;
  item.atime = transaction.clock.now();
  inode.markDirty();
}

function isAfter(one: Timespec, other: Timespec): boolean {
  return one.sec > other.sec || (one.sec === other.sec && one.nsec > other.nsec);
}
