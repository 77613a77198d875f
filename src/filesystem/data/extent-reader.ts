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
import type { ExtentContext } from '../../fscrypt/index.js';
import type { Inode } from '../inode.js';
import { contextItemBytes, findContext } from './context-recovery.js';
import { checkContext, hasContextItem, isCiphertext } from './extent-contexts.js';
import { type ExtentList, extentDataKey, extentsFrom, holdsData, isInline, type PlacedExtent } from './file-extents.js';

/** Bytes asked of the volume at once. */
const READ_SIZE = 1024 * 1024;

/** Extents of a file that are remembered with their contexts. */
const MAX_LOCATED = 32;

/** Of extents up to this many bytes all checksums are kept once a second read asks for some. */
const MAX_SUMMED = 32 * 1024 * 1024;

/** An extent that was read from, with what was needed for that. */
interface Located {
  readonly placed: PlacedExtent;
  context: ExtentContext | undefined;
  /** Of the part that is mapped, a checksum for each sector. */
  sums: Uint8Array | undefined;
  reads: number;
}

export class ExtentReader {
  private readonly inode: Inode;
  private readonly list: ExtentList;
  private readonly located: Located[] = [];
  private nextLocated = 0;
  /** The last compressed extent read, whole. */
  private decompressed: { key: string; bytes: Uint8Array } | undefined;

  constructor(inode: Inode, list: ExtentList) {
    this.inode = inode;
    this.list = list;
  }

  /** Drops what was decrypted or decompressed before, and where it was. */
  forget(): void {
    this.decompressed = undefined;
    this.located.length = 0;
    this.nextLocated = 0;
  }

  /**
   * Fills `into` with file bytes from `offset` on, both sector multiples; zeros where nothing is mapped.
   *
   * @throws FsError EIO (no good copy), EUCLEAN, ENOKEY
   */
  read(offset: number, into: Uint8Array): void {
    const end = offset + into.length;
    const known = this.located.find(({ placed }) => placed.start <= offset && end <= placed.end);
    if (known !== undefined) {
      this.readExtent(known, offset, into);
      return;
    }
    let position = offset;
    for (const placed of extentsFrom(this.list, offset)) {
      if (placed.start >= end) break;
      const from = Math.max(position, placed.start);
      const to = Math.min(placed.end, end);
      if (to <= from) continue;
      into.fill(0, position - offset, from - offset);
      this.readExtent(this.remember(placed), from, into.subarray(from - offset, to - offset));
      position = to;
    }
    into.fill(0, position - offset);
  }

  private remember(placed: PlacedExtent): Located {
    const located = { placed, context: undefined, sums: undefined, reads: 0 };
    this.located[this.nextLocated] = located;
    this.nextLocated = (this.nextLocated + 1) % MAX_LOCATED;
    return located;
  }

  private readExtent(located: Located, from: number, into: Uint8Array): void {
    const { placed } = located;
    const { extent, start } = placed;
    if (!holdsData(extent)) {
      // Not needed to read zeros, but a preallocated extent without its context is to be reported like any other.
      if (hasContextItem(placed)) contextItemBytes(this.inode, placed);
      into.fill(0);
    } else if (isInline(extent)) {
      copyWindow(this.inlineBytes(placed), from, into);
    } else if (extent.compression !== COMPRESS_NONE) {
      copyWindow(this.decompressedExtent(located), from - start + extent.offset, into);
    } else {
      this.readInPieces(located, from - start + extent.offset, into);
    }
  }

  private readInPieces(located: Located, at: number, into: Uint8Array): void {
    const cipher = this.cipherOf(located);
    if (into.length <= READ_SIZE) {
      this.readSectors(located, at, into, cipher);
      return;
    }
    for (let done = 0; done < into.length; done += READ_SIZE) {
      this.readSectors(located, at + done, into.subarray(done, done + READ_SIZE), cipher);
    }
  }

