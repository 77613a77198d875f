/** What the kernel has in its caches and what the server knows stay one: contents, attributes, names. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { isFsError } from '../../src/bytes/index.js';
import { askMount, syncMount } from '../../src/fuse/index.js';
import { requireAbility } from '../support/abilities.js';
import { mustRun } from '../support/command.js';
import { DirectoryStream } from '../support/directory-stream.js';
import { dropPages, lseek, MappedFile, SEEK_DATA, SEEK_HOLE } from '../support/file-calls.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile, xfsIo } from '../support/mounted-volume.js';
import { readXattrs, setXattr } from '../support/system-calls.js';

/** The kernel tells of a file that was closed when it finds the time. */
function untilNotBusy(call: () => void): void {
  for (let tries = 0; tries < 100; tries++) {
    try {
      call();
      return;
    } catch (error) {
      if (!isFsError(error, 'EBUSY')) throw error;
    }
  }
  call();
}

test('what is written and not yet handed over is no hole', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const fd = fs.openSync(volume.at('file'), 'w+');
  fs.ftruncateSync(fd, 1_000_000);
  fs.writeSync(fd, 'here', 500_000);
  assert.equal(lseek(fd, 0, SEEK_DATA), 499_712);
  assert.equal(lseek(fd, 500_000, SEEK_HOLE), 503_808);
  const mapped = new MappedFile(fd, 1_000_000);
  mapped.write(700_000, Buffer.from('and here'));
  assert.equal(lseek(fd, 600_000, SEEK_DATA), 696_320);
  fs.writeSync(fd, 'behind the end', 2_000_000);
  assert.equal(lseek(fd, 800_000, SEEK_DATA), 1_998_848);
  assert.equal(mapped.read(700_000, 8).toString(), 'and here');
  mapped.close();
  fs.closeSync(fd);
  volume.finish();
});

test('nothing decrypted stays in the page cache when a key goes', requireAbility('fuse', 'xfs_io'), () => {
  const volume = new MountedVolume();
  const keyFile = writeKeyFile(11);
  const identifier = makeEncryptedDirectory(volume.path, volume.at('vault'), keyFile);
  const size = 300_000;
  fs.writeFileSync(volume.at('vault/file'), Buffer.alloc(size, 'secret'));
  fs.symlinkSync('a secret target', volume.at('vault/link'));
  const fd = fs.openSync(volume.at('vault/file'), 'r+');
  const mapped = new MappedFile(fd, size);
  mapped.write(0, Buffer.from('MAPPED'));
  assert.ok(mapped.pagesInMemory(size) > 0);
  assert.match(xfsIo(volume.path, [`rm_enckey ${identifier}`]), /files still busy/);
  assert.equal(mapped.pagesInMemory(size), 0);
  assert.deepEqual(
    fs.readdirSync(volume.at('vault')).filter((name) => ['file', 'link'].includes(name)),
    [],
  );
  // What was open works on, what it wrote included.
  assert.equal(mapped.read(0, 12).toString(), 'MAPPEDsecret');
  mapped.write(6, Buffer.from('still!'));
  mapped.sync();
  dropPages(fd);
  assert.equal(mapped.read(0, 12).toString(), 'MAPPEDstill!');
  mapped.close();
  fs.closeSync(fd);
  addKey(volume.path, keyFile);
  assert.equal(fs.readFileSync(volume.at('vault/file'), 'utf8').slice(0, 12), 'MAPPEDstill!');
  assert.equal(fs.readlinkSync(volume.at('vault/link')), 'a secret target');
  volume.finish();
});

