/**
 * Choosing, judging and writing superblocks.
 *
 * As the kernel does, the first copy alone decides. Another one is looked at only when the first
 * cannot be read or fails its checksum, and then only believed when it is of the same volume and
 * device: further copies may be left from an older filesystem, with a higher generation.
 */
import { corrupt, equalBytes, FsError, isFsError, readU53, readU64, viewOf, writeU53 } from '../bytes/index.js';
import { type ChecksumAlgorithm, checksumAlgorithm } from '../checksum/index.js';
import type { BlockDevice } from '../device/index.js';
import {
  CSUM_SIZE,
  DEV_ITEM,
  decodeSuper,
  encodeSuper,
  MAX_LEVEL,
  MAX_NODESIZE,
  MIN_NODESIZE,
  SUPER,
  SUPER_MAGIC,
  type Superblock,
  superMirrorOffsets,
  UUID_SIZE,
} from '../format/index.js';

/** Bytes of a sector. The format allows others; nothing but 4 KiB is read or written here. */
export const SECTORSIZE = 4096;
/** Transactions count up by one; so far no volume ever comes, and numbers stay exact. */
const LAST_GENERATION = 2 ** 52;
/** No volume uses less than this many nodes. */
const MIN_NODES_USED = 6;

export interface ChosenSuper {
  readonly superblock: Superblock;
  /** The 4096 bytes as stored, for the reserved ones among them. */
  readonly bytes: Uint8Array;
  readonly checksum: ChecksumAlgorithm;
  /** Why the volume must not be written, if the choice of the copy forbids it. */
  readonly readOnlyReason?: string;
}

/**
 * Finds the superblock to use.
 *
 * @throws FsError EINVAL when there is no btrfs volume, EUCLEAN when it is damaged beyond the copies
 */
export function chooseSuper(device: BlockDevice, warn: (message: string) => void): ChosenSuper {
  const [firstOffset, ...otherOffsets] = superMirrorOffsets(device.size);
  if (firstOffset === undefined) throw new FsError('EINVAL', `${device.name} is too small for a btrfs volume`);
  const first = readCopy(device, firstOffset);
  if (first.fault === undefined) return chosen(first.bytes);
  const copies = otherOffsets
    .map((offset) => readCopy(device, offset))
    .filter((copy) => copy.fault === undefined && (!first.isBtrfs || isSameDevice(first.bytes, copy.bytes)));
  const best = copies.reduce<SuperCopy | undefined>(newer, undefined);
  if (best === undefined) {
    if (first.isBtrfs) throw corrupt(`superblock of ${device.name}`, first.fault);
    throw new FsError('EINVAL', `${device.name} holds no btrfs volume (${first.fault})`);
  }
  if (copies.some((copy) => !isSameDevice(best.bytes, copy.bytes))) {
    throw corrupt(`superblock of ${device.name}`, `${first.fault}, and its copies are of different volumes`);
  }
  warn(`first superblock of ${device.name}: ${first.fault}; using the copy at byte ${best.offset}`);
  const choice = chosen(best.bytes);
  if (first.isBtrfs) return choice;
  return { ...choice, readOnlyReason: 'the first superblock is gone and only a copy identifies the volume' };
}

interface SuperCopy {
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Whether the magic number is there, however damaged the rest. */
  readonly isBtrfs: boolean;
  readonly fault?: string;
}

function readCopy(device: BlockDevice, offset: number): SuperCopy {
  const bytes = new Uint8Array(SUPER.SIZE);
  try {
    device.read(offset, bytes);
  } catch (error) {
    if (!isFsError(error, 'EIO')) throw error;
    return { offset, bytes, isBtrfs: false, fault: error.message };
  }
  const isBtrfs = readU64(viewOf(bytes), SUPER.magic) === SUPER_MAGIC;
  if (!isBtrfs) return { offset, bytes, isBtrfs, fault: 'no magic number' };
  const fault = copyFault(bytes, offset);
  return fault === undefined ? { offset, bytes, isBtrfs } : { offset, bytes, isBtrfs, fault };
}

function copyFault(bytes: Uint8Array, offset: number): string | undefined {
  const view = viewOf(bytes);
  let checksum: ChecksumAlgorithm;
  try {
    checksum = checksumAlgorithm(view.getUint16(SUPER.csumType, true));
  } catch (error) {
    if (!isFsError(error, 'EOPNOTSUPP', 'EUCLEAN')) throw error;
    return error.message;
  }
  const found = new Uint8Array(checksum.size);
  checksum.digestInto(bytes.subarray(CSUM_SIZE), found, 0);
  if (!equalBytes(found, bytes.subarray(0, checksum.size))) return 'checksum mismatch';
  const bytenr = readU53(view, SUPER.bytenr);
  return bytenr === offset ? undefined : `claims to be at byte ${bytenr}, is at ${offset}`;
}

