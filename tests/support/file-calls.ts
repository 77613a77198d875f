/** System calls on open files that Node does not offer: mapping, sharing, seeking to holes, dropping caches. */
import assert from 'node:assert/strict';
import koffi from 'koffi';
import { checked } from './system-calls.js';

const libc = koffi.load(null);

const mmap = libc.func(
  'uintptr_t mmap(uintptr_t address, size_t length, int protection, int flags, int fd, int64_t offset)',
);
const msync = libc.func('int msync(uintptr_t address, size_t length, int flags)');
const munmap = libc.func('int munmap(uintptr_t address, size_t length)');
const copyOut = libc.func('void *memcpy(_Out_ uint8_t *to, uintptr_t from, size_t length)');
const copyIn = libc.func('void *memcpy(uintptr_t to, const uint8_t *from, size_t length)');
const copyFileRangeCall = libc.func(
  'intptr_t copy_file_range(int from, int64_t *fromOffset, int to, int64_t *toOffset, size_t length, unsigned int flags)',
);
const posixFadvise = libc.func('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)');
const lseekCall = libc.func('int64_t lseek(int fd, int64_t offset, int whence)');
const mincoreCall = libc.func('int mincore(uintptr_t address, size_t length, _Out_ uint8_t *pages)');

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 2n ** 64n - 1n;
const MS_SYNC = 4;
const PAGE_SIZE = 4096;

/** A shared mapping of a file. Touching it past the last page of the file ends the process. */
export class MappedFile {
  private readonly address: number;
  private readonly length: number;

  /** Maps bytes [0, length) of a file open for reading and writing; it may be shorter. */
  constructor(fd: number, length: number) {
    const address = BigInt(mmap(0, length, PROT_READ_WRITE, MAP_SHARED, fd, 0));
    if (address === MAP_FAILED) checked(-1, 'mmap');
    this.address = Number(address);
    this.length = length;
  }

  read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    copyOut(bytes, this.address + offset, length);
    return bytes;
  }

  write(offset: number, bytes: Buffer): void {
    copyIn(this.address + offset, bytes, bytes.length);
  }

  sync(): void {
    checked(msync(this.address, this.length, MS_SYNC), 'msync');
  }

  /** How many pages of [0, length) the kernel has in memory. */
  pagesInMemory(length: number): number {
    const pages = Buffer.alloc(Math.ceil(length / PAGE_SIZE));
    checked(mincoreCall(this.address, length, pages), 'mincore');
    return pages.reduce((count, page) => count + (page & 1), 0);
  }

  /** Where it is in this process's memory. */
  addressOf(offset: number): number {
    return this.address + offset;
  }

  close(): void {
    checked(munmap(this.address, this.length), 'munmap');
  }
}

/** @returns bytes copied, at most `length` */
export function copyFileRange(from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
  const offsets = [new BigInt64Array([BigInt(fromOffset)]), new BigInt64Array([BigInt(toOffset)])] as const;
  return checked(copyFileRangeCall(from, offsets[0], to, offsets[1], length, 0), 'copy_file_range');
}

const POSIX_FADV_DONTNEED = 4;

/** Lets go of the pages of a file that are not dirty. */
export function dropPages(fd: number): void {
  assert.equal(posixFadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0, 'posix_fadvise');
}

export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

/** @throws Error ENXIO */
export function lseek(fd: number, offset: number, whence: number): number {
  return checked(lseekCall(fd, offset, whence), 'lseek');
}

/** Memory at whole pages, as O_DIRECT wants it. */
export function alignedBuffer(length: number): Buffer {
  const bytes = Buffer.alloc(length + PAGE_SIZE);
  const past = Number(koffi.address(bytes)) % PAGE_SIZE;
  return bytes.subarray(PAGE_SIZE - past, PAGE_SIZE - past + length);
}

const linkat = libc.func('int linkat(int fromFd, const char *from, int toFd, const char *to, int flags)');
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;

/** Gives an open file a name, also one without any. */
export function linkOpenFile(fd: number, path: string): void {
  checked(linkat(AT_FDCWD, `/proc/self/fd/${fd}`, AT_FDCWD, path, AT_SYMLINK_FOLLOW), 'linkat');
}
