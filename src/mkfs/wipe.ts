/** Clearing what earlier filesystems left on a device where a reader may look for it. */
import { isZero } from '../bytes/index.js';
import type { BlockDevice } from '../device/index.js';
import { SUPER, superMirrorOffsets } from '../format/index.js';

/** Boot sectors, superblocks and partition tables lie within this distance of either end. */
const ENDS = 2 * 1024 ** 2;
const PIECE = 64 * 1024;

/**
 * Clears both ends of the device and every place of a btrfs superblock, a copy beyond the new
 * volume's size included: the kernel never looks there, but recovery tools do.
 */
export function wipeSignatures(device: BlockDevice): void {
  clear(device, 0, Math.min(ENDS, device.size));
  clear(device, Math.max(0, device.size - ENDS), device.size);
  for (const offset of superMirrorOffsets(device.size + SUPER.SIZE)) {
    clear(device, offset, Math.min(offset + SUPER.SIZE, device.size));
  }
}

/** Writes only where something is, so that a sparse image stays sparse. */
function clear(device: BlockDevice, start: number, end: number): void {
  for (let at = start; at < end; at += PIECE) {
    const bytes = new Uint8Array(Math.min(PIECE, end - at));
    device.read(at, bytes);
    if (!isZero(bytes)) device.write(at, new Uint8Array(bytes.length));
  }
}
