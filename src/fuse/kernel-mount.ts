/** Mounting and unmounting: as root by the system calls, as anybody else through fusermount3. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  openSync,
  readFileSync,
  realpathSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { FsError, isFsError } from '../bytes/index.js';
import {
  createSocketPair,
  MOUNT_FLAGS,
  mountFilesystem,
  receiveDescriptor,
  setNonBlocking,
  unmountFilesystem,
} from './system-calls.js';

/** As /proc/self/mountinfo shows it. */
export const FILESYSTEM_TYPE = 'fuse.butterlock';
/** Bytes read ahead of a program that reads a file from front to back: a few requests, so that one always waits. */
export const MAX_READ_AHEAD = 4 * 1024 * 1024;

export interface KernelMountOptions {
  /** What `df` and `mount` show as the device. */
  readonly source: string;
  readonly readOnly: boolean;
  /** Whether users other than the one who mounts may use it. */
  readonly allowOther: boolean;
  readonly flags: readonly MountFlag[];
}

/** Flags of every kind of mount, by the names that mount(8) has for them. */
export type MountFlag = Exclude<keyof typeof MOUNT_FLAGS, 'ro'>;

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** @returns the descriptor of /dev/fuse that speaks for the mount. @throws FsError */
export function mountFuse(mountPoint: string, options: KernelMountOptions): number {
  return isRoot() ? mountAsRoot(mountPoint, options) : mountAsUser(mountPoint, options);
}

function mountAsRoot(mountPoint: string, { source, readOnly, allowOther, flags }: KernelMountOptions): number {
  const fd = openFuse();
  try {
    const mode = statSync(mountPoint).mode.toString(8);
    const owner = `user_id=${process.getuid?.() ?? 0},group_id=${process.getgid?.() ?? 0}`;
    const data = `fd=${fd},rootmode=${mode},${owner},default_permissions${allowOther ? ',allow_other' : ''}`;
    const bits = flags.reduce((all, flag) => all | MOUNT_FLAGS[flag], readOnly ? MOUNT_FLAGS.ro : 0);
    mountFilesystem(source, mountPoint, FILESYSTEM_TYPE, bits, data);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

function openFuse(): number {
  try {
    return openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    throw new FsError('ENODEV', '/dev/fuse cannot be opened: is the module `fuse` loaded?', { cause: error });
  }
}

/** fusermount3 mounts, and sends the descriptor through a socket it was given. */
function mountAsUser(mountPoint: string, { source, readOnly, allowOther, flags }: KernelMountOptions): number {
  const [ours, theirs] = createSocketPair();
  const name = `fsname=${source.replaceAll(/[\\,]/g, '\\$&')}`;
  const choices = [name, 'subtype=butterlock', 'default_permissions', readOnly ? 'ro' : 'rw', ...flags];
  if (allowOther) choices.push('allow_other');
  try {
    const { error, status, stderr } = spawnSync('fusermount3', ['-o', choices.join(','), '--', mountPoint], {
      stdio: ['ignore', 'ignore', 'pipe', theirs],
      env: { ...process.env, _FUSE_COMMFD: '3' },
      encoding: 'utf8',
    });
    if (error !== undefined)
      throw new FsError('ENOENT', 'fusermount3 cannot be run: install the package fuse3', { cause: error });
    if (status !== 0) throw new FsError('EPERM', stderr.trim() || `fusermount3 ended with status ${status}`);
    const fd = receiveDescriptor(ours);
    if (fd === undefined) throw new FsError('EPROTO', 'fusermount3 sent no descriptor');
    setNonBlocking(fd);
    return fd;
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

/** Ends a mount. @param isLazy - also while it is in use. @throws FsError EBUSY and others */
export function unmountFuse(mountPoint: string, isLazy = false): void {
  if (isRoot()) {
    unmountFilesystem(mountPoint, isLazy);
    return;
  }
  const choices = isLazy ? ['-u', '-z'] : ['-u'];
  const { error, status, stderr } = spawnSync('fusermount3', [...choices, '--', mountPoint], { encoding: 'utf8' });
  if (error !== undefined)
    throw new FsError('ENOENT', 'fusermount3 cannot be run: install the package fuse3', { cause: error });
  if (status !== 0) throw new FsError(/busy/i.test(stderr) ? 'EBUSY' : 'EINVAL', stderr.trim());
}

export interface MountEntry {
  readonly mountPoint: string;
  /** `major:minor`. */
  readonly device: string;
  readonly type: string;
  readonly source: string;
}

/** The topmost mount at exactly this place. */
export function findMount(mountPoint: string): MountEntry | undefined {
  return listMounts().findLast((entry) => entry.mountPoint === mountPoint);
}

/** Whether a device number can be that of a FUSE mount: also of one that is not to be seen from here. */
export function mayBeFuse(device: string): boolean {
  const mount = listMounts().find((entry) => entry.device === device);
  return mount === undefined ? device.startsWith('0:') : mount.type.startsWith('fuse');
}

function listMounts(): MountEntry[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const [, , device = '', , mountPoint = ''] = before.split(' ');
      const [type = '', source = ''] = after.split(' ');
      return { mountPoint: unescapeField(mountPoint), device, type, source: unescapeField(source) };
    });
}

/** mountinfo writes space, tab, newline and backslash as three octal digits. */
function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The path of a mount point without symlinks, also if nobody answers there. @throws the host's errors */
export function realMountPoint(path: string): string {
  const absolute = resolve(path);
  return isDeadMount(absolute) ? join(realpathSync(dirname(absolute)), basename(absolute)) : realpathSync(absolute);
}

/** Whether a path lies in a mount whose server was killed: nobody answers, though the kernel knows attributes still. */
export function isDeadMount(path: string): boolean {
  try {
    statfsSync(path);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOTCONN';
  }
}

/** Takes away what a server that was killed left. */
export function clearDeadMount(mountPoint: string): void {
  if (findMount(mountPoint)?.type === FILESYSTEM_TYPE && isDeadMount(mountPoint)) unmountFuse(mountPoint, true);
}

/** Lets the kernel read ahead further than its default; where that is not allowed, reading is slower. */
export function widenReadAhead(device: string): void {
  try {
    writeFileSync(`/sys/class/bdi/${device}/read_ahead_kb`, `${MAX_READ_AHEAD / 1024}`);
  } catch (error) {
    if (isFsError(error)) throw error;
  }
}