test('a working directory and listings follow a key', requireAbility('fuse', 'xfs_io'), () => {
  const volume = new MountedVolume();
  const keyFile = writeKeyFile(12);
  const identifier = makeEncryptedDirectory(volume.path, volume.at('vault'), keyFile);
  fs.mkdirSync(volume.at('vault/directory/below'), { recursive: true });
  const listing = fs.opendirSync(volume.at('vault/directory'));
  const before = fs.statSync(volume.at('vault/directory'));
  const [shown] = ((): string[] => {
    xfsIo(volume.path, [`rm_enckey ${identifier}`]);
    return fs.readdirSync(volume.at('vault'));
  })();
  assert.equal(fs.statSync(volume.at('vault', shown ?? '')).ino, before.ino);
  assert.throws(() => fs.statSync(volume.at('vault/directory')), { code: 'ENOENT' });
  const below = listing.readSync()?.name;
  assert.ok(below !== undefined && below !== 'below', 'the open directory lists no-key names');
  listing.closeSync();
  addKey(volume.path, keyFile);
  assert.throws(() => fs.statSync(volume.at('vault', shown ?? '')), { code: 'ENOENT' });
  assert.deepEqual(fs.readdirSync(volume.at('vault/directory')), ['below']);
  volume.finish();
});

test('subvolumes and snapshots appear and go at once', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  fs.writeFileSync(volume.at('file'), 'before');
  assert.equal(fs.existsSync(volume.at('sub')), false, 'the kernel remembers that there is none');
  askMount(volume.path, 'createSubvolume', { name: Buffer.from('sub'), mode: 0o755 });
  assert.ok(fs.readdirSync(volume.path).includes('sub'));
  fs.writeFileSync(volume.at('sub/file'), 'in it');
  const { id } = askMount(volume.at('sub'), 'subvolume', {});
  syncMount(volume.path);
  askMount(volume.path, 'snapshot', { source: id, name: Buffer.from('snapshot'), readOnly: true });
  fs.writeFileSync(volume.at('sub/file'), 'changed');
  assert.equal(fs.readFileSync(volume.at('snapshot/file'), 'utf8'), 'in it');
  assert.throws(() => fs.writeFileSync(volume.at('snapshot/file'), 'x'), { code: 'EROFS' });
  assert.throws(() => fs.writeFileSync(volume.at('snapshot/new'), 'x'), { code: 'EROFS' });
  const fd = fs.openSync(volume.at('sub/file'), 'r');
  assert.throws(() => askMount(volume.path, 'deleteSubvolume', { name: Buffer.from('sub') }), { code: 'EBUSY' });
  fs.closeSync(fd);
  untilNotBusy(() => askMount(volume.path, 'deleteSubvolume', { name: Buffer.from('sub') }));
  assert.deepEqual(fs.readdirSync(volume.path).sort(), ['file', 'snapshot']);
  assert.throws(() => fs.statSync(volume.at('sub/file')), { code: 'ENOENT' });
  volume.finish();
});

test('all names of a file show one inode', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const names = ['one', 'two', 'three'].map((name) => volume.at(name));
  const [one = '', two = '', three = ''] = names;
  fs.writeFileSync(one, 'contents');
  fs.linkSync(one, two);
  fs.linkSync(two, three);
  assert.deepEqual(
    names.map((path) => fs.statSync(path).nlink),
    [3, 3, 3],
  );
  fs.chmodSync(two, 0o600);
  fs.appendFileSync(three, ' and more');
  assert.equal(fs.statSync(one).mode & 0o777, 0o600);
  assert.equal(fs.readFileSync(one, 'utf8'), 'contents and more');
  fs.unlinkSync(one);
  fs.renameSync(two, three);
  assert.equal(fs.statSync(two).nlink, 2, 'renaming over another name of the same file does nothing');
  fs.unlinkSync(two);
  assert.equal(fs.statSync(three).nlink, 1);
  volume.finish();
});

/** `cap_net_raw=ep`, as setcap(8) stores it. */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

