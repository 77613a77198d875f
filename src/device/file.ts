/**
 * An image file or block device of the host.
 *
 * One writer at a time: a writable device holds an advisory lock until it is closed, and what the
 * kernel itself uses is refused. Readers take no lock, so they work beside a writer and see what
 * it has written so far.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { constants as osConstants } from 'node:os';
import { type ErrorCode, FsError, systemText } from '../bytes/index.js';
import { HotRegions, WriteRuns } from './access-pattern.js';
import type { BlockDevice } from './device.js';
import { discardBlocks, punchHole } from './discard.js';
import { beginWriting, fetchAhead } from './host-advice.js';
import { describeKernelUse, deviceNumber } from './kernel-use.js';
import { lockExclusively } from './lock.js';
import { checkRange, checkWrite } from './range.js';

/** Linux moves at most 2 GiB − 4 KiB in one call; shorter calls keep Node's own limits away too. */
const LONGEST_CALL = 0x4000_0000;
/** The unit of /sys/dev/block/…/size, whatever the device's sector size. */
const SYSFS_SECTOR = 512;
const NEW_IMAGE_MODE = 0o600;

export class FileDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly: boolean;
  readonly name: string;
  private readonly fd: number;
  private readonly hotRegions = new HotRegions();
  private readonly writeRuns = new WriteRuns();
  private isOpen = true;
  /** After a failed flush the kernel may have dropped what it could not write: no later flush can make up for it. */
  private failedFlush: FsError | undefined;

  private constructor(path: string, fd: number, size: number, readOnly: boolean) {
    this.name = path;
    this.fd = fd;
    this.size = size;
    this.readOnly = readOnly;
  }

  /**
   * Opens an existing image file or block device. Reading only never changes a byte of it.
   *
   * @throws FsError EBUSY when opened for writing while another writer or the kernel uses it; EINVAL
   * if it is neither a file nor a block device; ENOENT, EACCES and so on from the host
   */
  static open(path: string, options: { readonly readOnly: boolean }): FileDevice {
    const stats = onHost('stat', path, () => statSync(path, { bigint: true }));
    checkKind(path, stats);
    if (options.readOnly) {
      const fd = onHost('open', path, () => openSync(path, constants.O_RDONLY));
      return closingOnError(fd, () => new FileDevice(path, fd, sizeOf(path, fd), true));
    }
    refuseKernelUse(path, stats);
    // For a block device, O_EXCL asks the kernel whether it is mounted, in RAID, swap and so on.
    const exclusive = stats.isBlockDevice() ? constants.O_EXCL : 0;
    const fd = onHost('open', path, () => openSync(path, constants.O_RDWR | exclusive));
    return closingOnError(fd, () => {
      lockForWriting(path, fd);
      return new FileDevice(path, fd, sizeOf(path, fd), false);
    });
  }

  /**
   * Makes a sparse image file of `size` bytes that reads as zeros, readable by its owner only, and
   * opens it for writing. An existing file is emptied first, unless `exclusive` is set.
   *
   * When this fails, a file that was not there before is not there afterwards either.
   *
   * @throws FsError EEXIST if `exclusive` and something is there; EBUSY as {@link open}; EINVAL if
   * something other than a file is there; EFBIG, ENOSPC, EACCES and so on from the host
   */
  static create(path: string, size: number, options: { readonly exclusive?: boolean } = {}): FileDevice {
    if (!Number.isSafeInteger(size) || size < 0)
      throw new FsError('EINVAL', `${size} is no size for an image`, { path });
    const old = options.exclusive === true ? undefined : existing(path);
    if (old !== undefined) {
      if (!old.isFile()) throw new FsError('EINVAL', `${path}: not a file, so no image can be made of it`, { path });
      refuseKernelUse(path, old);
    }
    const { O_RDWR, O_CREAT, O_EXCL } = constants;
    const flags = old === undefined ? O_RDWR | O_CREAT | O_EXCL : O_RDWR;
    const fd = onHost('open', path, () => openSync(path, flags, NEW_IMAGE_MODE));
    try {
      return closingOnError(fd, () => {
        lockForWriting(path, fd);
        onHost('ftruncate', path, () => ftruncateSync(fd, 0));
        onHost('ftruncate', path, () => ftruncateSync(fd, size));
        return new FileDevice(path, fd, size, false);
      });
    } catch (error) {
      if (old === undefined) unlinkSync(path);
      throw error;
    }
  }

  read(offset: number, into: Uint8Array): void {
    this.checkOpen();
    checkRange(this, offset, into.length);
    let done = 0;
    while (done < into.length) {
      const length = Math.min(LONGEST_CALL, into.length - done);
      const count = onHost('pread', this.name, () => readSync(this.fd, into, done, length, offset + done));
      if (count === 0)
        throw new FsError('EIO', `${this.name}: ends before byte ${offset + into.length}`, { path: this.name });
      done += count;
    }
    const next = this.hotRegions.noteRead(offset, into.length);
    if (next !== undefined) fetchAhead(this.fd, next.offset, next.length);
  }

  write(offset: number, from: Uint8Array): void {
    this.checkOpen();
    checkWrite(this, offset, from.length);
    let done = 0;
    while (done < from.length) {
      const length = Math.min(LONGEST_CALL, from.length - done);
      const count = onHost('pwrite', this.name, () => writeSync(this.fd, from, done, length, offset + done));
      if (count === 0)
        throw new FsError('EIO', `${this.name}: takes no bytes at ${offset + done}`, { path: this.name });
      done += count;
    }
    const written = this.writeRuns.noteWrite(offset, from.length);
    if (written !== undefined) beginWriting(this.fd, written.offset, written.length);
  }

  flush(): void {
    this.checkOpen();
    if (this.readOnly) return;
    if (this.failedFlush !== undefined) throw this.failedFlush;
    try {
      onHost('fdatasync', this.name, () => fdatasyncSync(this.fd));
    } catch (error) {
      if (error instanceof FsError) this.failedFlush = error;
      throw error;
    }
  }

  discard(offset: number, length: number): void {
    this.checkOpen();
    checkWrite(this, offset, length);
    const isFile = onHost('fstat', this.name, () => fstatSync(this.fd)).isFile();
    (isFile ? punchHole : discardBlocks)(this.fd, this.name, offset, length);
  }

  descriptor(): number {
    this.checkOpen();
    return this.fd;
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    onHost('close', this.name, () => closeSync(this.fd));
  }

  private checkOpen(): void {
    if (!this.isOpen) throw new FsError('EBADF', `${this.name}: the device is closed`, { path: this.name });
  }
}

