/**
 * Turns a copy of an encrypted volume into one that tools without encryption accept: names and
 * data stay ciphertext, only the marks go. What `btrfs check` and the kernel then say covers
 * every rule of btrfs, on volumes they would otherwise refuse to open.
 */
import { type RawBlock, type RawItem, RawVolume, repackLeaf } from './raw-volume.js';
import { copySparseFile } from './sparse.js';
import { temporaryPath } from './temporary.js';

const INODE_ITEM = 1;
const DIR_ITEM = 84;
const DIR_INDEX = 96;
const EXTENT_DATA = 108;
const EXTENT_CSUM = 128;

const INCOMPAT_ENCRYPT = 1n << 15n;
const INODE_ENCRYPT = 1n << 12n;
const NAME_ENCRYPTED = 0x80;
const INLINE_EXTENT = 0;
/** Bytes of a file extent item that has a disk address and no context behind it. */
const EXTENT_BYTES = 53;

/** @returns the path of the cleared copy, gone when the process exits; the image itself stays as it is */
export function copyWithoutMarks(imagePath: string): string {
  const copy = temporaryPath('-cleared.img');
  copySparseFile(imagePath, copy);
  const volume = new RawVolume(copy, true);
  try {
    clearMarks(volume);
  } finally {
    volume.close();
  }
  return copy;
}

function clearMarks(volume: RawVolume): void {
  const plainlySummed = new Set<number>();
  for (const block of volume.allBlocks()) {
    const cleared = repackLeaf(block, (item, data) => clearItem(item, data, volume, plainlySummed));
    if (block.level === 0 && !cleared.equals(block.bytes)) {
      volume.writeBlock({ logical: block.logical, bytes: cleared });
    }
  }
  if (plainlySummed.size > 0) renewDataChecksums(volume, plainlySummed);
  volume.changeSuperblocks((superblock) => {
    superblock.writeBigUInt64LE(superblock.readBigUInt64LE(188) & ~INCOMPAT_ENCRYPT, 188);
  });
}

/**
 * Clears the marks of one item.
 *
 * @param plainlySummed - receives the addresses of sectors whose checksum covers their plaintext
 */
function clearItem(item: RawItem, data: Buffer, volume: RawVolume, plainlySummed: Set<number>): Buffer {
  if (item.type === INODE_ITEM) {
    data.writeBigUInt64LE(data.readBigUInt64LE(64) & ~INODE_ENCRYPT, 64);
  } else if (item.type === DIR_ITEM || item.type === DIR_INDEX) {
    for (let at = 0; at < data.length; at += 30 + data.readUInt16LE(at + 25) + data.readUInt16LE(at + 27)) {
      data.writeUInt8(data.readUInt8(at + 29) & ~NAME_ENCRYPTED, at + 29);
    }
  } else if (item.type === EXTENT_DATA) {
    const trailing = data.readUInt8(20) !== INLINE_EXTENT && data.length > EXTENT_BYTES;
    const compressed = data.readUInt8(16) !== 0;
    data.writeUInt8(0, 17);
    if (!trailing) return data;
    const start = Number(data.readBigUInt64LE(21));
    const end = start + Number(data.readBigUInt64LE(29));
    for (let sector = start; !compressed && sector < end; sector += volume.sectorsize) plainlySummed.add(sector);
    return data.subarray(0, EXTENT_BYTES);
  }
  return data;
}

/** Replaces the checksums of these sectors, which cover plaintext, by those of what is on disk. */
function renewDataChecksums(volume: RawVolume, sectors: ReadonlySet<number>): void {
  const size = volume.checksumSize;
  const renew = (block: RawBlock, item: RawItem): boolean => {
    let changed = false;
    for (let index = 0; index * size < item.size; index++) {
      const sector = Number(item.offset) + index * volume.sectorsize;
      if (!sectors.has(sector)) continue;
      const sum = volume.checksum(volume.readLogical(sector, volume.sectorsize));
      sum.copy(block.bytes, item.at + index * size, 0, size);
      changed = true;
    }
    return changed;
  };
  for (const block of volume.allBlocks()) {
    const renewed = block.items.filter((item) => item.type === EXTENT_CSUM && renew(block, item));
    if (renewed.length > 0) volume.writeBlock(block);
  }
}
