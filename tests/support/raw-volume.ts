/**
 * A second, small reader of btrfs for tests that judge the product: plain offsets, no code of
 * src, so that it repeats none of its mistakes. One device, profiles single and DUP.
 *
 * Offsets are those of struct btrfs_super_block, btrfs_header, btrfs_item, btrfs_key_ptr,
 * btrfs_chunk and btrfs_root_item (linux include/uapi/linux/btrfs_tree.h). Errors are plain
 * Errors: tests show them, nobody handles them.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { blake2b } from '@noble/hashes/blake2.js';
import { crc32c } from '@node-rs/crc32';
import { xxh64 } from '@node-rs/xxhash';

const SUPER_OFFSETS = [65536, 64 * 2 ** 20, 256 * 2 ** 30];
const SUPER_BYTES = 4096;
const MAGIC = '_BHRfS_M';
const HEADER_BYTES = 101;
const ITEM_BYTES = 25;
const KEY_POINTER_BYTES = 33;
const MAX_LEVEL = 7;

const ROOT_ITEM = 132;
const CHUNK_ITEM = 228;

export interface RawKey {
  readonly objectid: bigint;
  readonly type: number;
  readonly offset: bigint;
}

export interface RawItem extends RawKey {
  /** Where its data lies in the block. */
  readonly at: number;
  readonly size: number;
}

export interface RawBlock {
  readonly logical: number;
  readonly bytes: Buffer;
  readonly owner: bigint;
  readonly generation: bigint;
  readonly level: number;
  /** None in a node. */
  readonly items: readonly RawItem[];
}

interface Chunk {
  readonly logical: number;
  readonly length: number;
  readonly stripes: readonly number[];
}

/** One tree of the volume: its id, and where its root node lies. */
export interface RawTree {
  readonly id: bigint;
  readonly logical: number;
  /** Reference count of the root item: 0 for a subvolume on its way out. */
  readonly refs: number;
  /** `offset` of the root item's key: the transaction of a snapshot, 0 otherwise. */
  readonly keyOffset: bigint;
}

/** Checksums as the superblock's type numbers them, of any bytes. */
function checksumOf(type: number, bytes: Uint8Array): Buffer {
  const sum = Buffer.alloc(32);
  if (type === 0) sum.writeUInt32LE(crc32c(bytes));
  else if (type === 1) sum.writeBigUInt64LE(xxh64(bytes, 0n));
  else if (type === 2) createHash('sha256').update(bytes).digest().copy(sum);
  else if (type === 3) sum.set(blake2b(bytes, { dkLen: 32 }));
  else throw new Error(`checksum type ${type}`);
  return sum;
}

export function readKey(bytes: Buffer, at: number): RawKey {
  return { objectid: bytes.readBigUInt64LE(at), type: bytes.readUInt8(at + 8), offset: bytes.readBigUInt64LE(at + 9) };
}

const quantity = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at));

/** An image file opened by plain offsets. Close it. */
export class RawVolume {
  readonly superblock: Buffer;
  readonly nodesize: number;
  readonly sectorsize: number;
  readonly checksumType: number;
  /** Bytes of a stored data checksum. */
  readonly checksumSize: number;
  private readonly fd: number;
  private readonly chunks: Chunk[] = [];

  constructor(path: string, writable = false) {
    this.fd = openSync(path, writable ? 'r+' : 'r');
    this.superblock = this.readPhysical(SUPER_OFFSETS[0] ?? 0, SUPER_BYTES);
    if (this.superblock.toString('latin1', 64, 72) !== MAGIC) throw new Error(`${path} holds no btrfs`);
    this.sectorsize = this.superblock.readUInt32LE(144);
    this.nodesize = this.superblock.readUInt32LE(148);
    this.checksumType = this.superblock.readUInt16LE(196);
    this.checksumSize = [4, 8, 32, 32][this.checksumType] ?? 0;
    this.readSystemChunks();
    for (const { items, bytes } of this.blocksOf(quantity(this.superblock, 88))) {
      for (const item of items) if (item.type === CHUNK_ITEM) this.addChunk(Number(item.offset), bytes, item.at);
    }
  }

  close(): void {
    closeSync(this.fd);
  }

  checksum(bytes: Uint8Array): Buffer {
    return checksumOf(this.checksumType, bytes);
  }

  /** Every tree: root tree, chunk tree, log trees, and those that root items name. */
  trees(): RawTree[] {
    const rootTree = quantity(this.superblock, 80);
    const logRoot = quantity(this.superblock, 96);
    const own = (id: bigint, logical: number): RawTree => ({ id, logical, refs: 1, keyOffset: 0n });
    const trees = [own(1n, rootTree), own(3n, quantity(this.superblock, 88)), ...this.treesIn(rootTree)];
    if (logRoot === 0) return trees;
    // Nobody counts the references of a log.
    const logs = this.treesIn(logRoot).map((tree): RawTree => ({ ...tree, refs: 1 }));
    return [...trees, own(-6n, logRoot), ...logs];
  }

  private treesIn(root: number): RawTree[] {
    const trees: RawTree[] = [];
    for (const { items, bytes } of this.blocksOf(root)) {
      for (const item of items) {
        if (item.type !== ROOT_ITEM) continue;
        const id = BigInt.asIntN(64, item.objectid);
        const logical = quantity(bytes, item.at + 176);
        trees.push({ id, logical, refs: bytes.readUInt32LE(item.at + 216), keyOffset: item.offset });
      }
    }
    return trees;
  }

