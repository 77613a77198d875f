/** A deletion that damage keeps from being finished does not keep the volume from being read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSubvolume, Filesystem } from '../../../src/filesystem/index.js';
import { Key, ORPHAN_ITEM_KEY, ORPHAN_OBJECTID } from '../../../src/format/index.js';
import { Keyring } from '../../../src/fscrypt/index.js';
import { Transaction } from '../../../src/transaction/index.js';
import { openVolumeDevices } from '../../../src/volume/index.js';
import { newDevice, newFile, openFilesystem } from '../../support/new-filesystem.js';

test('a subvolume whose drop progress leads nowhere is reported and stays', () => {
  const device = newDevice();
  const first = openFilesystem(device);
  newFile(first, first.root(), 'kept').data.write(0, Buffer.alloc(100_000, 1));
  const { tree } = createSubvolume(first.root(), Buffer.from('s'), { uid: 0, gid: 0 }).subvolume;
  first.change(2, () => {
    Object.assign(tree.rootItem, { refs: 0, dropLevel: 5, dropProgress: new Key(256, 1, 0) });
    tree.rootItemChanged = true;
    first.transaction.rootTree.insert(new Key(ORPHAN_OBJECTID, ORPHAN_ITEM_KEY, tree.id), new Uint8Array(0));
  });
  first.close();

  const warnings: string[] = [];
  const volume = openVolumeDevices(device, { warn: (message) => warnings.push(message) });
  const again = Filesystem.open(new Transaction(volume), { keyring: new Keyring() });
  assert.match(warnings.join('\n'), /deleted subvolumes .*drop progress leads nowhere/);
  assert.equal(again.transaction.writable, false, 'a deletion that stopped half-way is not committed');
  assert.equal(again.lookup(again.root(), Buffer.from('kept')).item.size, 100_000);
});
