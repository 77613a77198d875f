/**
 * The program behind a request: what it may do, and its memory, which some ioctls need read or
 * written beyond what FUSE carries.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { FsError } from '../bytes/index.js';
import { mayBeFuse } from './kernel-mount.js';

/** Numbers of linux include/uapi/linux/capability.h. */
export const CAPABILITY = { FOWNER: 3, FSETID: 4, SYS_ADMIN: 21 } as const;

/** The device of memory that no file is behind. */
const ANONYMOUS = '0:0';

export class Caller {
  readonly uid: number;
  private readonly pid: number;
  private readonly log: (line: string) => void;
  private knownStatus: string | undefined;

  /**
   * @param pid - of the thread that asks; 0 if it lives where we cannot see it
   * @param log - takes what the user has to know when the caller's memory cannot be accessed
   */
  constructor(pid: number, uid: number, log: (line: string) => void) {
    this.pid = pid;
    this.uid = uid;
    this.log = log;
  }

  /** Whether the caller has a capability. Of a caller that cannot be seen only root is known to. */
  isCapable(capability: number): boolean {
    const set = /^CapEff:\s*([0-9a-f]+)$/m.exec(this.status)?.[1];
    if (set === undefined) return this.uid === 0;
    return ((BigInt(`0x${set}`) >> BigInt(capability)) & 1n) === 1n;
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
    const text = `an ioctl of ${who} cannot be served, ${why}: mount with --key-file instead`;
    this.log(text);
    return text;
  }
}
