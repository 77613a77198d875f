/**
 * A volume: logical addresses over its devices, with every byte of metadata checked.
 *
 * A block that fails its checksum or its rules in one copy is looked for in the others; what was
 * bad is reported once and remembered, not repaired.
 */
import { corrupt, equalBytes, FsError, invariant, isFsError, readId, readU53, viewOf } from '../bytes/index.js';
import type { ChecksumAlgorithm } from '../checksum/index.js';
import type { BlockDevice } from '../device/index.js';
import {
  bytesAt,
  type CheckContext,
  CSUM_SIZE,
  checkBlock,
  compareKeyAt,
  HEADER,
  INCOMPAT_ENCRYPT,
  INCOMPAT_METADATA_UUID,
  INCOMPAT_RAID_STRIPE_TREE,
  isSubvolumeTree,
  type Key,
  type Superblock,
  superMirrorOffsets,
  TREE_LOG_OBJECTID,
  TREE_RELOC_OBJECTID,
  UUID_SIZE,
} from '../format/index.js';
import { ChunkMap, type ChunkMapping } from './chunk-map.js';
import { type Copy, checkProfile, copiesAt } from './profiles.js';
import { ReadAhead } from './read-ahead.js';
import { encodeSuperCopy } from './superblock.js';

/** What the pointer to a block says about it. */
export interface BlockExpectation {
  readonly generation?: number;
  readonly level?: number;
  /** The tree that is being read. */
  readonly owner?: number;
  readonly firstKey?: Key;
}

/** A place that held wrong bytes, found while reading. */
export interface BadCopy {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  readonly reason: string;
}

export interface VolumeOptions {
  /** Takes one line for every fault that was survived. */
  readonly warn?: (message: string) => void;
}

/** More bad copies than this are still survived, but neither reported nor remembered. */
const MAX_BAD_COPIES = 10_000;

export class Volume {
  /** What the next {@link writeSupers} replaces; its owner may change fields before. */
  superblock: Superblock;
  readonly device: BlockDevice;
  readonly nodesize: number;
  readonly sectorsize: number;
  readonly checksum: ChecksumAlgorithm;
  readonly chunkMap = new ChunkMap();
  /** Why the volume must not be written; empty when it may. Those who open it may add more. */
  readonly readOnlyReasons: string[] = [];
  readonly badCopies: BadCopy[] = [];
  readonly warn: (message: string) => void;
  readonly checkContext: CheckContext;
  /** The superblock's bytes when opened, whose reserved parts every later one keeps. */
  readonly #superBytes: Uint8Array;
  readonly #reported = new Set<number>();
  #readAhead: ReadAhead | undefined;

  /** A volume without chunks. {@link openVolumeDevices} and mkfs fill the map. */
  constructor(
    device: BlockDevice,
    superblock: Superblock,
    superBytes: Uint8Array,
    checksum: ChecksumAlgorithm,
    options: VolumeOptions = {},
  ) {
    this.device = device;
    this.superblock = superblock;
    this.nodesize = superblock.nodesize;
    this.sectorsize = superblock.sectorsize;
    this.checksum = checksum;
    this.warn = options.warn ?? (() => {});
    this.checkContext = liveContext(this);
    this.#superBytes = superBytes;
  }

  /** Whether nothing may be written. */
  get readOnly(): boolean {
    return this.device.readOnly || this.readOnlyReasons.length > 0;
  }

  /** Whether the volume may hold encrypted directories. */
  get encrypted(): boolean {
    return (this.superblock.incompatFlags & (INCOMPAT_ENCRYPT | INCOMPAT_RAID_STRIPE_TREE)) !== 0n;
  }

  /** The `fsid` of every tree block. */
  get metadataUuid(): Uint8Array {
    const separate = (this.superblock.incompatFlags & INCOMPAT_METADATA_UUID) !== 0n;
    return separate ? this.superblock.metadataUuid : this.superblock.fsid;
  }

  /** From now on, what is read in long runs is read ahead by another thread. */
  startReadingAhead(): void {
    this.#readAhead ??= new ReadAhead(this.device, this.checksum, this.sectorsize);
  }

  /**
   * Reads a tree block and checks it whole.
   *
   * @returns a fresh buffer that is the caller's
   * @throws FsError EIO when no copy has a right checksum, EUCLEAN when the bytes break a rule or
   *   are not the block that `expect` describes
   */
  readMetadata(logical: number, expect: BlockExpectation): Uint8Array {
    let first: FsError | undefined;
    for (const copy of this.copies(logical, this.nodesize)) {
      const block = new Uint8Array(this.nodesize);
      try {
        this.device.read(copy.physical, block);
        this.#checkMetadata(block, logical, expect);
        return block;
      } catch (error) {
        if (!isFsError(error, 'EIO', 'EUCLEAN')) throw error;
        this.#reportBadCopy(logical, copy.physical, this.nodesize, error);
        first ??= error;
      }
    }
    throw first ?? corrupt(`block ${logical}`, 'has no copy');
  }

