/** What becomes of written data on disk: inline or not, holes, limits, keys, space. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFsError } from '../../../src/bytes/index.js';
import { cloneRange, type Filesystem, type Inode } from '../../../src/filesystem/index.js';
import { INODE_NODATASUM } from '../../../src/format/index.js';
import { auditExtents } from '../../support/extent-audit.js';
import {
  newDevice,
  newDirectory,
  newFile,
  openFilesystem,
  TEST_KEY,
  type TestVolumeOptions,
} from '../../support/new-filesystem.js';

const MIB = 1024 * 1024;
const SECTOR = 4096;

function open(options: TestVolumeOptions = {}): { filesystem: Filesystem; file: Inode; directory: Inode } {
  const filesystem = openFilesystem(newDevice(options));
  const directory = newDirectory(filesystem, 'dir');
  return { filesystem, directory, file: newFile(filesystem, directory, 'file') };
}

function bytes(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7 + seed) & 0xff);
}

function contents(inode: Inode): Uint8Array {
  const into = new Uint8Array(inode.item.size);
  assert.equal(inode.data.read(0, into), into.length);
  return into;
}

function kinds(inode: Inode): string[] {
  return [...inode.data.extents()].map(({ kind }) => kind);
}

function throwsCode(code: 'ENOKEY' | 'EFBIG' | 'ENOSPC' | 'EROFS' | 'EINVAL' | 'ENXIO', work: () => unknown): void {
  assert.throws(work, (error) => isFsError(error, code));
}

describe('inline extents', () => {
  it('hold small plain files, and turn regular as the file grows', () => {
    const { filesystem, file } = open();
    file.data.write(0, bytes(2048));
    filesystem.commit();
    assert.deepEqual(kinds(file), ['inline']);
    assert.equal(file.item.nbytes, 2048);

    file.data.write(2048, bytes(1));
    filesystem.commit();
    assert.deepEqual(kinds(file), ['regular']);
    assert.equal(file.item.nbytes, SECTOR);

    file.data.truncate(100);
    filesystem.commit();
    assert.deepEqual(contents(file), bytes(100));
    auditExtents(filesystem, [file]);
  });

  it('turn regular for good where others are to stand beside them, whatever commits on the way', () => {
    const { filesystem, file, directory } = open();
    const clone = newFile(filesystem, directory, 'clone');
    const source = newFile(filesystem, directory, 'source');
    for (const small of [file, clone]) small.data.write(0, bytes(100));
    source.data.write(0, bytes(3 * SECTOR));
    filesystem.commit();
    const { transaction } = filesystem;
    const reserve = transaction.reserve.bind(transaction);
    // As on a volume that is nearly full.
    transaction.reserve = (items, options) => {
      transaction.commit();
      reserve(items, options);
    };
    file.data.preallocate(0, 4 * SECTOR, true);
    cloneRange(source, 0, 3 * SECTOR, clone, SECTOR);
    assert.deepEqual(kinds(file), ['regular', 'preallocated']);
    assert.deepEqual(kinds(clone), ['regular', 'regular']);
    auditExtents(filesystem, [file, clone, source]);
  });

  it('do not stay beside a hole or preallocated space', () => {
    const { filesystem, file } = open();
    file.data.write(0, bytes(10));
    filesystem.commit();
    file.data.truncate(3 * SECTOR);
    filesystem.commit();
    assert.deepEqual(kinds(file), ['regular']);

    file.data.truncate(10);
    file.data.preallocate(2 * SECTOR, SECTOR, true);
    file.data.write(0, bytes(5));
    filesystem.commit();
    assert.deepEqual(kinds(file), ['regular', 'preallocated']);
    assert.equal(file.item.size, 10);
    auditExtents(filesystem, [file]);
  });

  for (const layout of ['item', 'trailing'] as const) {
    it(`never hold encrypted data (${layout})`, () => {
      const { filesystem, file } = open({ layout });
      file.data.write(0, bytes(1));
      filesystem.commit();
      const [extent] = file.data.extents();
      assert.equal(extent?.kind, 'regular');
      assert.equal(extent.isEncrypted, true);
      assert.equal(extent.nonce?.length, 16);
    });
  }
});

describe('extents', () => {
  it('are as large as the dirty run, with one nonce', () => {
    const { filesystem, file } = open({ layout: 'item' });
    for (let offset = 0; offset < 8 * MIB; offset += 64 * 1024) file.data.write(offset, bytes(64 * 1024, offset));
    filesystem.commit();
    const extents = [...file.data.extents()];
    assert.equal(extents.length, 1);
    assert.equal(extents[0]?.length, 8 * MIB);
  });

  it('overwriting 4 KiB of a large one costs one new extent with a new nonce', () => {
    const { filesystem, file } = open({ layout: 'item' });
    file.data.write(0, bytes(MIB));
    filesystem.commit();
    const [whole] = file.data.extents();
    file.data.write(100 * SECTOR, bytes(SECTOR));
    filesystem.commit();
    const [front, middle, back, ...more] = file.data.extents();
    assert.equal(more.length, 0);
    assert.equal(front?.diskBytenr, whole?.diskBytenr);
    assert.equal(back?.diskBytenr, whole?.diskBytenr);
    assert.equal(back?.extentOffset, 101 * SECTOR);
    assert.deepEqual(back?.nonce, whole?.nonce);
    assert.equal(middle?.length, SECTOR);
    assert.notDeepEqual(middle?.nonce, whole?.nonce);
    auditExtents(filesystem, [file]);
  });

  it('never repeat ciphertext for equal plaintext', () => {
    const { filesystem, file } = open({ layout: 'item' });
    file.data.write(0, new Uint8Array(64 * SECTOR).fill(7));
    filesystem.commit();
    file.data.write(0, new Uint8Array(SECTOR).fill(7));
    filesystem.commit();
    const sectors = new Set<string>();
    let count = 0;
    for (const { diskBytenr, extentOffset, length } of file.data.extents()) {
      for (let at = 0; at < length; at += SECTOR) {
        const sector = new Uint8Array(SECTOR);
        filesystem.transaction.volume.readData(diskBytenr + extentOffset + at, sector);
        sectors.add(Buffer.from(sector).toString('latin1'));
        count += 1;
      }
    }
    assert.equal(count, 64);
    assert.equal(sectors.size, count);
  });

  it('have no checksums in files that want none', () => {
    const { filesystem, file } = open();
    file.item.flags |= INODE_NODATASUM;
    file.data.write(0, bytes(3 * SECTOR));
    filesystem.commit();
    const [extent] = file.data.extents();
    assert.equal(filesystem.transaction.checksumsOf(extent?.diskBytenr ?? 0, SECTOR), undefined);
    file.data.forget();
    assert.deepEqual(contents(file), bytes(3 * SECTOR));
  });

  it('go when the file is truncated, and their space with them', () => {
    const { filesystem, file } = open();
    filesystem.commit();
    const before = filesystem.transaction.space.used('data');
    for (let i = 0; i < 200; i++) file.data.write(i * 3 * SECTOR, bytes(SECTOR));
    filesystem.commit();
    assert.equal(filesystem.transaction.space.used('data') - before, 200 * SECTOR);
    file.data.truncate(0);
    filesystem.commit();
    assert.equal(filesystem.transaction.space.used('data'), before);
    assert.equal(file.item.nbytes, 0);
  });
});

describe('sizes and holes', () => {
  it('reach beyond 4 GiB', () => {
    const { filesystem, file } = open({ layout: 'item' });
    const places = [5, 2 ** 32 - 3, 2 ** 40 + 1, 2 ** 52];
    places.forEach((place, i) => {
      file.data.write(place, bytes(10, i));
    });
    filesystem.commit();
    places.forEach((place, i) => {
      const into = new Uint8Array(10);
      file.data.read(place, into);
      assert.deepEqual(into, bytes(10, i));
    });
    assert.equal(file.data.dataAfter(SECTOR), 2 ** 32 - SECTOR);
    assert.equal(file.data.holeAfter(0), SECTOR);
    throwsCode('ENXIO', () => file.data.dataAfter(file.item.size));
    throwsCode('EFBIG', () => file.data.write(2 ** 53 - 70000, bytes(SECTOR * 10)));
    auditExtents(filesystem, [file]);
  });

  it('show zeros where the disk held something behind the end', () => {
    const { filesystem, file } = open();
    file.data.write(0, bytes(2 * SECTOR));
    filesystem.commit();
    // As another writer may leave it: the size lowered, the bytes behind it still there.
    file.item.size = SECTOR + 100;
    file.data.truncate(2 * SECTOR);
    assert.ok(
      contents(file)
        .subarray(SECTOR + 100)
        .every((byte) => byte === 0),
    );
    filesystem.commit();
    assert.ok(
      contents(file)
        .subarray(SECTOR + 100)
        .every((byte) => byte === 0),
    );
    assert.deepEqual(contents(file).subarray(0, SECTOR + 100), bytes(SECTOR + 100));
  });

  it('take no empty or negative range', () => {
    const { file } = open();
    throwsCode('EINVAL', () => file.data.punchHole(0, 0));
    throwsCode('EINVAL', () => file.data.preallocate(-1, 5));
    throwsCode('EINVAL', () => file.data.write(-1, bytes(5)));
  });
});

describe('without the key', () => {
  for (const layout of ['item', 'trailing'] as const) {
    it(`nothing can be read, written or cut, but all can be dropped (${layout})`, () => {
      const device = newDevice({ layout });
      const writer = openFilesystem(device);
      const file = newFile(writer, newDirectory(writer, 'dir'), 'file');
      file.data.write(0, bytes(10_000));
      writer.commit();

      const filesystem = openFilesystem(device, []);
      const locked = filesystem.inode(file.subvolume.id, file.ino);
      throwsCode('ENOKEY', () => locked.data.read(0, new Uint8Array(10)));
      throwsCode('ENOKEY', () => locked.data.write(0, bytes(SECTOR)));
      throwsCode('ENOKEY', () => locked.data.truncate(5000));
      throwsCode('ENOKEY', () => locked.data.preallocate(0, 100_000));
      assert.equal(locked.item.size, 10_000);
      assert.equal(filesystem.transaction.reservedDataBytes, 0);
      locked.data.truncate(0);
      filesystem.commit();
      assert.equal(locked.item.nbytes, 0);
      assert.ok(filesystem.transaction.writable);
    });
  }

  it('what was decrypted before is not given out any more', () => {
    const { filesystem, file } = open({ layout: 'item' });
    file.data.write(0, bytes(SECTOR));
    filesystem.commit();
    assert.deepEqual(contents(file), bytes(SECTOR));
    const [identifier] = filesystem.keyring.identifiers();
    assert.ok(identifier !== undefined);
    filesystem.keyring.remove(identifier);
    throwsCode('ENOKEY', () => contents(file));
    filesystem.keyring.add(TEST_KEY);
    assert.deepEqual(contents(file), bytes(SECTOR));
  });
});

describe('a full volume', () => {
  it('refuses data before taking it, and works again after deleting', () => {
    const { filesystem, file, directory } = open({ size: 120 * MIB, layout: 'item' });
    filesystem.openInode(file);
    const piece = bytes(MIB);
    let size = 0;
    throwsCode('ENOSPC', () => {
      for (;;) {
        const written = file.data.write(size, piece);
        if (written === 0) throw new Error('a write of nothing');
        size += written;
      }
    });
    filesystem.commit();
    assert.ok(size > 20 * MIB, `${size} bytes were written`);
    assert.equal(file.item.size, size);
    assert.equal(filesystem.transaction.reservedDataBytes, 0);
    throwsCode('ENOSPC', () => file.data.preallocate(size, 4 * MIB));
    const tail = new Uint8Array(MIB);
    file.data.read(size - MIB, tail);
    assert.deepEqual(tail.subarray(0, 100), piece.subarray(0, 100));

    file.data.truncate(5 * MIB);
    filesystem.commit();
    const other = newFile(filesystem, directory, 'other');
    assert.equal(other.data.write(0, piece), MIB);
    filesystem.commit();
    assert.deepEqual(contents(other), piece);
    auditExtents(filesystem, [file, other]);
  });
});
