/** Subvolumes as entries: crossing into them, moving them, and what a snapshot shows of nested ones. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSnapshot, createSubvolume } from '../../../src/filesystem/index.js';
import { requireAbility } from '../../support/abilities.js';
import { assertSound } from '../../support/btrfs-check.js';
import { copyWithoutMarks } from '../../support/clear-marks.js';
import { bytes, namesIn, newVolume, OWNER, openVolume, testKey, testPolicy } from '../../support/new-volume.js';

const judged = requireAbility('btrfs-progs');

describe('subvolumes in directories', judged, () => {
  it('moves them between directories and subvolumes, but never below themselves', () => {
    const { filesystem, root, close, path } = newVolume();
    const directory = filesystem.mkdir(root, bytes('d'), 0o755, OWNER);
    const one = createSubvolume(root, bytes('one'), OWNER);
    const two = createSubvolume(root, bytes('two'), OWNER);
    filesystem.create(one, bytes('file'), 0o644, OWNER);
    assert.equal(filesystem.parent(one), root);
    filesystem.rename(root, bytes('one'), directory, bytes('moved'));
    assert.equal(filesystem.parent(one), directory);
    filesystem.rename(directory, bytes('moved'), two, bytes('inside'));
    assert.equal(filesystem.parent(one), two);
    assert.equal(filesystem.lookup(two, bytes('inside')), one);
    assert.throws(() => filesystem.rename(root, bytes('two'), one, bytes('x')), { code: 'EINVAL' });
    assert.throws(() => filesystem.rename(one, bytes('file'), root, bytes('x')), { code: 'EXDEV' });
    assert.throws(() => filesystem.link(filesystem.lookup(one, bytes('file')), root, bytes('x')), { code: 'EXDEV' });
    const three = createSubvolume(directory, bytes('three'), OWNER);
    filesystem.rename(two, bytes('inside'), directory, bytes('three'), 'exchange');
    assert.deepEqual([filesystem.parent(one), filesystem.parent(three)], [directory, two]);
    close();
    assertSound(path);
    const again = openVolume(path);
    const found = again.filesystem.lookup(again.filesystem.lookup(again.root, bytes('d')), bytes('three'));
    assert.deepEqual(namesIn(again.filesystem, found), ['file']);
    again.close();
  });

  it('shows a nested subvolume in a snapshot as an empty directory, which rmdir removes', () => {
    const { filesystem, root, close, path } = newVolume();
    const outer = createSubvolume(root, bytes('outer'), OWNER);
    filesystem.create(createSubvolume(outer, bytes('nested'), OWNER), bytes('file'), 0o644, OWNER);
    const snapshot = createSnapshot(outer.subvolume, root, bytes('snapshot'), false);
    const placeholder = filesystem.lookup(snapshot, bytes('nested'));
    assert.deepEqual([placeholder.ino, namesIn(filesystem, placeholder)], [2, []]);
    assert.equal(filesystem.parent(placeholder), snapshot);
    assert.throws(() => filesystem.create(placeholder, bytes('x'), 0o644, OWNER), { code: 'EPERM' });
    assert.throws(() => filesystem.rename(snapshot, bytes('nested'), root, bytes('x')), { code: 'ENOTEMPTY' });
    filesystem.rmdir(snapshot, bytes('nested'));
    assert.deepEqual(namesIn(filesystem, snapshot), []);
    assert.deepEqual(namesIn(filesystem, filesystem.lookup(outer, bytes('nested'))), ['file']);
    const readOnly = createSnapshot(outer.subvolume, root, bytes('read-only'), true);
    assert.throws(() => filesystem.rmdir(readOnly, bytes('nested')), { code: 'EROFS' });
    close();
    assertSound(path);
  });

  it('removes an empty one by rmdir', () => {
    const { filesystem, root, close, path } = newVolume();
    const subvolume = createSubvolume(root, bytes('s'), OWNER);
    filesystem.mkdir(subvolume, bytes('d'), 0o755, OWNER);
    assert.throws(() => filesystem.rmdir(root, bytes('s')), { code: 'ENOTEMPTY' });
    filesystem.rmdir(subvolume, bytes('d'));
    filesystem.rmdir(root, bytes('s'));
    assert.deepEqual(namesIn(filesystem, root), []);
    close();
    assertSound(path);
  });

  it('encrypts one made in an encrypted directory, and names it in ciphertext', () => {
    const { filesystem, root, close, path, keyring } = newVolume({ extentContext: 'item' });
    const secret = filesystem.mkdir(root, bytes('secret'), 0o755, OWNER);
    filesystem.setPolicy(secret, testPolicy(keyring, testKey(1)));
    const plain = createSubvolume(root, bytes('plain'), OWNER);
    const inside = createSubvolume(secret, bytes('inside'), OWNER);
    filesystem.create(inside, bytes('file'), 0o644, OWNER);
    createSnapshot(plain.subvolume, secret, bytes('snapshot'), true);
    assert.equal(inside.encrypted, true);
    assert.throws(() => filesystem.rename(root, bytes('plain'), secret, bytes('plain')), { code: 'EXDEV' });
    filesystem.rename(secret, bytes('inside'), secret, bytes('renamed'));
    close();
    assertSound(copyWithoutMarks(path));
    const without = openVolume(path, [], true);
    const found = without.filesystem.lookup(without.root, bytes('secret'));
    for (const name of namesIn(without.filesystem, found)) {
      assert.throws(() => without.filesystem.lookup(found, bytes(name)), { code: 'ENOKEY' });
    }
    const again = openVolume(path, [testKey(1)], true);
    const names = namesIn(again.filesystem, again.filesystem.lookup(again.root, bytes('secret')));
    assert.deepEqual(names, ['snapshot', 'renamed']);
  });
});
