/** Attributes, extended attributes and access control lists; expected bytes are those Linux 6.18 gave on btrfs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromDiskDevice, toDiskDevice } from '../../../src/filesystem/index.js';
import { requireAbility } from '../../support/abilities.js';
import { assertSound } from '../../support/btrfs-check.js';
import { bytes, newVolume, OWNER, openVolume } from '../../support/new-volume.js';

const ACCESS = bytes('system.posix_acl_access');
const DEFAULT = bytes('system.posix_acl_default');
const NOBODY = 'ffffffff';

/** An access control list from entries of tag, permissions and id (hexadecimal, little-endian). */
function acl(...entries: [number, number, string?][]): Uint8Array {
  const hex = entries.map(([tag, permissions, id = NOBODY]) => {
    return `${tag.toString(16).padStart(2, '0')}000${permissions}00${id}`;
  });
  return Buffer.from(`02000000${hex.join('')}`, 'hex');
}

describe('attributes', requireAbility('btrfs-progs'), () => {
  it('changes modes, owners and times, and drops set-id bits with the owner', () => {
    const { filesystem, root, path, close } = newVolume();
    const file = filesystem.create(root, bytes('f'), 0o6755, OWNER);
    filesystem.setAttributes(file, { uid: 5, gid: 6 });
    filesystem.setAttributes(file, { atime: { sec: -5, nsec: 1 }, mtime: { sec: 7, nsec: 999_999_999 } });
    close();
    assertSound(path);
    const again = openVolume(path);
    const stat = again.filesystem.stat(again.filesystem.lookup(again.root, bytes('f')));
    assert.deepEqual([stat.mode, stat.uid, stat.gid], [0o100755, 5, 6]);
    assert.deepEqual(
      [stat.atime, stat.mtime],
      [
        { sec: -5, nsec: 1 },
        { sec: 7, nsec: 999_999_999 },
      ],
    );
    again.close();
  });

  it('gives the group of a set-gid directory to what is made in it', () => {
    const { filesystem, root, close } = newVolume();
    const directory = filesystem.mkdir(root, bytes('g'), 0o2755, { uid: 1, gid: 77 });
    const inner = filesystem.stat(filesystem.mkdir(directory, bytes('d'), 0o755, { uid: 1, gid: 2 }));
    const file = filesystem.stat(filesystem.create(directory, bytes('f'), 0o644, { uid: 1, gid: 2 }));
    assert.deepEqual([inner.mode, inner.gid, file.mode, file.gid], [0o042755, 77, 0o100644, 77]);
    close();
  });

  it('keeps extended attributes of any value up to a tree block', () => {
    const { filesystem, root, path, close } = newVolume();
    const file = filesystem.create(root, bytes('f'), 0o644, OWNER);
    const values: [string, Uint8Array][] = [
      ['user.empty', bytes('')],
      ['security.selinux', bytes('context\0')],
      ['trusted.x', new Uint8Array([0, 255, 1])],
      ['btrfs.compression', bytes('zstd')],
      ['user.big', new Uint8Array(16220).fill(122)],
      [`user.${'n'.repeat(250)}`, bytes('long name')],
    ];
    for (const [name, value] of values) filesystem.setXattr(file, bytes(name), value);
    filesystem.setXattr(file, bytes('user.gone'), bytes('1'));
    filesystem.removeXattr(file, bytes('user.gone'));
    filesystem.setXattr(file, bytes('user.empty'), bytes('no more'), 'replace');
    close();
    assertSound(path);
    const again = openVolume(path);
    const found = again.filesystem.lookup(again.root, bytes('f'));
    const names = again.filesystem.listXattr(found).map((name) => Buffer.from(name).toString());
    assert.deepEqual(names.sort(), values.map(([name]) => name).sort());
    assert.equal(Buffer.from(again.filesystem.getXattr(found, bytes('user.empty'))).toString(), 'no more');
    assert.equal(again.filesystem.getXattr(found, bytes('user.big')).length, 16220);
    again.close();
  });

  it('refuses what Linux refuses of extended attributes', () => {
    const { filesystem, root, close } = newVolume();
    const file = filesystem.create(root, bytes('f'), 0o644, OWNER);
    const link = filesystem.symlink(root, bytes('l'), bytes('t'), OWNER);
    filesystem.setXattr(file, bytes('user.a'), bytes('1'));
    const refused: [string, () => void][] = [
      ['EEXIST', () => filesystem.setXattr(file, bytes('user.a'), bytes('2'), 'create')],
      ['ENODATA', () => filesystem.setXattr(file, bytes('user.b'), bytes('2'), 'replace')],
      ['ENODATA', () => filesystem.removeXattr(file, bytes('user.b'))],
      ['ENODATA', () => filesystem.getXattr(file, bytes('user.b'))],
      ['ENOSPC', () => filesystem.setXattr(file, bytes('user.big'), new Uint8Array(16221))],
      ['E2BIG', () => filesystem.setXattr(file, bytes('user.big'), new Uint8Array(65537))],
      ['ERANGE', () => filesystem.setXattr(file, bytes(`user.${'n'.repeat(251)}`), bytes('1'))],
      ['EOPNOTSUPP', () => filesystem.setXattr(file, bytes('nope'), bytes('1'))],
      ['EOPNOTSUPP', () => filesystem.setXattr(file, bytes('system.foo'), bytes('1'))],
      ['EINVAL', () => filesystem.setXattr(file, bytes('user.'), bytes('1'))],
      ['EPERM', () => filesystem.setXattr(link, bytes('user.a'), bytes('1'))],
      ['EACCES', () => filesystem.setXattr(file, DEFAULT, acl([1, 7], [4, 4], [32, 1]))],
      ['EINVAL', () => filesystem.setXattr(file, ACCESS, bytes('no list'))],
    ];
    for (const [code, attempt] of refused) assert.throws(attempt, { code }, attempt.toString());
    filesystem.setXattr(link, bytes('trusted.a'), bytes('1'));
    close();
  });

  it('hands default access control lists down and keeps lists and modes together', () => {
    const { filesystem, root, path, close } = newVolume();
    const directory = filesystem.mkdir(root, bytes('d'), 0o755, OWNER);
    const user = 'e8030000';
    const list = acl([1, 7], [2, 7, user], [4, 5], [16, 7], [32, 5]);
    filesystem.setXattr(directory, DEFAULT, list);
    const file = filesystem.create(directory, bytes('f'), 0o640, OWNER);
    assert.equal(file.item.mode, 0o100640);
    assert.deepEqual([...filesystem.getXattr(file, ACCESS)], [...acl([1, 6], [2, 7, user], [4, 5], [16, 4], [32, 0])]);
    const inner = filesystem.mkdir(directory, bytes('s'), 0o750, OWNER);
    assert.equal(inner.item.mode, 0o040750);
    assert.deepEqual([...filesystem.getXattr(inner, ACCESS)], [...acl([1, 7], [2, 7, user], [4, 5], [16, 5], [32, 0])]);
    assert.deepEqual([...filesystem.getXattr(inner, DEFAULT)], [...list]);
    filesystem.setAttributes(file, { mode: 0o604 });
    assert.deepEqual([...filesystem.getXattr(file, ACCESS)], [...acl([1, 6], [2, 7, user], [4, 5], [16, 0], [32, 4])]);

    const simple = filesystem.mkdir(root, bytes('e'), 0o755, OWNER);
    filesystem.setXattr(simple, DEFAULT, acl([1, 7], [4, 4], [32, 1]));
    const plain = filesystem.create(simple, bytes('f'), 0o666, OWNER);
    assert.equal(plain.item.mode, 0o100640);
    assert.deepEqual(filesystem.listXattr(plain), []);
    filesystem.setXattr(plain, ACCESS, acl([1, 6], [2, 7, user], [4, 4], [16, 5], [32, 0]));
    assert.equal(plain.item.mode, 0o100650);
    filesystem.setXattr(plain, ACCESS, acl([1, 6], [4, 4], [32, 0]));
    assert.equal(plain.item.mode, 0o100640);
    assert.deepEqual(filesystem.listXattr(plain), []);
    close();
    assertSound(path);
  });

  it('passes its compression property on', () => {
    const { filesystem, root, close } = newVolume();
    const directory = filesystem.mkdir(root, bytes('d'), 0o755, OWNER);
    filesystem.setXattr(directory, bytes('btrfs.compression'), bytes('zstd'));
    const file = filesystem.create(directory, bytes('f'), 0o644, OWNER);
    assert.equal(Buffer.from(filesystem.getXattr(file, bytes('btrfs.compression'))).toString(), 'zstd');
    close();
  });

  it('turns device numbers round', () => {
    assert.equal(toDiskDevice((5 << 8) | 1), (5 << 20) | 1);
    for (const rdev of [0, 0x501, 0x1_2345, 0xffff_ffff, 0x0010_3f2c])
      assert.equal(fromDiskDevice(toDiskDevice(rdev)), rdev);
  });
});
