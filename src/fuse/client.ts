/** What other processes ask of a mount and its server. */
import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import { type ErrorCode, FsError, isFsError } from '../bytes/index.js';
import type { SubvolumeInfo } from '../filesystem/index.js';
import type { TrimRange } from '../transaction/index.js';
import type { KeyClaims } from './claimed-keys.js';
import { type Answer, type Ask, CONTROL, encodeControl, type Page, type Question, readAnswer } from './control.js';
import { FILESYSTEM_TYPE, findMount, isDeadMount, realMountPoint, unmountFuse } from './kernel-mount.js';
import { startOf } from './process-start.js';
import { FITRIM, FSTRIM_RANGE } from './protocol/trim.js';
import { ioctl, syncFilesystem } from './system-calls.js';

/** Between two looks at something that will happen soon, in milliseconds. */
const STEP = 10;
/** How long the kernel may take to hand over what it has collected, in milliseconds. */
const FLUSH_LIMIT = 60_000;
/** How long an unmount waits for programs to leave, in milliseconds. */
const BUSY_LIMIT = 500;
/** For one request that waits, so many later ones may be answered first. */
const OVERTAKING = 16;
const ALL = Number.MAX_SAFE_INTEGER;

/**
 * Asks the mount that an open file or directory lies in.
 *
 * @throws FsError ENOTTY if that is no mount of Butterlock, ENOTCONN if its server has ended, and what the mount
 * answers
 */
export function ask<A extends Ask>(fd: number, about: A, question: Question<A>): Answer<A> {
  const argument = encodeControl({ ask: about, ...question });
  ioctl(fd, CONTROL, argument);
  return readAnswer<A>(argument);
}

/** What other filesystems answer to our question. */
const NOT_OURS: readonly ErrorCode[] = ['ENOTTY', 'EINVAL', 'EOPNOTSUPP', 'ENOSYS'];

/**
 * Opens a directory in a mount.
 *
 * @returns a descriptor to ask with
 * @throws FsError EINVAL if it is in no mount of Butterlock, ENOTCONN if its server has ended; ENOENT, EACCES…
 */
export function openMount(path: string): number {
  if (isDeadMount(path)) throw ended(path);
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    ask(fd, 'status', {});
    return fd;
  } catch (error) {
    closeSync(fd);
    if (isFsError(error, 'ENOTCONN')) throw ended(path);
    if (isFsError(error, ...NOT_OURS)) throw new FsError('EINVAL', 'a directory in no mount of butterlock', { path });
    throw error;
  }
}

function ended(path: string): FsError {
  return new FsError('ENOTCONN', 'nobody serves this mount any more: unmount it and mount again', { path });
}

/** All subvolumes of the volume. @throws FsError EPERM and as {@link ask} */
export function subvolumesOf(fd: number): SubvolumeInfo[] {
  return allPages((from) => ask(fd, 'subvolumes', { from }));
}

/** All master keys of the mount. @throws FsError as {@link ask} */
export function keysOf(fd: number): KeyClaims[] {
  return allPages((from) => ask(fd, 'keys', { from }));
}

function allPages<T>(askPage: (from: number) => Page<T>): T[] {
  const items: T[] = [];
  for (let from: number | undefined = 0; from !== undefined; ) {
    const page: Page<T> = askPage(from);
    items.push(...page.items);
    from = page.next;
  }
  return items;
}

/** As {@link ask}, of the mount that `path` lies in. */
export function askMount<A extends Ask>(path: string, about: A, question: Question<A>): Answer<A> {
  return withOpen(path, (fd) => ask(fd, about, question));
}