/** Runs a call of `node:fs` and turns its error into ours. */
function onHost<T>(syscall: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    const code = isErrorCode(error.code) ? error.code : 'EIO';
    const advice = code === 'EBUSY' ? ' (the kernel uses it: unmount or detach it first)' : '';
    const words = systemText(code) ?? `${syscall} failed`;
    throw new FsError(code, `${path}: ${words}${advice}`, { syscall, path, cause: error });
  }
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && code in osConstants.errno;
}

function closingOnError<T>(fd: number, make: () => T): T {
  try {
    return make();
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function existing(path: string): BigIntStats | undefined {
  return onHost('stat', path, () => statSync(path, { bigint: true, throwIfNoEntry: false }));
}

/** Opening a fifo would wait for its other end, so this comes before opening. */
function checkKind(path: string, stats: BigIntStats): void {
  if (stats.isDirectory()) throw new FsError('EISDIR', `${path}: a directory, not an image`, { path });
  if (!stats.isFile() && !stats.isBlockDevice()) {
    throw new FsError('EINVAL', `${path}: neither an image file nor a block device`, { path });
  }
}

function refuseKernelUse(path: string, stats: BigIntStats): void {
  const use = describeKernelUse(stats);
  if (use === undefined) return;
  throw new FsError('EBUSY', `${path}: ${use}; ${adviceFor(use)} before writing to it here`, { path });
}

function adviceFor(use: string): string {
  if (use.endsWith('butterlock')) return 'give that directory in its stead, or unmount it';
  return use.startsWith('mounted') ? 'unmount it' : 'unmount or detach that';
}

function lockForWriting(path: string, fd: number): void {
  if (lockExclusively(fd, path)) return;
  throw new FsError('EBUSY', `${path}: another program is writing to it; wait until it has finished or unmount it`, {
    path,
  });
}

/** Size in bytes of the open file. The host reports 0 as the file size of a block device, so /sys is asked. */
function sizeOf(path: string, fd: number): number {
  const stats = onHost('fstat', path, () => fstatSync(fd, { bigint: true }));
  checkKind(path, stats);
  if (stats.isFile()) return Number(stats.size);
  const file = `/sys/dev/block/${deviceNumber(stats.rdev)}/size`;
  const sectors = Number(onHost('read', file, () => readFileSync(file, 'utf8')));
  if (!Number.isSafeInteger(sectors * SYSFS_SECTOR))
    throw new FsError('EIO', `${path}: ${file} holds no size`, { path });
  return sectors * SYSFS_SECTOR;
}