test('writing takes set-id bits away', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const path = volume.at('program');
  fs.chmodSync(`${volume.path}/..`, 0o755);
  fs.writeFileSync(volume.at('source'), Buffer.alloc(8192, 'a source'), { mode: 0o644 });
  const changes: Record<string, string> = {
    write: `printf x >> ${path}`,
    truncate: `truncate -s 3 ${path}`,
    'truncate by opening': `: > ${path}`,
    preallocate: `fallocate -l 100000 ${path}`,
    'punch a hole': `fallocate --punch-hole -o 0 -l 4096 ${path}`,
    'share a range': `xfs_io -c 'copy_range -l 8192 ${volume.at('source')}' ${path}`,
  };
  for (const [what, script] of Object.entries(changes)) {
    fs.writeFileSync(path, 'a program');
    fs.chownSync(path, 65_534, 65_534);
    fs.chmodSync(path, 0o6777);
    setXattr(path, 'security.capability', CAPABILITY);
    mustRun('setpriv', '--reuid=1', '--regid=1', '--clear-groups', 'sh', '-ec', script);
    assert.equal((fs.statSync(path).mode & 0o7777).toString(8), '777', what);
    assert.deepEqual(readXattrs(path), {}, what);
  }
  volume.finish();
});

test('blocks and free space follow what is written and removed', requireAbility('fuse', 'btrfs-progs'), async () => {
  const volume = new MountedVolume();
  const MIB = 2 ** 20;
  const free = async (): Promise<number> => {
    await syncMount(volume.path);
    const { bfree, bsize } = fs.statfsSync(volume.path);
    return bfree * bsize;
  };
  const before = await free();
  const fd = fs.openSync(volume.at('file'), 'w');
  fs.writeSync(fd, Buffer.alloc(8 * MIB, 1));
  fs.ftruncateSync(fd, 64 * MIB);
  fs.fsyncSync(fd);
  assert.equal(fs.fstatSync(fd).blocks * 512, 8 * MIB);
  fs.closeSync(fd);
  const full = await free();
  assert.ok(before - full >= 8 * MIB && before - full < 12 * MIB, `${before - full} bytes are used`);
  fs.unlinkSync(volume.at('file'));
  // The kernel takes its time to forget an inode, and only then it is deleted.
  let after = await free();
  for (let tries = 0; tries < 100 && before - after >= MIB; tries++) after = await free();
  assert.ok(before - after < MIB, `${before - after} bytes are not free again`);
  volume.finish();
});

test('a listing goes on while the directory changes', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const directory = volume.at('directory');
  fs.mkdirSync(directory);
  const name = (index: number): string => `${index}-${'n'.repeat(100)}`;
  const COUNT = 2000;
  for (let index = 0; index < COUNT; index++) fs.writeFileSync(`${directory}/${name(index)}`, '');
  const listing = new DirectoryStream(directory);
  const seen: string[] = [];
  const places: number[] = [];
  for (let index = 0; ; index++) {
    places.push(listing.tell());
    const found = listing.read();
    if (found === undefined) break;
    seen.push(found);
    // What was seen goes, what was not stays, and new names come.
    if (index % 3 === 0 && index > 10) fs.rmSync(`${directory}/${seen[index - 5]}`, { force: true });
    if (index % 100 === 0) fs.writeFileSync(`${directory}/new-${index}`, '');
  }
  const old = seen.filter((each) => each !== '.' && each !== '..' && !each.startsWith('new-'));
  assert.equal(new Set(old).size, old.length, 'nothing is seen twice');
  assert.equal(old.length, COUNT, 'nothing is left out');
  for (const index of [0, 1, 2, 500, 1500]) {
    listing.seek(places[index] ?? 0);
    const next = seen.slice(index).find((each) => each.startsWith('.') || fs.existsSync(`${directory}/${each}`));
    assert.equal(listing.read(), next, `at ${index}`);
  }
  listing.rewind();
  const again: string[] = [];
  for (let found = listing.read(); found !== undefined; found = listing.read()) again.push(found);
  assert.deepEqual(again.sort(), ['.', '..', ...fs.readdirSync(directory)].sort());
  listing.close();
  volume.finish();
});
