/**
 * Reads a file's bytes as the disk has them: through extents, checksums, decryption, decompression.
 *
 * Works on whole sectors; what is not yet on disk, and where the file ends, is for FileData.
 */
import { corrupt, equalBytes, FsError } from '../../bytes/index.js';
import { decompress } from '../../compression/index.js';
import type { ContentsCipher } from '../../crypto/index.js';
import {
  COMPRESS_NONE,
  FILE_EXTENT,
  INODE_CONTEXT_SIZE,
  INODE_NODATASUM,
  MAX_COMPRESSED_EXTENT,
} from '../../format/index.js';
import type { Inode } from '../inode.js';
import { contextItemBytes, findContext } from './context-recovery.js';
import { checkContext, hasContextItem, isCiphertext } from './extent-contexts.js';
import { type ExtentList, extentDataKey, extentsFrom, holdsData, isInline, type PlacedExtent } from './file-extents.js';

/** Bytes asked of the volume at once. */
const READ_SIZE = 1024 * 1024;

export class ExtentReader {
  private readonly inode: Inode;
  private readonly list: ExtentList;
  /** The last compressed extent read, whole. */
  private decompressed: { key: string; bytes: Uint8Array } | undefined;

  constructor(inode: Inode, list: ExtentList) {
    this.inode = inode;
    this.list = list;
  }

  /** Drops what was decrypted or decompressed before. */
  forget(): void {
    this.decompressed = undefined;
  }

  /**
   * Fills `into` with file bytes from `offset` on, both sector multiples; zeros where nothing is mapped.
   *
   * @throws FsError EIO (no good copy), EUCLEAN, ENOKEY
   */
  read(offset: number, into: Uint8Array): void {
    const end = offset + into.length;
    let position = offset;
    for (const placed of extentsFrom(this.list, offset)) {
      if (placed.start >= end) break;
      const from = Math.max(position, placed.start);
      const to = Math.min(placed.end, end);
      if (to <= from) continue;
      into.fill(0, position - offset, from - offset);
      this.readExtent(placed, from, into.subarray(from - offset, to - offset));
      position = to;
    }
    into.fill(0, position - offset);
  }

  private readExtent(placed: PlacedExtent, from: number, into: Uint8Array): void {
    const { extent, start } = placed;
    if (!holdsData(extent)) {
      // Not needed to read zeros, but a preallocated extent without its context is to be reported like any other.
      if (hasContextItem(placed)) contextItemBytes(this.inode, placed);
      into.fill(0);
    } else if (isInline(extent)) {
      copyWindow(this.inlineBytes(placed), from, into);
    } else if (extent.compression !== COMPRESS_NONE) {
      copyWindow(this.decompressedExtent(placed), from - start + extent.offset, into);
    } else {
      this.readInPieces(placed, from - start + extent.offset, into);
    }
  }

  private readInPieces(placed: PlacedExtent, at: number, into: Uint8Array): void {
    const cipher = this.cipherOf(placed);
    for (let done = 0; done < into.length; done += READ_SIZE) {
      this.readSectors(placed, at + done, into.subarray(done, done + READ_SIZE), cipher);
    }
  }

  /**
   * Reads sectors of one extent as plain bytes.
   *
   * @param at - byte in the extent on disk
   */
  private readSectors(
    { extent }: PlacedExtent,
    at: number,
    into: Uint8Array,
    cipher: ContentsCipher | undefined,
  ): void {
    const { transaction } = this.inode.filesystem;
    const { volume } = transaction;
    const { sectorsize } = this.list;
    const bytenr = extent.diskBytenr + at;
    if (at + into.length > extent.diskNumBytes) {
      throw corrupt(this.inode.describe(), `a file extent reaches past its ${extent.diskNumBytes} bytes on disk`);
    }
    const sums = this.hasChecksums ? transaction.findChecksums(bytenr, into.length / sectorsize) : [];
    if (this.hasChecksums && sums.includes(undefined)) {
      throw new FsError('EIO', `${this.inode.describe()}: data at ${bytenr} has no checksum`);
    }
    const firstUnit = at / sectorsize;
    if (cipher !== undefined && extent.context?.length === INODE_CONTEXT_SIZE) {
      this.readPlainlySummed(bytenr, into, sums, (sector, index) => cipher.decrypt(firstUnit + index, sector, sector));
    } else {
      volume.readDataVerified(bytenr, into, sums);
      cipher?.decrypt(firstUnit, into, into);
    }
  }

  /** Layout `trailing` sums up the plaintext, so decryption comes before the verdict. */
  private readPlainlySummed(
    bytenr: number,
    into: Uint8Array,
    sums: readonly (Uint8Array | undefined)[],
    decrypt: (sector: Uint8Array, index: number) => void,
  ): void {
    const { volume } = this.inode.filesystem.transaction;
    const digest = new Uint8Array(volume.checksum.size);
    volume.readDataJudged(bytenr, into, (sector, index) => {
      decrypt(sector, index);
      const wanted = sums[index];
      if (wanted === undefined) return true;
      volume.checksum.digestInto(sector, digest, 0);
      return equalBytes(digest, wanted);
    });
  }

  private cipherOf(placed: PlacedExtent): ContentsCipher | undefined {
    const { inode } = this;
    if (!isCiphertext(inode, placed)) return undefined;
    const context = findContext(inode, placed);
    checkContext(inode, placed.start, context);
    return inode.keys.contentsCipher(context);
  }

  private decompressedExtent(placed: PlacedExtent): Uint8Array {
    const { extent } = placed;
    const { diskBytenr, diskNumBytes, ramBytes, compression } = extent;
    const key = `${diskBytenr}+${diskNumBytes}`;
    if (this.decompressed?.key === key) return this.decompressed.bytes;
    if (diskNumBytes > MAX_COMPRESSED_EXTENT || ramBytes > MAX_COMPRESSED_EXTENT) {
      throw corrupt(this.inode.describe(), `a compressed extent of ${diskNumBytes} bytes for ${ramBytes} is too large`);
    }
    const packed = new Uint8Array(diskNumBytes);
    this.readSectors(placed, 0, packed, this.cipherOf(placed));
    const bytes = decompress(compression, packed, ramBytes, this.list.sectorsize, false);
    this.decompressed = { key, bytes };
    return bytes;
  }

  private inlineBytes({ start, extent }: PlacedExtent): Uint8Array {
    const { inode, list } = this;
    if (inode.encrypted) throw corrupt(inode.describe(), 'an encrypted file has an inline extent');
    const cursor = list.tree.get(extentDataKey(list.ino, start));
    if (cursor === undefined) throw corrupt(inode.describe(), 'its inline extent is gone');
    const stored = cursor.bytes().subarray(FILE_EXTENT.inlineData);
    if (extent.compression === COMPRESS_NONE) return stored;
    return decompress(extent.compression, stored, extent.ramBytes, list.sectorsize, true);
  }

  private get hasChecksums(): boolean {
    return (this.inode.item.flags & INODE_NODATASUM) === 0n;
  }
}

/** Copies from `bytes` at `at` on; zeros where `bytes` has ended. */
function copyWindow(bytes: Uint8Array, at: number, into: Uint8Array): void {
  const window = bytes.subarray(at, at + into.length);
  into.set(window);
  into.fill(0, window.length);
}
