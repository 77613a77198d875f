/** Giving ranges of a file or block device back to the host: fallocate(2) and BLKDISCARD, which Node does not offer. */

import koffi from 'koffi';
import { codeOfErrno, FsError } from '../bytes/index.js';

const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
/** `_IO(0x12, 119)` of linux include/uapi/linux/fs.h; the argument is two u64, start and length in bytes. */
const BLKDISCARD = 0x1277;

const libc = koffi.load(null);
const fallocate = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
const ioctl = libc.func('int ioctl(int fd, unsigned long request, uint8_t *argument)');

/** Makes a range of a file a hole. @throws FsError EOPNOTSUPP if its filesystem has no holes, EIO */
export function punchHole(fd: number, path: string, offset: number, length: number): void {
  const answer: number = fallocate(fd, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, offset, length);
  if (answer !== 0) throw failure('fallocate', path);
}

/** @param offset - as `length` a multiple of the device's sectors. @throws FsError EOPNOTSUPP, EIO */
export function discardBlocks(fd: number, path: string, offset: number, length: number): void {
  const range = new Uint8Array(BigUint64Array.of(BigInt(offset), BigInt(length)).buffer);
  const answer: number = ioctl(fd, BLKDISCARD, range);
  if (answer !== 0) throw failure('BLKDISCARD', path);
}

function failure(syscall: string, path: string): FsError {
  const code = codeOfErrno(koffi.errno());
  const text = code === 'EOPNOTSUPP' ? 'what it lies on takes no free space back' : `${syscall} failed`;
  return new FsError(code, `${path}: ${text}`, { syscall, path });
}
