/** Volumes whose extents carry contexts in the form of the kernel series of 2023 to 2024 are only read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDevice } from '../../../src/device/index.js';
import { COMPAT_CONTEXT_TRAILING, EXTENT_DATA_KEY, Key } from '../../../src/format/index.js';
import { makeVolume } from '../../../src/mkfs/index.js';
import { bytes, OWNER, testKey, testPolicy } from '../../support/new-volume.js';
import { openFilesystem } from '../../support/open-filesystem.js';

const KEY = testKey(9);

/** Gives the file's extent item, 97 bytes in layout `trailing`, the shape of the form between: 91 bytes. */
function shorten(item: Uint8Array): Uint8Array {
  const [fixed, context] = [item.subarray(0, 53), item.subarray(57)];
  const size = Uint8Array.of(34, 0, 0, 0);
  return Buffer.concat([fixed, size, Buffer.from([1, context[1] ?? 0]), context.subarray(8, 40)]);
}

test('a volume of the form between is opened for reading only', () => {
  const device = new MemoryDevice(128 * 2 ** 20);
  makeVolume(device, { extentContext: 'trailing' });
  const { filesystem, transaction, volume } = openFilesystem(device, { keys: [KEY] });
  const directory = filesystem.mkdir(filesystem.root(), bytes('d'), 0o755, OWNER);
  filesystem.setPolicy(directory, testPolicy(filesystem.keyring, KEY));
  const file = filesystem.create(directory, bytes('f'), 0o644, OWNER);
  file.data.write(0, bytes('some contents'));
  filesystem.commit();
  const key = new Key(file.ino, EXTENT_DATA_KEY, 0);
  filesystem.change(1, () => {
    const item = file.subvolume.tree.get(key)?.bytes();
    assert.equal(item?.length, 97);
    file.subvolume.tree.replace(key, shorten(item));
    volume.superblock.compatFlags &= ~COMPAT_CONTEXT_TRAILING;
  });
  transaction.commit();

  const again = openFilesystem(device, { keys: [KEY] });
  const found = again.filesystem.lookup(again.filesystem.root(), bytes('d'));
  assert.throws(() => again.filesystem.create(found, bytes('new'), 0o644, OWNER), { code: 'EROFS' });
  assert.match(again.transaction.readOnlyReasons.join(), /2023 to 2024/);
});
