/**
 * What must be true of the extents of every file after every commit: an audit of trees as the
 * filesystem itself reads them.
 *
 * - Items do not overlap, an inline one is alone, and `nbytes` is the sum of what they take.
 * - Without `no-holes` no gap is left below the end of the file.
 * - In layout `item` contexts and encrypted items stand at the same offsets; one extent on disk has
 *   one nonce, and one nonce one extent.
 */
import assert from 'node:assert/strict';
import { toHex } from '../../src/bytes/index.js';
import type { Filesystem, Inode } from '../../src/filesystem/index.js';
import {
  decodeFileExtent,
  EXTENT_DATA_KEY,
  FILE_EXTENT_INLINE,
  FILE_EXTENT_PREALLOC,
  FSCRYPT_CTX_KEY,
  INCOMPAT_NO_HOLES,
  Key,
} from '../../src/format/index.js';

const NONCE_SIZE = 16;

/** Audits some files of one filesystem, with nothing dirty. */
export function auditExtents(filesystem: Filesystem, files: Iterable<Inode>): void {
  const nonces = new Map<string, number>();
  const extents = new Map<number, string>();
  for (const inode of files) {
    for (const { diskBytenr, nonce } of auditFile(filesystem, inode)) {
      const text = toHex(nonce);
      assert.equal(nonces.get(text) ?? diskBytenr, diskBytenr, `${inode.describe()}: one nonce, one extent on disk`);
      assert.equal(extents.get(diskBytenr) ?? text, text, `${inode.describe()}: one extent on disk, one nonce`);
      nonces.set(text, diskBytenr);
      extents.set(diskBytenr, text);
    }
  }
}

function auditFile(filesystem: Filesystem, inode: Inode): { diskBytenr: number; nonce: Uint8Array }[] {
  const { tree } = inode.subvolume;
  const { superblock, sectorsize } = filesystem.transaction.volume;
  const contexts = contextsOf(inode);
  const uses: { diskBytenr: number; nonce: Uint8Array }[] = [];
  let covered = 0;
  let nbytes = 0;
  let gap = Number.POSITIVE_INFINITY;
  const cursor = tree.seek(new Key(inode.ino, EXTENT_DATA_KEY, 0));
  for (; cursor.isItemOf(inode.ino, EXTENT_DATA_KEY); cursor.next()) {
    const start = cursor.keyOffset;
    const extent = decodeFileExtent(cursor.view, cursor.at, cursor.size);
    const where = `${inode.describe()}, extent at ${start}`;
    assert.ok(start >= covered, `${where} overlaps the one before`);
    if (start > covered) gap = Math.min(gap, covered);
    const isInline = extent.type === FILE_EXTENT_INLINE;
    covered = start + (isInline ? sectorsize : extent.numBytes);
    if (isInline) assert.ok(!hasExtentAfter(inode, start), `${where} is inline and not alone`);
    if (isInline) nbytes += extent.ramBytes;
    else if (extent.diskBytenr !== 0) nbytes += extent.numBytes;
    if (isInline || extent.diskBytenr === 0) {
      assert.ok(!contexts.delete(start), `${where}: a context beside something without ciphertext`);
      continue;
    }
    if (extent.context !== undefined) {
      uses.push({ diskBytenr: extent.diskBytenr, nonce: extent.context.subarray(-NONCE_SIZE) });
    } else if (filesystem.layout === 'item' && inode.encrypted) {
      const context = contexts.get(start);
      assert.ok(context !== undefined, `${where}: context missing`);
      uses.push({ diskBytenr: extent.diskBytenr, nonce: context.subarray(-NONCE_SIZE) });
      contexts.delete(start);
    } else if (inode.encrypted) {
      assert.equal(extent.type, FILE_EXTENT_PREALLOC, `${where} is not encrypted`);
    }
  }
  assert.deepEqual([...contexts.keys()], [], `${inode.describe()}: stale contexts`);
  assert.equal(inode.item.nbytes, nbytes, `${inode.describe()}: nbytes`);
  if ((superblock.incompatFlags & INCOMPAT_NO_HOLES) === 0n) {
    assert.ok(Math.min(gap, covered) >= inode.item.size, `${inode.describe()}: gap at ${Math.min(gap, covered)}`);
  }
  return uses;
}

function hasExtentAfter({ subvolume: { tree }, ino }: Inode, start: number): boolean {
  return tree.seek(new Key(ino, EXTENT_DATA_KEY, start + 1)).isItemOf(ino, EXTENT_DATA_KEY);
}

function contextsOf(inode: Inode): Map<number, Uint8Array> {
  const contexts = new Map<number, Uint8Array>();
  const cursor = inode.subvolume.tree.seek(new Key(inode.ino, FSCRYPT_CTX_KEY, 0));
  for (; cursor.isItemOf(inode.ino, FSCRYPT_CTX_KEY); cursor.next()) contexts.set(cursor.keyOffset, cursor.bytes());
  return contexts;
}
