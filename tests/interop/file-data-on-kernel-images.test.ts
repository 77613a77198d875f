/**
 * Kernel-made encrypted volumes take our writes: every file is changed in the middle, punched, cut
 * and lengthened, compared with plain bytes, and the volume judged afterwards.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { equalBytes } from '../../src/bytes/index.js';
import { FileDevice } from '../../src/device/index.js';
import { cloneRange, type Filesystem, type Inode } from '../../src/filesystem/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { auditEncryption } from '../support/encryption-audit.js';
import { copyOfImage, type ManifestName, manifestKeys, readManifest } from '../support/images.js';
import { openFilesystem } from '../support/new-filesystem.js';

const SECTOR = 4096;
const LARGEST = 1024 * 1024;
const IMAGES: readonly ManifestName[] = [
  'basic',
  'snap',
  'stress3',
  'compress',
  'csum-xxhash',
  'v6damaged',
  't-snap',
  't-compress',
];

function contents(inode: Inode): Uint8Array {
  const into = new Uint8Array(inode.item.size);
  assert.equal(inode.data.read(0, into), into.length);
  return into;
}

function writableFiles(filesystem: Filesystem, name: ManifestName): Inode[] {
  const files = new Set<Inode>();
  for (const { root, ino, type, size, sha256 } of readManifest(name).with_key) {
    if (type !== 'file' || root === undefined || ino === undefined || sha256 === undefined) continue;
    const inode = filesystem.inode(root, ino);
    if (!inode.subvolume.readOnly && (size ?? 0) <= LARGEST) files.add(filesystem.openInode(inode));
  }
  return [...files];
}

/** Changes a file in all ways. @returns what it holds now */
function change(inode: Inode, fill: number): Uint8Array {
  const before = contents(inode);
  const { length } = before;
  const written = new Uint8Array(5000).fill(fill);
  const at = Math.floor(length / 3);
  inode.data.write(at, written);
  const bytes = new Uint8Array(Math.max(length, at + written.length));
  bytes.set(before);
  bytes.set(written, at);

  const hole = Math.floor(bytes.length / 2);
  inode.data.punchHole(hole, 3 * SECTOR);
  bytes.fill(0, hole, hole + 3 * SECTOR);

  const cut = bytes.length - Math.min(777, bytes.length);
  inode.data.truncate(cut);
  inode.data.truncate(cut + 2 * SECTOR);
  const result = new Uint8Array(cut + 2 * SECTOR);
  result.set(bytes.subarray(0, cut));
  if (result.length < 4 * SECTOR) return result;
  cloneRange(inode, 0, SECTOR, inode, 3 * SECTOR);
  result.copyWithin(3 * SECTOR, 0, SECTOR);
  return result;
}

describe('kernel-made encrypted volumes take writes', () => {
  for (const name of IMAGES) {
    it(name, requireAbility('btrfs-progs'), () => {
      const path = copyOfImage(name);
      const keys = manifestKeys(readManifest(name));
      const device = FileDevice.open(path, { readOnly: false });
      const filesystem = openFilesystem(device, keys);
      const files = writableFiles(filesystem, name);
      assert.ok(files.length > 0);
      const wanted = files.map((inode, i) => ({ inode, bytes: change(inode, i) }));
      filesystem.commit();
      const reopened = openFilesystem(device, keys);
      for (const { inode, bytes } of wanted) {
        const found = contents(reopened.inode(inode.subvolume.id, inode.ino));
        assert.ok(equalBytes(found, bytes), `${inode.describe()} differs`);
      }
      device.close();
      if (name !== 'v6damaged') assert.deepEqual(auditEncryption(path), []);
      assertSound(copyWithoutMarks(path));
    });
  }
});
