/** Damage with right checksums: superblocks and tree blocks changed and sealed again. */
import { viewOf } from '../../src/bytes/index.js';
import { checksumAlgorithm } from '../../src/checksum/index.js';
import type { BlockDevice } from '../../src/device/index.js';
import { CSUM_SIZE, decodeSuper, encodeSuper, SUPER, type Superblock } from '../../src/format/index.js';
import type { Volume } from '../../src/volume/index.js';

/** Renews the checksum at the front of a superblock or tree block. */
export function seal(bytes: Uint8Array, checksumType: number): void {
  bytes.fill(0, 0, CSUM_SIZE);
  checksumAlgorithm(checksumType).digestInto(bytes.subarray(CSUM_SIZE), bytes, 0);
}

/** Changes one copy of the superblock, the first unless told, and seals it. */
export function changeSuper(device: BlockDevice, change: (superblock: Superblock) => void, offset = 65536): void {
  const bytes = new Uint8Array(SUPER.SIZE);
  device.read(offset, bytes);
  const superblock = decodeSuper(viewOf(bytes), 0);
  change(superblock);
  encodeSuper(viewOf(bytes), 0, superblock);
  seal(bytes, superblock.csumType);
  device.write(offset, bytes);
}

/** Replaces all copies of a tree block with `block`, sealed; on another device than the volume's if one is given. */
export function replaceBlock(volume: Volume, logical: number, block: Uint8Array, device = volume.device): void {
  seal(block, volume.superblock.csumType);
  for (const { physical } of volume.copies(logical, block.length)) device.write(physical, block);
}
