/** Calls of the host's filesystem that Node does not offer. Linux only; paths are bytes. */
import { constants } from 'node:os';
import koffi from 'koffi';
import { codeOfErrno, FsError, systemText } from '../../bytes/index.js';

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const NS_PER_SECOND = 1_000_000_000n;
/** XATTR_SIZE_MAX and XATTR_LIST_MAX. */
const XATTR_BYTES = 65536;

type Answer = number | bigint;
type Call = (...args: unknown[]) => Answer;

const PROTOTYPES = {
  llistxattr: 'intptr_t llistxattr(const uint8_t *path, uint8_t *list, size_t size)',
  lgetxattr: 'intptr_t lgetxattr(const uint8_t *path, const uint8_t *name, uint8_t *value, size_t size)',
  lsetxattr: 'int lsetxattr(const uint8_t *path, const uint8_t *name, const uint8_t *value, size_t size, int flags)',
  utimensat: 'int utimensat(int fd, const uint8_t *path, const uint8_t *times, int flags)',
  mknod: 'int mknod(const uint8_t *path, unsigned int mode, uint64_t device)',
  lseek: 'int64_t lseek(int fd, int64_t offset, int whence)',
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
function checked(answer: Answer, syscall: string, path: Uint8Array | undefined): number {
  if (answer >= 0) return Number(answer);
  const code = codeOfErrno(koffi.errno());
  const text = path === undefined ? '' : Buffer.from(path).toString();
  throw new FsError(code, systemText(code) ?? `${syscall} failed`, {
    syscall,
    ...(path === undefined ? {} : { path: text }),
  });
}

function cString(text: Uint8Array): Buffer {
  return Buffer.concat([text, Buffer.of(0)]);
}

/** All extended attributes of an inode, symlinks not followed; none where the filesystem has no such thing. */
export function hostXattrs(path: Uint8Array): [name: Buffer, value: Buffer][] {
  const bytes = Buffer.alloc(XATTR_BYTES);
  const length = libc('llistxattr')(cString(path), bytes, bytes.length);
  if (length < 0 && koffi.errno() === constants.errno.EOPNOTSUPP) return [];
  const list = Buffer.from(bytes.subarray(0, checked(length, 'llistxattr', path)));
  const found: [Buffer, Buffer][] = [];
  for (let start = 0; start < list.length; ) {
    const end = list.indexOf(0, start);
    const name = list.subarray(start, end);
    const size = libc('lgetxattr')(cString(path), cString(name), bytes, bytes.length);
    if (size >= 0) found.push([name, Buffer.from(bytes.subarray(0, Number(size)))]);
    start = end + 1;
  }
  return found;
}

/** @throws FsError EPERM, EOPNOTSUPP, ENOSPC */
export function setHostXattr(path: Uint8Array, name: Uint8Array, value: Uint8Array): void {
  checked(libc('lsetxattr')(cString(path), cString(name), value, value.length, 0), 'lsetxattr', path);
}

/** Nanoseconds since 1970, exact, of a symlink itself. */
export function setHostTimes(path: Uint8Array, atimeNs: bigint, mtimeNs: bigint): void {
  const nsec = (ns: bigint): bigint => ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const fields = [atimeNs, mtimeNs].flatMap((ns) => [(ns - nsec(ns)) / NS_PER_SECOND, nsec(ns)]);
  const times = new Uint8Array(BigInt64Array.from(fields).buffer);
  checked(libc('utimensat')(AT_FDCWD, cString(path), times, AT_SYMLINK_NOFOLLOW), 'utimensat', path);
}

/** Makes a fifo, socket or device. @throws FsError EPERM for a user who may not */
export function makeHostNode(path: Uint8Array, mode: number, rdev: number): void {
  checked(libc('mknod')(cString(path), mode, rdev), 'mknod', path);
}

/** The next range of a host's file that is no hole, from `offset` on; undefined when only holes follow. */
export function nextHostData(fd: number, offset: number): { start: number; end: number } | undefined {
  const start = libc('lseek')(fd, offset, SEEK_DATA);
  if (start < 0 && koffi.errno() === constants.errno.ENXIO) return undefined;
  const first = checked(start, 'lseek', undefined);
  return { start: first, end: checked(libc('lseek')(fd, first, SEEK_HOLE), 'lseek', undefined) };
}
