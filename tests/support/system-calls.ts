/** System calls that Node does not offer, for tests that drive a native filesystem. Linux only. */
import { constants } from 'node:os';
import koffi from 'koffi';

const libc = koffi.load(null);

/** A name for messages: `ENODATA` for 61. */
function errnoName(errno: number): string {
  if (errno === 61) return 'ENODATA';
  const found = Object.entries(constants.errno).find(([, number]) => number === errno);
  return found?.[0] ?? `errno ${errno}`;
}

/** Checks a system call's answer. @throws Error with the errno's name as `code` */
export function checked(answer: number | bigint, call: string): number {
  if (answer >= 0) return Number(answer);
  const code = errnoName(koffi.errno());
  throw Object.assign(new Error(`${call}: ${code}`), { code, syscall: call });
}

/** Paths go as bytes: not every name is UTF-8. */
function cString(path: Buffer | string): Buffer {
  return Buffer.concat([Buffer.from(path), Buffer.of(0)]);
}

const llistxattr = libc.func('intptr_t llistxattr(const uint8_t *path, uint8_t *list, size_t size)');
const lgetxattr = libc.func('intptr_t lgetxattr(const uint8_t *path, const char *name, uint8_t *value, size_t size)');
const lsetxattr = libc.func(
  'int lsetxattr(const uint8_t *path, const char *name, const uint8_t *value, size_t size, int flags)',
);
const fallocateCall = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
const lremovexattr = libc.func('int lremovexattr(const uint8_t *path, const char *name)');
const mkfifoCall = libc.func('int mkfifo(const uint8_t *path, unsigned int mode)');
const renameat2 = libc.func(
  'int renameat2(int fromFd, const uint8_t *from, int toFd, const uint8_t *to, unsigned int flags)',
);
const utimensat = libc.func('int utimensat(int fd, const uint8_t *path, const uint8_t *times, int flags)');
const ioctl = libc.func('int ioctl(int fd, unsigned long request, uint8_t *argument)');
const flock = libc.func('int flock(int fd, int operation)');

/** The largest value of an extended attribute, and of a list of names, that Linux hands over. */
const MAX_XATTR_BYTES = 65536;

/** Extended attributes of an inode, symlinks not followed; values in hexadecimal. */
export function readXattrs(path: Buffer | string): Record<string, string> {
  const bytes = Buffer.alloc(MAX_XATTR_BYTES);
  const length = checked(llistxattr(cString(path), bytes, bytes.length), 'llistxattr');
  const names = bytes.toString('utf8', 0, length).split('\0').filter(Boolean).sort();
  const value = (name: string): string =>
    bytes.toString('hex', 0, checked(lgetxattr(cString(path), name, bytes, bytes.length), 'lgetxattr'));
  return Object.fromEntries(names.map((name) => [name, value(name)]));
}

export function setXattr(path: Buffer | string, name: string, value: Uint8Array): void {
  checked(lsetxattr(cString(path), name, value, value.length, 0), 'lsetxattr');
}

export function removeXattr(path: Buffer | string, name: string): void {
  checked(lremovexattr(cString(path), name), 'lremovexattr');
}

export function mkfifo(path: string, mode: number): void {
  checked(mkfifoCall(cString(path), mode), 'mkfifo');
}

/** Paths that renameat2 and utimensat take from the working directory. */
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;

/** @param flags - as renameat2(2): 1 noreplace, 2 exchange */
export function rename(from: string, to: string, flags: number): void {
  checked(renameat2(AT_FDCWD, cString(from), AT_FDCWD, cString(to), flags), 'renameat2');
}

/** Sets the time of modification, and of access too, to nanoseconds since 1970; follows no symlink. */
export function setModificationTime(path: string, mtimeNs: bigint): void {
  const seconds = mtimeNs / 1_000_000_000n;
  const times = new BigInt64Array([seconds, mtimeNs % 1_000_000_000n, seconds, mtimeNs % 1_000_000_000n]);
  checked(utimensat(AT_FDCWD, cString(path), new Uint8Array(times.buffer), AT_SYMLINK_NOFOLLOW), 'utimensat');
}

/** Modes of {@link fallocate}, as linux/falloc.h has them. */
export const FALLOCATE = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 0x10 } as const;

export function fallocate(fd: number, mode: number, offset: number, length: number): void {
  checked(fallocateCall(fd, mode, offset, length), 'fallocate');
}

const FICLONERANGE = 0x4020940d;

/** Shares `length` bytes (0: to the end) of a file with another of the same filesystem. */
export function cloneRange(source: number, sourceOffset: number, length: number, target: number, offset: number): void {
  const argument = Buffer.alloc(32);
  [source, sourceOffset, length, offset].forEach((field, index) => {
    argument.writeBigInt64LE(BigInt(field), index * 8);
  });
  checked(ioctl(target, FICLONERANGE, argument), 'FICLONERANGE');
}

const LOCK_EX = 2;

/** Waits until this process alone holds the lock of the open file. Closing the file gives it back. */
export function waitForLock(fd: number): void {
  checked(flock(fd, LOCK_EX), 'flock');
}
