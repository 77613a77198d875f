/** Calls of the host's filesystem that Node does not offer. Linux only; paths are bytes. */
import { constants } from 'node:os';
import koffi from 'koffi';
import { codeOfErrno, FsError, systemText } from '../bytes/index.js';

const SEEK = { data: 3, hole: 4 } as const;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const NS_PER_SECOND = 1_000_000_000n;
/** XATTR_SIZE_MAX and XATTR_LIST_MAX. */
const XATTR_BYTES = 65536;

type Answer = number | bigint;
type Call = (...args: unknown[]) => Answer;

const PROTOTYPES = {
  listxattr: 'intptr_t listxattr(const uint8_t *path, uint8_t *list, size_t size)',
  llistxattr: 'intptr_t llistxattr(const uint8_t *path, uint8_t *list, size_t size)',
  getxattr: 'intptr_t getxattr(const uint8_t *path, const uint8_t *name, uint8_t *value, size_t size)',
  lgetxattr: 'intptr_t lgetxattr(const uint8_t *path, const uint8_t *name, uint8_t *value, size_t size)',
  setxattr: 'int setxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)',
  lsetxattr: 'int lsetxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)',
  removexattr: 'int removexattr(const uint8_t *path, const uint8_t *name)',
  lremovexattr: 'int lremovexattr(const uint8_t *path, const uint8_t *name)',
  utimensat: 'int utimensat(int fd, const uint8_t *path, const uint8_t *times, int flags)',
  mknod: 'int mknod(const uint8_t *path, unsigned int mode, uint64_t device)',
  lseek: 'int64_t lseek(int fd, int64_t offset, int whence)',
  fallocate: 'int fallocate(int fd, int mode, int64_t offset, int64_t length)',
  renameat2: 'int renameat2(int fd, const uint8_t *from, int toFd, const uint8_t *to, unsigned int flags)',
  copy_file_range: 'intptr_t copy_file_range(int from, void *, int to, void *, size_t length, unsigned int flags)',
  syscall: 'long syscall(long number, long fd, const uint8_t *path, const uint8_t *how, size_t size)',
} as const;

const loaded = new Map<string, Call>();

function libc(name: keyof typeof PROTOTYPES): Call {
  let call = loaded.get(name);
  if (call === undefined) {
    call = koffi.load(null).func(PROTOTYPES[name]) as Call;
    loaded.set(name, call);
  }
  return call;
}

/** @throws FsError with the system's code */
function checked(answer: Answer, syscall: string, path?: Uint8Array): number {
  if (answer >= 0) return Number(answer);
  const code = codeOfErrno(koffi.errno());
  const details = path === undefined ? { syscall } : { syscall, path: Buffer.from(path).toString() };
  throw new FsError(code, systemText(code) ?? `${syscall} failed`, details);
}

function cString(text: Uint8Array): Buffer {
  return Buffer.concat([text, Buffer.of(0)]);
}

// --- extended attributes: of a symlink itself unless followed ---

export interface Follow {
  readonly follow: boolean;
}

/** Names of all extended attributes; none where the filesystem has no such thing. */
export function hostXattrNames(path: Uint8Array, { follow }: Follow): Buffer[] {
  const bytes = Buffer.alloc(XATTR_BYTES);
  const length = libc(follow ? 'listxattr' : 'llistxattr')(cString(path), bytes, bytes.length);
  if (length < 0 && koffi.errno() === constants.errno.EOPNOTSUPP) return [];
  const names = bytes.toString('latin1', 0, checked(length, 'listxattr', path)).split('\0');
  return names.filter((name) => name !== '').map((name) => Buffer.from(name, 'latin1'));
}

/** @throws FsError ENODATA */
export function hostXattr(path: Uint8Array, name: Uint8Array, { follow }: Follow): Buffer {
  const bytes = Buffer.alloc(XATTR_BYTES);
  const size = libc(follow ? 'getxattr' : 'lgetxattr')(cString(path), cString(name), bytes, bytes.length);
  return Buffer.from(bytes.subarray(0, checked(size, 'getxattr', path)));
}

