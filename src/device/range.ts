/** What every device checks before it touches a byte: the range lies inside, the device may be written. */
import { FsError } from '../bytes/index.js';
import type { BlockDevice } from './device.js';

/** @throws FsError EIO if `length` bytes at `offset` do not lie inside the device */
export function checkRange(device: BlockDevice, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && length <= device.size - offset) return;
  throw new FsError(
    'EIO',
    `${device.name}: bytes ${offset} to ${offset + length} lie outside its ${device.size} bytes`,
  );
}

/** {@link checkRange} for a write. @throws FsError EROFS, EIO */
export function checkWrite(device: BlockDevice, offset: number, length: number): void {
  if (device.readOnly) throw new FsError('EROFS', `${device.name}: opened for reading only`);
  checkRange(device, offset, length);
}