  #checkMetadata(block: Uint8Array, logical: number, expect: BlockExpectation): void {
    const where = `block ${logical}`;
    const found = new Uint8Array(CSUM_SIZE);
    this.checksum.digestInto(block.subarray(CSUM_SIZE), found, 0);
    if (!equalBytes(found.subarray(0, this.checksum.size), block.subarray(0, this.checksum.size))) {
      throw new FsError('EIO', `${where}: checksum mismatch`);
    }
    const view = viewOf(block);
    const bytenr = readU53(view, HEADER.bytenr);
    if (bytenr !== logical) throw corrupt(where, `claims to be block ${bytenr}`);
    if (!equalBytes(bytesAt(view, HEADER.fsid, UUID_SIZE), this.metadataUuid)) {
      throw corrupt(where, 'belongs to another volume');
    }
    checkBlock(view, this.checkContext);
    checkExpectation(view, where, expect);
  }

  /**
   * Reads data without verifying it; the first copy that the device can read wins.
   *
   * @throws FsError EIO; EUCLEAN when the range leaves its chunk
   */
  readData(logical: number, into: Uint8Array): void {
    let first: FsError | undefined;
    for (const copy of this.copies(logical, into.length)) {
      try {
        this.device.read(copy.physical, into);
        return;
      } catch (error) {
        if (!isFsError(error, 'EIO')) throw error;
        this.#reportBadCopy(logical, copy.physical, into.length, error);
        first ??= error;
      }
    }
    throw first ?? corrupt(`data at logical ${logical}`, 'has no copy');
  }

  /**
   * Reads data and verifies each sector, taking bad ones from another copy.
   *
   * @param into - whole sectors
   * @param checksums - one per sector, end to end
   * @throws FsError EIO naming the first sector that is bad in all copies
   */
  readDataVerified(logical: number, into: Uint8Array, checksums: Uint8Array): void {
    const [copy] = this.copies(logical, into.length);
    const digests = new Uint8Array(checksums.length);
    if (copy !== undefined && this.#readAhead?.take(copy.physical, into, digests) === true) {
      if (equalBytes(digests, checksums)) return;
    }
    this.#readOrZero(logical, copy, into);
    this.checksum.digestSectors(into, this.sectorsize, digests);
    if (equalBytes(digests, checksums)) return;
    const { size } = this.checksum;
    this.readDataJudged(logical, into, (sector, index) => {
      this.checksum.digestInto(sector, digests, 0);
      return equalBytes(digests.subarray(0, size), checksums.subarray(index * size, (index + 1) * size));
    });
  }

  /**
   * As {@link readDataVerified}, with the caller as judge of each sector. For checksums that do not
   * cover what is on disk.
   */
  readDataJudged(logical: number, into: Uint8Array, isGood: (sector: Uint8Array, index: number) => boolean): void {
    const { sectorsize } = this;
    invariant(into.length % sectorsize === 0, 'verified data comes in whole sectors');
    const copies = this.copies(logical, into.length);
    this.#readOrZero(logical, copies[0], into);
    for (let at = 0; at < into.length; at += sectorsize) {
      const sector = into.subarray(at, at + sectorsize);
      if (isGood(sector, at / sectorsize)) continue;
      const saved = copies.some((copy, i) => {
        this.#reportBadCopy(logical + at, copy.physical + at, sectorsize, mismatch(logical + at));
        const next = copies[i + 1];
        if (next === undefined) return false;
        this.#readOrZero(logical + at, { devid: next.devid, physical: next.physical + at }, sector);
        return isGood(sector, at / sectorsize);
      });
      if (!saved) throw mismatch(logical + at);
    }
  }

  /** A copy that the device cannot read counts as one full of zeros: the checksum will tell. */
  #readOrZero(logical: number, copy: Copy | undefined, into: Uint8Array): void {
    if (copy === undefined) throw corrupt(`data at logical ${logical}`, 'has no copy');
    try {
      this.device.read(copy.physical, into);
    } catch (error) {
      if (!isFsError(error, 'EIO')) throw error;
      into.fill(0);
    }
  }

  /**
   * Writes bytes to every copy. Durable after {@link flush}.
   *
   * @throws FsError EROFS, EIO, ENOSPC; EUCLEAN when the range leaves its chunk
   */
  writeLogical(logical: number, bytes: Uint8Array): void {
    this.#checkWritable();
    for (const { physical } of this.copies(logical, bytes.length)) {
      this.#readAhead?.forget(physical, bytes.length);
      this.device.write(physical, bytes);
    }
  }

  /** Where a run of logical bytes is. @throws FsError EUCLEAN when no chunk holds all of it */
  copies(logical: number, length: number): Copy[] {
    const mapping = this.chunkMap.find(logical);
    if (mapping === undefined || logical + length > mapping.logical + mapping.chunk.length) {
      throw corrupt(`logical ${logical}`, `no chunk holds ${length} bytes there`);
    }
    return copiesAt(mapping.chunk, logical - mapping.logical);
  }

  /**
   * Makes a chunk known.
   *
   * @throws FsError EUCLEAN when it overlaps another or leaves the device, EOPNOTSUPP for its
   *   profile or a device that is not there
   */
  addChunk(mapping: ChunkMapping): void {
    const { logical, chunk } = mapping;
    checkProfile(chunk, logical);
    const { devid, uuid, totalBytes } = this.superblock.devItem;
    for (const stripe of chunk.stripes) {
      if (stripe.devid !== devid || !equalBytes(stripe.devUuid, uuid)) {
        throw new FsError('EOPNOTSUPP', `chunk at logical ${logical} is on device ${stripe.devid}, which is not here`);
      }
      if (stripe.offset % this.sectorsize !== 0) throw corrupt(`chunk at logical ${logical}`, 'starts inside a sector');
      if (stripe.offset + chunk.length > totalBytes) {
        throw corrupt(`chunk at logical ${logical}`, 'reaches past the end of its device');
      }
    }
    this.chunkMap.add(mapping);
  }

  removeChunk(logical: number): void {
    const removed = this.chunkMap.remove(logical);
    invariant(removed, `there is a chunk at logical ${logical}`);
  }

  /**
   * Writes all copies of the superblock, which becomes {@link superblock}.
   *
   * The first copy is flushed before the others are touched: on return it is durable, and at any
   * moment one copy is whole, whatever a power cut tears. The others become durable with the next
   * {@link flush}, which every commit does before it writes the first copy again.
   */
  writeSupers(superblock: Superblock): void {
    this.#checkWritable();
    const [first, ...others] = superMirrorOffsets(superblock.devItem.totalBytes);
    invariant(first !== undefined, 'a volume has room for its first superblock');
    const write = (offset: number): void => {
      this.device.write(offset, encodeSuperCopy(superblock, this.#superBytes, offset, this.checksum));
    };
    write(first);
    this.device.flush();
    others.forEach(write);
    this.superblock = superblock;
  }

  flush(): void {
    this.device.flush();
  }

  /** Closes the device. Writes nothing. */
  close(): void {
    this.#readAhead?.close();
    this.device.close();
  }

  #checkWritable(): void {
    if (this.device.readOnly) throw new FsError('EROFS', `${this.device.name} was opened for reading only`);
    const [reason] = this.readOnlyReasons;
    if (reason !== undefined) throw new FsError('EROFS', `the volume is read-only: ${reason}`);
  }

  #reportBadCopy(logical: number, physical: number, length: number, error: FsError): void {
    if (this.#reported.has(physical) || this.#reported.size >= MAX_BAD_COPIES) return;
    this.#reported.add(physical);
    this.badCopies.push({ logical, physical, length, reason: error.message });
    this.warn(`bad copy at byte ${physical} of ${this.device.name}: ${error.message}`);
  }
}