/** @throws FsError EPERM, EOPNOTSUPP, ENOSPC */
export function setHostXattr(path: Uint8Array, name: Uint8Array, value: Uint8Array, { follow }: Follow): void {
  const set = libc(follow ? 'setxattr' : 'lsetxattr');
  checked(set(cString(path), cString(name), value, value.length, 0), 'setxattr', path);
}

/** @throws FsError ENODATA */
export function removeHostXattr(path: Uint8Array, name: Uint8Array, { follow }: Follow): void {
  checked(libc(follow ? 'removexattr' : 'lremovexattr')(cString(path), cString(name)), 'removexattr', path);
}

// --- names and attributes ---

/** Nanoseconds since 1970, exact. */
export function setHostTimes(path: Uint8Array, atimeNs: bigint, mtimeNs: bigint, { follow }: Follow): void {
  const nsec = (ns: bigint): bigint => ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const fields = [atimeNs, mtimeNs].flatMap((ns) => [(ns - nsec(ns)) / NS_PER_SECOND, nsec(ns)]);
  const times = new Uint8Array(BigInt64Array.from(fields).buffer);
  const flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
  checked(libc('utimensat')(AT_FDCWD, cString(path), times, flags), 'utimensat', path);
}

/** Makes a fifo, socket or device. @throws FsError EPERM for a user who may not */
export function makeHostNode(path: Uint8Array, mode: number, rdev: number): void {
  checked(libc('mknod')(cString(path), mode, rdev), 'mknod', path);
}

/** Flags of renameat2(2). */
const RENAME_FLAGS = { replace: 0, noreplace: 1, exchange: 2 } as const;

export function renameOnHost(from: Uint8Array, to: Uint8Array, mode: keyof typeof RENAME_FLAGS): void {
  checked(libc('renameat2')(AT_FDCWD, cString(from), AT_FDCWD, cString(to), RENAME_FLAGS[mode]), 'rename', from);
}

const SYS_OPENAT2 = 437;
const RESOLVE_NO_XDEV = 0x01;
const RESOLVE_IN_ROOT = 0x10;
const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

/**
 * Opens a path as if the directory `top` were the root: neither `..` nor a symlink leads out of it,
 * and no other mount is entered.
 *
 * @param top - descriptor of a directory
 * @throws FsError EXDEV where another mount begins
 */
export function openBelow(top: number, path: Uint8Array, flags: number, mode: number): number {
  const how = BigUint64Array.of(BigInt(flags | O_CLOEXEC), BigInt(mode), BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_XDEV));
  const bytes = new Uint8Array(how.buffer);
  for (;;) {
    const fd = libc('syscall')(SYS_OPENAT2, top, cString(path), bytes, bytes.length);
    // Something on the way was moved meanwhile, so that the kernel cannot tell whether it is still below.
    if (fd < 0 && koffi.errno() === constants.errno.EAGAIN) continue;
    return checked(fd, 'open', path);
  }
}

// --- ranges of open files ---

/** The next byte from `offset` on that is in a hole, or in none. @throws FsError ENXIO if there is none */
export function seekOnHost(fd: number, offset: number, wanted: keyof typeof SEEK): number {
  return checked(libc('lseek')(fd, offset, SEEK[wanted]), 'lseek');
}

/** The next range of a file that is no hole, from `offset` on; undefined when only holes follow. */
export function nextHostData(fd: number, offset: number): { start: number; end: number } | undefined {
  const start = libc('lseek')(fd, offset, SEEK.data);
  if (start < 0 && koffi.errno() === constants.errno.ENXIO) return undefined;
  const first = checked(start, 'lseek');
  return { start: first, end: seekOnHost(fd, first, 'hole') };
}

/** Bits of fallocate(2). */
export const FALLOCATE = { keepSize: 1, punchHole: 2, zeroRange: 0x10 } as const;

export function allocateOnHost(fd: number, flags: number, offset: number, length: number): void {
  checked(libc('fallocate')(fd, flags, offset, length), 'fallocate');
}

/** Copies on from where both files stand, sharing data where that can be. @returns bytes copied, 0 at the end */
export function copyOnHost(from: number, to: number, length: number): number {
  return checked(libc('copy_file_range')(from, null, to, null, length, 0), 'copy_file_range');
}