  /**
   * The blocks of a tree, parents first, items in order of their keys. `seen` leaves out blocks
   * that were met before, which snapshots share, with all below them.
   */
  *blocksOf(logical: number, seen: Set<number> = new Set()): Generator<RawBlock> {
    if (seen.has(logical)) return;
    seen.add(logical);
    const block = this.readBlock(logical);
    yield block;
    if (block.level === 0) return;
    for (let slot = 0; slot < block.bytes.readUInt32LE(96); slot++) {
      yield* this.blocksOf(quantity(block.bytes, HEADER_BYTES + slot * KEY_POINTER_BYTES + 17), seen);
    }
  }

  /** Every block of every tree, once. A half-deleted subvolume's blocks are left out: some are gone. */
  *allBlocks(): Generator<RawBlock> {
    const seen = new Set<number>();
    for (const { logical, refs } of this.trees()) if (refs > 0) yield* this.blocksOf(logical, seen);
  }

  private readBlock(logical: number): RawBlock {
    const bytes = this.readLogical(logical, this.nodesize);
    const stored = bytes.subarray(0, this.checksumSize);
    if (!this.checksum(bytes.subarray(32)).subarray(0, this.checksumSize).equals(stored)) {
      throw new Error(`block ${logical}: wrong checksum`);
    }
    if (quantity(bytes, 48) !== logical) throw new Error(`block ${logical}: says it is ${quantity(bytes, 48)}`);
    const level = bytes.readUInt8(100);
    if (level > MAX_LEVEL) throw new Error(`block ${logical}: level ${level}`);
    const owner = BigInt.asIntN(64, bytes.readBigUInt64LE(88));
    return { logical, bytes, owner, generation: bytes.readBigUInt64LE(80), level, items: readItems(bytes, level) };
  }

  /** Writes a changed block, with its checksum renewed, to every copy. */
  writeBlock({ logical, bytes }: Pick<RawBlock, 'logical' | 'bytes'>): void {
    this.checksum(bytes.subarray(32)).copy(bytes);
    for (const physical of this.physicalOf(logical, bytes.length)) writeSync(this.fd, bytes, 0, bytes.length, physical);
  }

  /** Applies a change to every copy of the superblock, each with its own checksum. */
  changeSuperblocks(change: (superblock: Buffer) => void): void {
    const { size } = fstatSync(this.fd);
    for (const offset of SUPER_OFFSETS) {
      if (offset + SUPER_BYTES > size) continue;
      const bytes = this.readPhysical(offset, SUPER_BYTES);
      if (bytes.toString('latin1', 64, 72) !== MAGIC) continue;
      change(bytes);
      this.checksum(bytes.subarray(32)).copy(bytes);
      writeSync(this.fd, bytes, 0, bytes.length, offset);
    }
  }

  readLogical(logical: number, length: number): Buffer {
    return this.readPhysical(this.physicalOf(logical, length)[0] ?? 0, length);
  }

  private readPhysical(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    if (readSync(this.fd, bytes, 0, length, offset) !== length) throw new Error(`image ends before ${offset + length}`);
    return bytes;
  }

  private physicalOf(logical: number, length: number): number[] {
    const chunk = this.chunks.find((each) => logical >= each.logical && logical + length <= each.logical + each.length);
    if (chunk === undefined) throw new Error(`logical ${logical}+${length} lies in no chunk`);
    return chunk.stripes.map((start) => start + logical - chunk.logical);
  }

  private readSystemChunks(): void {
    const end = 811 + this.superblock.readUInt32LE(160);
    for (let at = 811; at < end; ) {
      const logical = Number(readKey(this.superblock, at).offset);
      this.addChunk(logical, this.superblock, at + 17);
      at += 17 + 48 + 32 * this.superblock.readUInt16LE(at + 17 + 44);
    }
  }

  private addChunk(logical: number, bytes: Buffer, at: number): void {
    const striped = bytes.readBigUInt64LE(at + 24) & 0x1d8n;
    if (striped !== 0n) throw new Error(`chunk ${logical}: RAID profile`);
    const stripes = Array.from({ length: bytes.readUInt16LE(at + 44) }, (_, index) =>
      quantity(bytes, at + 48 + index * 32 + 8),
    );
    this.chunks.push({ logical, length: quantity(bytes, at), stripes });
  }
}

function readItems(bytes: Buffer, level: number): RawItem[] {
  if (level > 0) return [];
  return Array.from({ length: bytes.readUInt32LE(96) }, (_, slot) => {
    const header = HEADER_BYTES + slot * ITEM_BYTES;
    const at = HEADER_BYTES + bytes.readUInt32LE(header + 17);
    return { ...readKey(bytes, header), at, size: bytes.readUInt32LE(header + 21) };
  });
}

/** A leaf's bytes with every item's data replaced by what `change` makes of it, packed from the end anew. */
export function repackLeaf(block: RawBlock, change: (item: RawItem, data: Buffer) => Buffer): Buffer {
  const packed = Buffer.alloc(block.bytes.length);
  block.bytes.copy(packed, 0, 0, HEADER_BYTES + block.items.length * ITEM_BYTES);
  let end = block.bytes.length;
  block.items.forEach((item, slot) => {
    const data = change(item, Buffer.from(block.bytes.subarray(item.at, item.at + item.size)));
    end -= data.length;
    data.copy(packed, end);
    packed.writeUInt32LE(end - HEADER_BYTES, HEADER_BYTES + slot * ITEM_BYTES + 17);
    packed.writeUInt32LE(data.length, HEADER_BYTES + slot * ITEM_BYTES + 21);
  });
  return packed;
}