function mismatch(logical: number): FsError {
  return new FsError('EIO', `data at logical ${logical}: checksum mismatch`);
}

/** The rules' context, always as the volume's superblock is at the moment. */
function liveContext(volume: Volume): CheckContext {
  return {
    nodesize: volume.nodesize,
    sectorsize: volume.sectorsize,
    csumSize: volume.checksum.size,
    get incompatFlags() {
      return volume.superblock.incompatFlags;
    },
    get superGeneration() {
      return volume.superblock.generation;
    },
    get encrypted() {
      return volume.encrypted;
    },
  };
}

function checkExpectation(view: DataView, where: string, expect: BlockExpectation): void {
  const level = view.getUint8(HEADER.level);
  if (expect.level !== undefined && level !== expect.level) {
    throw corrupt(where, `level ${level}, its parent says ${expect.level}`);
  }
  const generation = readU53(view, HEADER.generation);
  if (expect.generation !== undefined && generation !== expect.generation) {
    throw corrupt(where, `generation ${generation}, its parent says ${expect.generation}`);
  }
  if (expect.owner !== undefined) checkOwner(view, where, expect.owner);
  if (expect.firstKey === undefined) return;
  const empty = view.getUint32(HEADER.nritems, true) === 0;
  if (empty || compareKeyAt(view, HEADER.SIZE, expect.firstKey) !== 0) {
    throw corrupt(where, `does not begin with key ${expect.firstKey}, as its parent says`);
  }
}

/** Subvolumes share blocks with each other; other trees hold none but their own. */
function checkOwner(view: DataView, where: string, tree: number): void {
  if (tree === TREE_LOG_OBJECTID || tree === TREE_RELOC_OBJECTID) return;
  const owner = readId(view, HEADER.owner);
  const fits = isSubvolumeTree(tree) ? isSubvolumeTree(owner) : owner === tree;
  if (!fits) throw corrupt(where, `belongs to tree ${owner}, found in tree ${tree}`);
}
