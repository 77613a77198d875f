/** What other processes ask of a mount and its server. */
import { closeSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { FsError, isFsError } from '../bytes/index.js';
import { CONTROL, type ControlAnswer, type ControlRequest, encodeControl, readAnswer } from './control.js';
import { FILESYSTEM_TYPE, findMount, type MountEntry, unmountFuse } from './kernel-mount.js';
import { ioctl, syncFilesystem } from './system-calls.js';

/** Between two looks at something that will happen soon, in milliseconds. */
const STEP = 10;
/** How long the kernel may take to hand over what it has collected, in milliseconds. */
const FLUSH_LIMIT = 60_000;

/**
 * Asks the mount that `path` lies in.
 *
 * @throws FsError ENOTTY if it is no mount of Butterlock, EPERM if it is somebody else's, and what the mount answers
 */
export function askMount(path: string, request: ControlRequest): ControlAnswer {
  const fd = openSync(path, 'r');
  try {
    const argument = encodeControl(request);
    ioctl(fd, CONTROL, argument);
    return readAnswer(argument);
  } finally {
    closeSync(fd);
  }
}

/** Makes everything written to a mount so far durable. @throws FsError EIO, ENOSPC, EROFS */
export async function syncMount(path: string): Promise<void> {
  await flushKernel(path);
  askMount(path, { ask: 'commit' });
}

/** Has the kernel hand over to the server what programs wrote. */
async function flushKernel(path: string): Promise<void> {
  const fd = openSync(path, 'r');
  try {
    syncFilesystem(fd);
  } finally {
    closeSync(fd);
  }
  // The call above may return while requests are still on their way.
  const device = mountOf(path)?.device;
  for (let waited = 0; device !== undefined && waited < FLUSH_LIMIT && hasRequestsWaiting(device); waited += STEP) {
    await sleep(STEP);
  }
}

function hasRequestsWaiting(device: string): boolean {
  try {
    return readFileSync(`/sys/fs/fuse/connections/${device.split(':')[1]}/waiting`, 'utf8').trim() !== '0';
  } catch {
    return false;
  }
}

/** The mount that a path lies in, if it is one of ours and `path` is its top. */
function mountOf(path: string): MountEntry | undefined {
  const mount = findMount(realpathSync(path));
  return mount?.type === FILESYSTEM_TYPE ? mount : undefined;
}

/**
 * Unmounts, and waits until the server has made everything durable and is gone.
 *
 * @throws FsError EINVAL if nothing of ours is mounted there, EBUSY while it is in use, EIO, ENOSPC
 */
export async function endMount(mountPoint: string): Promise<void> {
  const path = realpathSync(mountPoint);
  if (mountOf(path) === undefined) throw new FsError('EINVAL', 'no volume is mounted there by butterlock', { path });
  const { pid, readOnly = false, failure: before } = askMount(path, { ask: 'status' });
  const failure = readOnly ? before : await syncBeforeEnd(path);
  const started = pid === undefined ? undefined : startOf(pid);
  try {
    unmountFuse(path);
  } catch (error) {
    if (isFsError(error, 'EBUSY'))
      throw new FsError('EBUSY', 'it is in use: programs have files open or work in it', { path });
    throw error;
  }
  while (pid !== undefined && started !== undefined && startOf(pid) === started) await sleep(STEP);
  if (failure !== undefined) throw new FsError('EIO', failure, { path });
}

/**
 * What programs were told they could not write, they were told: that does not keep a mount from
 * ending, and neither does a volume that cannot be written any more.
 *
 * @returns why it cannot be
 */
async function syncBeforeEnd(path: string): Promise<string | undefined> {
  try {
    await flushKernel(path);
  } catch (error) {
    if (!isFsError(error, 'ENOSPC', 'EIO', 'EROFS')) throw error;
  }
  try {
    askMount(path, { ask: 'commit' });
    return undefined;
  } catch (error) {
    const { failure } = askMount(path, { ask: 'status' });
    if (failure === undefined) throw error;
    return failure;
  }
}

/** When a process started; undefined once it has ended. */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? undefined : fields[18];
  } catch {
    return undefined;
  }
}
