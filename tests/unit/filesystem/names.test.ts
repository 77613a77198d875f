/** Names, links, renames and removal in plain directories; the verdict on each volume is btrfs check's. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { requireAbility } from '../../support/abilities.js';
import { assertSound } from '../../support/btrfs-check.js';
import { bytes, namesIn, newVolume, type OpenVolume, OWNER, openVolume } from '../../support/new-volume.js';

const judged = requireAbility('btrfs-progs');

/** Closes a volume, has it judged, and opens it again. */
function judge(volume: OpenVolume): OpenVolume {
  volume.close();
  assertSound(volume.path);
  return openVolume(volume.path);
}

describe('names in plain directories', judged, () => {
  it('makes every kind of inode and finds it again', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    const directory = filesystem.mkdir(root, bytes('d'), 0o751, { uid: 7, gid: 8 });
    filesystem.create(directory, bytes('f'), 0o640, OWNER);
    filesystem.symlink(directory, bytes('l'), bytes('../somewhere'), OWNER);
    filesystem.mknod(directory, bytes('p'), 0o010600, OWNER);
    filesystem.mknod(directory, bytes('s'), 0o140600, OWNER);
    filesystem.mknod(directory, bytes('c'), 0o020600, OWNER, (5 << 8) | 1);
    filesystem.mknod(directory, bytes('b'), 0o060600, OWNER, ((300 & 0xfff00) << 12) | (259 << 8) | (300 & 0xff));

    const again = judge(volume);
    const found = again.filesystem.lookup(again.root, bytes('d'));
    assert.deepEqual(namesIn(again.filesystem, found), ['f', 'l', 'p', 's', 'c', 'b']);
    const stat = again.filesystem.stat(found);
    assert.deepEqual([stat.mode, stat.uid, stat.gid, stat.nlink, stat.size], [0o040751, 7, 8, 1, 12]);
    const link = again.filesystem.lookup(found, bytes('l'));
    assert.equal(Buffer.from(again.filesystem.readlink(link)).toString(), '../somewhere');
    assert.equal(again.filesystem.stat(again.filesystem.lookup(found, bytes('c'))).rdev, (5 << 8) | 1);
    assert.equal(again.filesystem.parent(found), again.root);
    again.close();
  });

  it('says as Linux does what cannot be done', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    const directory = filesystem.mkdir(root, bytes('d'), 0o755, OWNER);
    const file = filesystem.create(directory, bytes('f'), 0o644, OWNER);
    filesystem.mkdir(root, bytes('e'), 0o755, OWNER);
    const failures: [string, () => unknown][] = [
      ['EEXIST', () => filesystem.mkdir(root, bytes('d'), 0o755, OWNER)],
      ['EEXIST', () => filesystem.create(root, bytes('..'), 0o644, OWNER)],
      ['ENOENT', () => filesystem.lookup(root, bytes('x'))],
      ['ENOTDIR', () => filesystem.lookup(file, bytes('x'))],
      ['ENOTDIR', () => filesystem.create(file, bytes('x'), 0o644, OWNER)],
      ['ENAMETOOLONG', () => filesystem.lookup(root, bytes('n'.repeat(256)))],
      ['ENOENT', () => filesystem.create(root, bytes(''), 0o644, OWNER)],
      ['EINVAL', () => filesystem.create(root, bytes('a/b'), 0o644, OWNER)],
      ['EISDIR', () => filesystem.unlink(root, bytes('d'))],
      ['ENOTDIR', () => filesystem.rmdir(directory, bytes('f'))],
      ['ENOTEMPTY', () => filesystem.rmdir(root, bytes('d'))],
      ['EINVAL', () => filesystem.rmdir(root, bytes('.'))],
      ['EPERM', () => filesystem.link(directory, root, bytes('x'))],
      ['EEXIST', () => filesystem.link(file, root, bytes('d'))],
      ['EINVAL', () => filesystem.rename(root, bytes('d'), directory, bytes('x'))],
      ['ENOTEMPTY', () => filesystem.rename(directory, bytes('f'), root, bytes('d')) /* EISDIR first */],
      ['EEXIST', () => filesystem.rename(root, bytes('e'), root, bytes('d'), 'noreplace')],
      ['ENOTEMPTY', () => filesystem.rename(root, bytes('e'), root, bytes('d'))],
      ['ENOTDIR', () => filesystem.rename(root, bytes('e'), directory, bytes('f'))],
      ['ENOENT', () => filesystem.rename(root, bytes('e'), root, bytes('x'), 'exchange')],
      ['EBUSY', () => filesystem.rename(root, bytes('.'), root, bytes('x'))],
      ['EINVAL', () => filesystem.readlink(file)],
      ['ENOENT', () => filesystem.symlink(root, bytes('l'), bytes(''), OWNER)],
      ['ENAMETOOLONG', () => filesystem.symlink(root, bytes('l'), bytes('t'.repeat(4096)), OWNER)],
    ];
    for (const [code, attempt] of failures) {
      const wanted = code === 'ENOTEMPTY' ? /^(ENOTEMPTY|EISDIR)$/ : new RegExp(`^${code}$`);
      assert.throws(attempt, (error: { code?: string }) => wanted.test(error.code ?? ''), attempt.toString());
    }
    assert.deepEqual(namesIn(filesystem, root), ['d', 'e']);
    judge(volume).close();
  });

  it('keeps names whose hashes collide in one item', () => {
    // Found by search: each pair has the same crc32c register.
    const [one, other] = collidingNames();
    const volume = newVolume();
    const { filesystem, root } = volume;
    filesystem.create(root, one, 0o644, OWNER);
    filesystem.mkdir(root, other, 0o755, OWNER);
    const again = judge(volume);
    assert.equal(again.filesystem.lookup(again.root, one).isRegular, true);
    assert.equal(again.filesystem.lookup(again.root, other).isDirectory, true);
    again.filesystem.unlink(again.root, one);
    assert.throws(() => again.filesystem.lookup(again.root, one), { code: 'ENOENT' });
    assert.equal(again.filesystem.lookup(again.root, other).isDirectory, true);
    judge(again).close();
  });

  it('gives a file hundreds of names, beyond what one reference item holds', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    const directory = filesystem.mkdir(root, bytes('d'), 0o755, OWNER);
    const file = filesystem.create(root, bytes('f'), 0o644, OWNER);
    const names = Array.from({ length: 150 }, (_, i) => bytes(`${'n'.repeat(200)}${i}`));
    for (const name of names) filesystem.link(file, directory, name);
    assert.equal(filesystem.stat(file).nlink, 151);

    const again = judge(volume);
    const found = again.filesystem.lookup(again.root, bytes('d'));
    for (const name of names) {
      assert.equal(again.filesystem.lookup(found, name).ino, file.ino);
      again.filesystem.rename(found, name, again.root, name);
    }
    assert.deepEqual(namesIn(again.filesystem, found), []);
    const third = judge(again);
    for (const name of names) third.filesystem.unlink(third.root, name);
    assert.equal(third.filesystem.stat(third.filesystem.lookup(third.root, bytes('f'))).nlink, 1);
    judge(third).close();
  });

  it('renames over files and empty directories, and exchanges', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    const a = filesystem.mkdir(root, bytes('a'), 0o755, OWNER);
    const b = filesystem.mkdir(root, bytes('b'), 0o755, OWNER);
    const inner = filesystem.mkdir(a, bytes('inner'), 0o755, OWNER);
    const file = filesystem.create(a, bytes('file'), 0o644, OWNER);
    filesystem.create(b, bytes('old'), 0o644, OWNER);
    filesystem.rename(a, bytes('file'), b, bytes('old'));
    assert.equal(filesystem.lookup(b, bytes('old')), file);
    filesystem.rename(a, bytes('inner'), b, bytes('old'), 'exchange');
    assert.equal(filesystem.lookup(b, bytes('old')), inner);
    assert.equal(filesystem.lookup(a, bytes('inner')), file);
    assert.equal(filesystem.parent(inner), b);
    filesystem.mkdir(root, bytes('empty'), 0o755, OWNER);
    filesystem.rename(b, bytes('old'), root, bytes('empty'));
    assert.equal(filesystem.lookup(root, bytes('empty')), inner);
    filesystem.link(file, a, bytes('second'));
    filesystem.rename(a, bytes('second'), a, bytes('inner'));
    assert.deepEqual(namesIn(filesystem, a).sort(), ['inner', 'second'], 'two names of one file: nothing happens');
    const again = judge(volume);
    assert.deepEqual(namesIn(again.filesystem, again.root).sort(), ['a', 'b', 'empty']);
    again.close();
  });

  it('keeps an open file without a name until it is closed', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    const file = filesystem.openInode(filesystem.create(root, bytes('f'), 0o644, OWNER), root);
    file.data.write(0, bytes('still here'));
    filesystem.unlink(root, bytes('f'));
    filesystem.commit();
    assertSound(volume.path);
    const into = new Uint8Array(10);
    assert.equal(file.data.read(0, into), 10);
    assert.equal(Buffer.from(into).toString(), 'still here');
    filesystem.closeInode(file);
    assert.throws(() => filesystem.inode(5, file.ino), { code: 'ENOENT' });
    judge(volume).close();
  });

  it('finishes at the next opening what lost its last name while open', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    const file = filesystem.openInode(filesystem.create(root, bytes('f'), 0o644, OWNER), root);
    file.data.write(0, new Uint8Array(100_000).fill(1));
    filesystem.unlink(root, bytes('f'));
    const { ino } = file;
    const again = judge(volume);
    assert.throws(() => again.filesystem.inode(5, ino), { code: 'ENOENT' });
    judge(again).close();
  });

  it('makes files without a name, which may be given one while they are open', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    const kept = filesystem.openInode(filesystem.createUnnamed(root, 0o600, OWNER));
    const dropped = filesystem.openInode(filesystem.createUnnamed(root, 0o600, OWNER));
    for (const file of [kept, dropped]) file.data.write(0, new Uint8Array(5000));
    filesystem.commit();
    assertSound(volume.path);
    filesystem.link(kept, root, bytes('named'));
    filesystem.unlink(root, bytes('named'));
    assert.throws(() => filesystem.link(kept, root, bytes('again')), { code: 'ENOENT' });
    const other = filesystem.openInode(filesystem.createUnnamed(root, 0o600, OWNER));
    filesystem.link(other, root, bytes('named'));
    for (const file of [kept, dropped, other]) filesystem.closeInode(file);
    assert.deepEqual(namesIn(filesystem, root), ['named']);
    for (const file of [kept, dropped]) assert.throws(() => filesystem.inode(5, file.ino), { code: 'ENOENT' });
    assert.equal(filesystem.stat(filesystem.lookup(root, bytes('named'))).nlink, 1);
    judge(volume).close();
  });

  it('ends a listing although every entry gets a new place meanwhile', () => {
    const { filesystem, root, close } = newVolume();
    for (let i = 0; i < 600; i++) filesystem.create(root, bytes(`f${i}`), 0o644, OWNER);
    let seen = 0;
    for (const { name } of filesystem.readDirectory(root)) {
      filesystem.rename(root, name, root, bytes(`renamed ${seen}`));
      seen += 1;
    }
    assert.equal(seen, 600);
    close();
  });

  it('removes what it made, down to an empty directory', () => {
    const volume = newVolume();
    const { filesystem, root } = volume;
    for (let i = 0; i < 500; i++) {
      const directory = filesystem.mkdir(root, bytes(`d${i}`), 0o755, OWNER);
      filesystem.create(directory, bytes('f'), 0o644, OWNER).data.write(0, bytes(`file ${i}`));
    }
    const again = judge(volume);
    const top = again.root;
    for (const name of namesIn(again.filesystem, top)) {
      const directory = again.filesystem.lookup(top, bytes(name));
      again.filesystem.unlink(directory, bytes('f'));
      again.filesystem.rmdir(top, bytes(name));
    }
    assert.equal(again.filesystem.stat(top).size, 0);
    judge(again).close();
  });
});

function collidingNames(): [Uint8Array, Uint8Array] {
  return [bytes('MgR2WDUTOz'), bytes('iuYbx1FutM')];
}
