/**
 * System calls of a mount that Node does not offer, by calling the C library through koffi.
 *
 * The calls of the request loop take addresses as integers, which is several times faster than
 * koffi's handling of Buffers; whoever calls them keeps the memory alive.
 */
import koffi from 'koffi';
import { codeOfErrno, FsError, systemText } from '../bytes/index.js';

/** A pointer as an integer. User-space addresses fit a double. */
export type Address = number;

const libc = koffi.load(null);

type Transfer = (fd: number, address: Address, length: number) => number;

/** Both answer -1 and set {@link errno} when they fail. */
export const readInto: Transfer = libc.func('read', 'intptr_t', ['int', 'uintptr_t', 'size_t']);
export const writeFrom: Transfer = libc.func('write', 'intptr_t', ['int', 'uintptr_t', 'size_t']);
export const pollAt: (fds: Address, count: number, milliseconds: number) => number = libc.func('poll', 'int', [
  'uintptr_t',
  'unsigned long',
  'int',
]);

export const clockGettime: (clock: number, into: Address) => number = libc.func('clock_gettime', 'int', [
  'int',
  'uintptr_t',
]);

const eventfd = libc.func('int eventfd(unsigned int count, int flags)');
const mountCall = libc.func(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
const umount2 = libc.func('int umount2(const char *target, int flags)');
const socketpair = libc.func('int socketpair(int domain, int type, int protocol, _Out_ int *sockets)');
const recvmsg = libc.func('intptr_t recvmsg(int socket, uintptr_t message, int flags)');
const syncfs = libc.func('int syncfs(int fd)');
const ioctlCall = libc.func('int ioctl(int fd, unsigned long request, uint8_t *argument)');

const fcntl = libc.func('int fcntl(int fd, int command, ...)');
const F_SETFL = 4;

/** The number of the last failed call's error, positive. */
export function errno(): number {
  return koffi.errno();
}

function checked(answer: number, syscall: string, path?: string): number {
  if (answer >= 0) return answer;
  const code = codeOfErrno(errno());
  const details = path === undefined ? { syscall } : { syscall, path };
  throw new FsError(code, systemText(code) ?? `${syscall} failed`, details);
}

export function addressOf(bytes: Uint8Array): Address {
  return Number(koffi.address(bytes));
}

export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;

/** Makes reading from `fd` fail with EAGAIN instead of waiting. */
export function setNonBlocking(fd: number): void {
  checked(fcntl(fd, F_SETFL, 'int', O_NONBLOCK), 'fcntl');
}

/** A counter in the kernel that wakes who polls it. @returns its descriptor */
export function createEvent(): number {
  return checked(eventfd(0, O_NONBLOCK | O_CLOEXEC), 'eventfd');
}

/** Flags of mount(2), by the names that mount(8) has for them. */
export const MOUNT_FLAGS = { ro: 1, nosuid: 2, nodev: 4, noexec: 8, sync: 16, nosymfollow: 256 } as const;

/** mount(2). @throws FsError */
export function mountFilesystem(source: string, target: string, type: string, flags: number, data: string): void {
  checked(mountCall(source, target, type, flags, data), 'mount', target);
}

const MNT_DETACH = 2;

/** umount2(2). @param isLazy - detach now, end when nobody uses it any more. @throws FsError EBUSY, EPERM, EINVAL */
export function unmountFilesystem(target: string, isLazy: boolean): void {
  checked(umount2(target, isLazy ? MNT_DETACH : 0), 'umount', target);
}

/** Asks the kernel to write out what is dirty of the filesystem that `fd` is in. */
export function syncFilesystem(fd: number): void {
  checked(syncfs(fd), 'syncfs');
}

/** ioctl(2) with an argument that is read and written in place. @throws FsError */
export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  return checked(ioctlCall(fd, request, argument), 'ioctl');
}

const AF_UNIX = 1;
const SOCK_STREAM = 1;

/** Two connected sockets. */
export function createSocketPair(): [number, number] {
  const sockets = [0, 0];
  checked(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 'socketpair');
  return [sockets[0] ?? -1, sockets[1] ?? -1];
}

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** `struct msghdr` and `struct cmsghdr` of a 64-bit C library. */
const MSGHDR = { iov: 16, iovlen: 24, control: 32, controllen: 40, SIZE: 56 } as const;
const CMSGHDR = { len: 0, level: 8, type: 12, data: 16, SIZE: 24 } as const;

/** Waits for a message that carries one descriptor. @returns undefined if the other end closed without one */
export function receiveDescriptor(socket: number): number | undefined {
  const byte = Buffer.alloc(8);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(BigInt(addressOf(byte)), 0);
  vector.writeBigUInt64LE(1n, 8);
  const control = Buffer.alloc(CMSGHDR.SIZE);
  const message = Buffer.alloc(MSGHDR.SIZE);
  message.writeBigUInt64LE(BigInt(addressOf(vector)), MSGHDR.iov);
  message.writeBigUInt64LE(1n, MSGHDR.iovlen);
  message.writeBigUInt64LE(BigInt(addressOf(control)), MSGHDR.control);
  message.writeBigUInt64LE(BigInt(control.length), MSGHDR.controllen);
  const received = checked(recvmsg(socket, addressOf(message), 0), 'recvmsg');
  const isDescriptor =
    control.readUInt32LE(CMSGHDR.level) === SOL_SOCKET && control.readUInt32LE(CMSGHDR.type) === SCM_RIGHTS;
  if (received <= 0 || !isDescriptor) return undefined;
  return control.readInt32LE(CMSGHDR.data);
}