  /**
   * Reads sectors of one extent as plain bytes.
   *
   * @param at - byte in the extent on disk
   */
  private readSectors(located: Located, at: number, into: Uint8Array, cipher: ContentsCipher | undefined): void {
    const { extent } = located.placed;
    const { volume } = this.inode.filesystem.transaction;
    const { sectorsize } = this.list;
    const bytenr = extent.diskBytenr + at;
    if (at + into.length > extent.diskNumBytes) {
      throw corrupt(this.inode.describe(), `a file extent reaches past its ${extent.diskNumBytes} bytes on disk`);
    }
    const sums = this.hasChecksums ? this.checksumsIn(located, at, into.length) : undefined;
    const firstUnit = at / sectorsize;
    if (cipher !== undefined && extent.context?.length === INODE_CONTEXT_SIZE) {
      this.readPlainlySummed(bytenr, into, sums, (sector, index) => cipher.decrypt(firstUnit + index, sector, sector));
      return;
    }
    if (sums === undefined) volume.readDataJudged(bytenr, into, () => true);
    else volume.readDataVerified(bytenr, into, sums);
    cipher?.decrypt(firstUnit, into, into);
  }

  private checksumsIn(located: Located, at: number, length: number): Uint8Array {
    const { extent } = located.placed;
    const { transaction } = this.inode.filesystem;
    located.reads += 1;
    if (located.reads === 2 && extent.numBytes <= MAX_SUMMED) {
      located.sums = transaction.checksumsOf(extent.diskBytenr + extent.offset, extent.numBytes);
    }
    const from = at - extent.offset;
    if (located.sums !== undefined && from >= 0 && from + length <= extent.numBytes) {
      const { size } = transaction.volume.checksum;
      const { sectorsize } = this.list;
      return located.sums.subarray((from / sectorsize) * size, ((from + length) / sectorsize) * size);
    }
    const sums = transaction.checksumsOf(extent.diskBytenr + at, length);
    if (sums !== undefined) return sums;
    throw new FsError('EIO', `${this.inode.describe()}: data at ${extent.diskBytenr + at} has no checksum`);
  }

  /** Layout `trailing` sums up the plaintext, so decryption comes before the verdict. */
  private readPlainlySummed(
    bytenr: number,
    into: Uint8Array,
    sums: Uint8Array | undefined,
    decrypt: (sector: Uint8Array, index: number) => void,
  ): void {
    const { volume } = this.inode.filesystem.transaction;
    const { size } = volume.checksum;
    const digest = new Uint8Array(size);
    volume.readDataJudged(bytenr, into, (sector, index) => {
      decrypt(sector, index);
      if (sums === undefined) return true;
      volume.checksum.digestInto(sector, digest, 0);
      return equalBytes(digest, sums.subarray(index * size, (index + 1) * size));
    });
  }

  private cipherOf(located: Located): ContentsCipher | undefined {
    const { inode } = this;
    const { placed } = located;
    if (located.context === undefined) {
      if (!isCiphertext(inode, placed)) return undefined;
      const context = findContext(inode, placed);
      checkContext(inode, placed.start, context);
      located.context = context;
    }
    return inode.keys.contentsCipher(located.context);
  }

  private decompressedExtent(located: Located): Uint8Array {
    const { placed } = located;
    const { extent } = placed;
    const { diskBytenr, diskNumBytes, ramBytes, compression } = extent;
    const key = `${diskBytenr}+${diskNumBytes}`;
    if (this.decompressed?.key === key) return this.decompressed.bytes;
    if (diskNumBytes > MAX_COMPRESSED_EXTENT || ramBytes > MAX_COMPRESSED_EXTENT) {
      throw corrupt(this.inode.describe(), `a compressed extent of ${diskNumBytes} bytes for ${ramBytes} is too large`);
    }
    const packed = new Uint8Array(diskNumBytes);
    this.readSectors(located, 0, packed, this.cipherOf(located));
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