function withOpen<T>(path: string, work: (fd: number) => T): T {
  const fd = openSync(path, 'r');
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Gives free space back to what lies under the mount that an open directory is in, as fstrim(8).
 *
 * @returns bytes given back
 * @throws FsError EPERM, EOPNOTSUPP, EROFS, EINVAL
 */
export function trimMount(fd: number, { start = 0, length = ALL, minLength = 0 }: TrimRange): number {
  const range = Buffer.alloc(FSTRIM_RANGE.SIZE);
  range.writeBigUInt64LE(BigInt(start), FSTRIM_RANGE.start);
  range.writeBigUInt64LE(BigInt(length), FSTRIM_RANGE.len);
  range.writeBigUInt64LE(BigInt(minLength), FSTRIM_RANGE.minlen);
  ioctl(fd, FITRIM, range);
  return Number(range.readBigUInt64LE(FSTRIM_RANGE.len));
}

/** Makes everything written to a mount so far durable. @throws FsError EIO, ENOSPC, EROFS */
export function syncMount(path: string): void {
  flushKernel(path);
  askMount(path, 'commit', {});
}

/** Has the kernel hand over to the server what programs wrote. */
export function flushKernel(path: string): void {
  withOpen(path, (fd) => {
    syncFilesystem(fd);
    // That may return while requests are still on their way. On a busy mount there are always some.
    const connection = connectionOf(path);
    const enough = ask(fd, 'status', {}).answered + OVERTAKING * (requestsWaiting(connection) + 1);
    for (let waited = 0; waited < FLUSH_LIMIT && requestsWaiting(connection) > 0; waited += STEP) {
      if (ask(fd, 'status', {}).answered >= enough) return;
      sleep(STEP);
    }
  });
}

/** How many requests are on their way; none where the kernel does not tell. */
function requestsWaiting(connection: string): number {
  try {
    return Number(readFileSync(`/sys/fs/fuse/connections/${connection}/waiting`, 'utf8'));
  } catch {
    return 0;
  }
}

/** The kernel's name for the connection behind a mount: the minor number of its device. */
function connectionOf(path: string): string {
  const { dev } = statSync(path);
  return String((dev & 0xff) | ((dev >>> 12) & 0xfff00));
}

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/**
 * Unmounts, and waits until the server has made everything durable and is gone. A mount whose server
 * has ended before is taken away.
 *
 * @throws FsError EINVAL if nothing of ours is mounted there, EBUSY while it is in use, EIO, ENOSPC
 */
export function endMount(mountPoint: string): void {
  const path = realMountPoint(mountPoint);
  if (findMount(path)?.type !== FILESYSTEM_TYPE)
    throw new FsError('EINVAL', 'no volume is mounted there by butterlock', { path });
  if (isDeadMount(path)) {
    unmountFuse(path, true);
    return;
  }
  const { pid, started, readOnly, failure: before } = askMount(path, 'status', {});
  const failure = readOnly ? before : syncBeforeEnd(path);
  unmountUnused(path);
  // A server in another PID namespace cannot be seen from here; what it had to write it has written.
  while (started !== undefined && startOf(pid) === started) sleep(STEP);
  if (failure !== undefined) throw new FsError('EIO', failure, { path });
}

/** Some programs only look in, such as file managers and backups: what is in use may be free in a moment. */
function unmountUnused(path: string): void {
  const giveUp = performance.now() + BUSY_LIMIT;
  for (;;) {
    try {
      unmountFuse(path);
      return;
    } catch (error) {
      if (!isFsError(error, 'EBUSY')) throw error;
      if (performance.now() >= giveUp)
        throw new FsError('EBUSY', 'it is in use: programs have files open or work in it', { path });
    }
    sleep(STEP);
  }
}

/**
 * What programs were told they could not write, they were told: that does not keep a mount from
 * ending, and neither does a volume that cannot be written any more.
 *
 * @returns why it cannot be
 */
function syncBeforeEnd(path: string): string | undefined {
  try {
    flushKernel(path);
  } catch (error) {
    if (!isFsError(error, 'ENOSPC', 'EIO')) throw error;
  }
  try {
    askMount(path, 'commit', {});
    return undefined;
  } catch (error) {
    const { failure } = askMount(path, 'status', {});
    if (failure === undefined) throw error;
    return failure;
  }
}
