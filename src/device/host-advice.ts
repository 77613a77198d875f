/** What the host may be told of a file's future: posix_fadvise(2) and sync_file_range(2), which Node does not offer. */
import koffi from 'koffi';

const POSIX_FADV_WILLNEED = 3;
const SYNC_FILE_RANGE_WRITE = 2;

const libc = koffi.load(null);
const fadvise = libc.func('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)');
const syncFileRange = libc.func('int sync_file_range(int fd, int64_t offset, int64_t length, unsigned int flags)');

/** Has the host begin to read a range into its memory. That it does not is no failure. */
export function fetchAhead(fd: number, offset: number, length: number): void {
  fadvise(fd, offset, length, POSIX_FADV_WILLNEED);
}

/** Has the host begin to write a range to the disk. Says nothing of when it is there; failures are for fdatasync. */
export function beginWriting(fd: number, offset: number, length: number): void {
  syncFileRange(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}
