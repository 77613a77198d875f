/** ioctl(2) with whatever argument: what a careless or hostile program calls. */
import { constants } from 'node:os';
import koffi from 'koffi';
import { checked } from './system-calls.js';

const libc = koffi.load(null);

const ioctlCall = libc.func('int ioctl(int fd, unsigned long request, uint64_t argument)');
const mmap = libc.func(
  'uintptr_t mmap(uintptr_t address, size_t length, int protection, int flags, int fd, int64_t offset)',
);
const munmap = libc.func('int munmap(uintptr_t address, size_t length)');
const mprotect = libc.func('int mprotect(uintptr_t address, size_t length, int protection)');
const copyIn = libc.func('void *memcpy(uintptr_t to, const uint8_t *from, size_t length)');
const copyOut = libc.func('void *memcpy(_Out_ uint8_t *to, uintptr_t from, size_t length)');

const PROT_READ = 1;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const PAGE = 4096;

/** Calls ioctl. @returns `done` or the name of its error */
export function ioctlAnswer(fd: number, request: number, address: number | bigint): string {
  if (ioctlCall(fd, request, address) >= 0) return 'done';
  const errno = koffi.errno();
  const names = { ...constants.errno, ENODATA: 61, EUCLEAN: 117, ENOKEY: 126, EOPNOTSUPP: 95 };
  return Object.entries(names).findLast(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
}

/** Two pages of memory with nothing behind them. */
export class Memory {
  readonly address: number;
  /** Where the memory ends. */
  readonly end: number;

  constructor() {
    this.address = Number(mmap(0, 3 * PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
    this.end = this.address + 2 * PAGE;
    checked(munmap(this.end, PAGE), 'munmap');
  }

  put(address: number, bytes: Buffer): number {
    copyIn(address, bytes, bytes.length);
    return address;
  }

  get(address: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    copyOut(bytes, address, length);
    return bytes;
  }

  makeReadOnly(): void {
    checked(mprotect(this.address, 2 * PAGE, PROT_READ), 'mprotect');
  }
}
