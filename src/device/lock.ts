/** The advisory lock that keeps a second writer out: flock(2), which Node does not offer. */
import { constants } from 'node:os';
import koffi from 'koffi';
import { FsError } from '../bytes/index.js';

const LOCK_EX = 2;
const LOCK_NB = 4;

type Flock = (fd: number, operation: number) => number;

let flock: Flock | undefined;

/**
 * Locks the open file `fd` against every other opener that locks, in this process too. Closing
 * the file ends the lock.
 *
 * @returns false if somebody else holds it
 * @throws FsError EIO if the filesystem under the file cannot lock
 */
export function lockExclusively(fd: number, path: string): boolean {
  flock ??= koffi.load(null).func('int flock(int fd, int operation)') as Flock;
  for (;;) {
    if (flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
    const errno = koffi.errno();
    if (errno === constants.errno.EWOULDBLOCK) return false;
    if (errno !== constants.errno.EINTR)
      throw new FsError('EIO', `${path}: flock failed with errno ${errno}`, { path, syscall: 'flock' });
  }
}