function isSameDevice(a: Uint8Array, b: Uint8Array): boolean {
  const device = SUPER.devItem + DEV_ITEM.uuid;
  return (
    equalBytes(a.subarray(SUPER.fsid, SUPER.fsid + UUID_SIZE), b.subarray(SUPER.fsid, SUPER.fsid + UUID_SIZE)) &&
    equalBytes(a.subarray(device, device + UUID_SIZE), b.subarray(device, device + UUID_SIZE))
  );
}

function newer(best: SuperCopy | undefined, copy: SuperCopy): SuperCopy {
  if (best === undefined) return copy;
  const generation = (of: SuperCopy): number => readU53(viewOf(of.bytes), SUPER.generation);
  return generation(copy) > generation(best) ? copy : best;
}

function chosen(bytes: Uint8Array): ChosenSuper {
  const superblock = decodeSuper(viewOf(bytes), 0);
  return { superblock, bytes, checksum: checksumAlgorithm(superblock.csumType) };
}

/**
 * Judges sizes, addresses and levels, as the kernel does before it reads a tree.
 *
 * @throws FsError EUCLEAN; EOPNOTSUPP for sector sizes other than 4 KiB; EINVAL for a device that
 *   is shorter than the volume
 */
export function checkSuper(superblock: Superblock, device: BlockDevice): void {
  const bad = (what: string): FsError => corrupt('superblock', what);
  const { sectorsize, nodesize } = superblock;
  if (!isPowerOfTwo(sectorsize)) throw bad(`sector size ${sectorsize}`);
  if (sectorsize !== SECTORSIZE) {
    throw new FsError('EOPNOTSUPP', `sector size ${sectorsize} is not supported, only ${SECTORSIZE} is`);
  }
  if (!isPowerOfTwo(nodesize) || nodesize < MIN_NODESIZE || nodesize > MAX_NODESIZE) throw bad(`node size ${nodesize}`);
  if (superblock.leafsize !== nodesize) throw bad(`leaf size ${superblock.leafsize} differs from the node size`);
  if (!isPowerOfTwo(superblock.stripesize)) throw bad(`stripe size ${superblock.stripesize}`);
  for (const root of ['root', 'chunkRoot', 'logRoot'] as const) {
    if (superblock[root] % sectorsize !== 0) throw bad(`${root} at unaligned address ${superblock[root]}`);
  }
  for (const level of ['rootLevel', 'chunkRootLevel', 'logRootLevel'] as const) {
    if (superblock[level] >= MAX_LEVEL) throw bad(`${level} ${superblock[level]}`);
  }
  if (superblock.bytesUsed < MIN_NODES_USED * nodesize) throw bad(`only ${superblock.bytesUsed} bytes used`);
  if (superblock.generation >= LAST_GENERATION) throw bad(`generation ${superblock.generation} leaves none to follow`);
  if (superblock.chunkRootGeneration > superblock.generation) throw bad('the chunk tree is newer than the volume');
  if (superblock.totalBytes < superblock.devItem.totalBytes) throw bad('the device is larger than the volume');
  if (superMirrorOffsets(superblock.devItem.totalBytes).length === 0) {
    throw bad(`a device of ${superblock.devItem.totalBytes} bytes has no room for it`);
  }
  if (superblock.devItem.totalBytes > device.size) {
    const sizes = `${device.size} bytes, the volume needs ${superblock.devItem.totalBytes}`;
    throw new FsError('EINVAL', `${device.name} is cut short: ${sizes}`);
  }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

/** The copy for byte `offset`: `base` with the fields of `superblock`, its place and checksum. */
export function encodeSuperCopy(
  superblock: Superblock,
  base: Uint8Array,
  offset: number,
  checksum: ChecksumAlgorithm,
): Uint8Array {
  const bytes = base.slice();
  const view = viewOf(bytes);
  encodeSuper(view, 0, superblock);
  writeU53(view, SUPER.bytenr, offset);
  bytes.fill(0, 0, CSUM_SIZE);
  checksum.digestInto(bytes.subarray(CSUM_SIZE), bytes, 0);
  return bytes;
}
