/**
 * The program behind a request: what it may do, and its memory, which some ioctls need read or
 * written beyond what FUSE carries.
 */
import { closeSync, openSync, readFileSync, readlinkSync, readSync, writeSync } from 'node:fs';
import { FsError } from '../bytes/index.js';
import { ACCESS, type Inode, mayAccess } from '../filesystem/index.js';
import { mayBeFuse } from './kernel-mount.js';

/** Numbers of linux include/uapi/linux/capability.h. */
export const CAPABILITY = { DAC_OVERRIDE: 1, DAC_READ_SEARCH: 2, FOWNER: 3, FSETID: 4, SYS_ADMIN: 21 } as const;

/** The device of memory that no file is behind. */
const ANONYMOUS = '0:0';

export class Caller {
  readonly uid: number;
  readonly gid: number;
  private readonly pid: number;
  private readonly log: (line: string) => void;
  private knownStatus: string | undefined;

  /**
   * @param pid - of the thread that asks; 0 if it lives where we cannot see it
   * @param log - takes what the user has to know when the caller's memory cannot be accessed
   */
  constructor(pid: number, uid: number, gid: number, log: (line: string) => void) {
    this.pid = pid;
    this.uid = uid;
    this.gid = gid;
    this.log = log;
  }

  /**
   * Whether the caller has a capability here: in a user namespace of its own anybody has all of them.
   * Of a caller that cannot be seen only root is known to.
   */
  isCapable(capability: number): boolean {
    const set = /^CapEff:\s*([0-9a-f]+)$/m.exec(this.status)?.[1];
    if (set === undefined) return this.uid === 0;
    return ((BigInt(`0x${set}`) >> BigInt(capability)) & 1n) === 1n && this.userNamespace === userNamespaceOf('self');
  }

  /** Whether the caller may do what is for administrators. A user may with the mounts of his own: the image is his. */
  get isAdministrator(): boolean {
    return this.isCapable(CAPABILITY.SYS_ADMIN) || this.isMountOwner;
  }

  /** Whether an ordinary user has mounted this, the caller. Root is judged by its capabilities. */
  get isMountOwner(): boolean {
    return this.uid !== 0 && this.uid === process.getuid?.();
  }

  isOwnerOf({ item }: Inode): boolean {
    return this.uid === item.uid || this.isCapable(CAPABILITY.FOWNER);
  }

  /** @throws FsError EPERM */
  assertAdministrator(): void {
    if (!this.isAdministrator)
      throw new FsError('EPERM', 'only an administrator, or whoever has mounted it, may do that');
  }

  /** @param wanted - bits of ACCESS. @throws FsError EACCES */
  assertAccess(directory: Inode, wanted: number): void {
    const user = { uid: this.uid, groups: [this.gid, ...this.groups] };
    if (mayAccess(directory, user, wanted) || this.isCapable(CAPABILITY.DAC_OVERRIDE)) return;
    if ((wanted & ACCESS.WRITE) === 0 && this.isCapable(CAPABILITY.DAC_READ_SEARCH)) return;
    throw new FsError('EACCES', 'the permissions of the directory forbid it');
  }

  /** @throws FsError EPERM (not allowed), EFAULT (no such memory) */
  read(address: number, size: number): Buffer {
    const bytes = Buffer.alloc(size);
    this.transfer(address, size, 'r', (fd) => readSync(fd, bytes, 0, size, address));
    return bytes;
  }

  /** @throws FsError EPERM (not allowed), EFAULT (no such memory) */
  write(address: number, bytes: Uint8Array): void {
    this.transfer(address, bytes.length, 'r+', (fd) => writeSync(fd, bytes, 0, bytes.length, address));
  }

  private transfer(address: number, size: number, flags: 'r' | 'r+', move: (fd: number) => number): void {
    this.checkIdentity();
    this.checkMemory(address, size, flags === 'r+');
    let fd: number;
    try {
      fd = openSync(`/proc/${this.pid}/mem`, flags);
    } catch {
      throw new FsError('EPERM', this.refusal('its memory may not be accessed'));
    }
    try {
      if (move(fd) !== size) throw new FsError('EFAULT', 'the memory of the caller ends there');
    } catch (error) {
      if (error instanceof FsError) throw error;
      throw new FsError('EFAULT', 'the caller has no such memory', { cause: error });
    } finally {
      closeSync(fd);
    }
  }

  /** The process of that number must be the one that asks, as far as can be told. */
  private checkIdentity(): void {
    const fsuid = /^Uid:\s*\d+\s+\d+\s+\d+\s+(\d+)$/m.exec(this.status)?.[1];
    if (fsuid === undefined) throw new FsError('EPERM', this.refusal('it cannot be seen from here'));
    if (Number(fsuid) !== this.uid) throw new FsError('EPERM', this.refusal('it belongs to somebody else'));
  }

  /**
   * Memory that is mapped from a file can make us wait until it is read: of this very mount for
   * ourselves, of another FUSE mount for a program that may never answer. And /proc/PID/mem writes
   * also where the process itself may not.
   */
  private checkMemory(address: number, size: number, isWritten: boolean): void {
    const end = address + size;
    for (const line of this.readFile('maps').split('\n')) {
      const found = /^([0-9a-f]+)-([0-9a-f]+) .(.)\S+ \S+ ([0-9a-f]+):([0-9a-f]+) /.exec(line);
      if (found === null) continue;
      const [, from = '', to = '', write = '', major = '', minor = ''] = found;
      if (Number.parseInt(to, 16) <= address || Number.parseInt(from, 16) >= end) continue;
      if (isWritten && write !== 'w') throw new FsError('EFAULT', 'the caller may not write there');
      const device = `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`;
      if (device !== ANONYMOUS && mayBeFuse(device))
        throw new FsError('EFAULT', this.refusal('its argument lies in a file of a FUSE mount'));
    }
  }

  /** Groups beside that of its new files. */
  private get groups(): number[] {
    const groups = /^Groups:\s*([\d ]*)$/m.exec(this.status)?.[1] ?? '';
    return groups.split(' ').filter(Boolean).map(Number);
  }

  private get userNamespace(): string | undefined {
    return userNamespaceOf(this.pid);
  }

  private get status(): string {
    this.knownStatus ??= this.readFile('status');
    return this.knownStatus;
  }

  private readFile(name: string): string {
    try {
      return this.pid === 0 ? '' : readFileSync(`/proc/${this.pid}/${name}`, 'utf8');
    } catch {
      return '';
    }
  }

  private refusal(why: string): string {
    const who = `process ${this.pid} (user ${this.uid})`;
    const text = `an ioctl of ${who} cannot be served, ${why}: use 'butterlock key' and 'butterlock encrypt' instead`;
    this.log(text);
    return text;
  }
}

/** What tells it from others; undefined if it may not be seen. */
function userNamespaceOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/user`);
  } catch {
    return undefined;
  }
}
