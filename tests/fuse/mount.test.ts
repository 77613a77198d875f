/** Mounting and unmounting, and what a mounted volume does for plain programs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { mustRun, runCommand } from '../support/command.js';
import { butterlock, butterlockCommand, MountedVolume, waitForEnd } from '../support/mounted-volume.js';
import { temporaryPath } from '../support/temporary.js';

test('what is written to a mount is there after mounting again', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  mustRun('cp', '-a', 'src', volume.at('src'));
  fs.writeFileSync(volume.at('file'), 'one');
  fs.linkSync(volume.at('file'), volume.at('other name'));
  fs.symlinkSync('file', volume.at('link'));
  mustRun('mkfifo', volume.at('fifo'));
  volume.remount();
  mustRun('diff', '-r', 'src', volume.at('src'));
  assert.equal(fs.readFileSync(volume.at('other name'), 'utf8'), 'one');
  assert.equal(fs.statSync(volume.at('link')).nlink, 2);
  assert.ok(fs.lstatSync(volume.at('fifo')).isFIFO());
  volume.finish();
});

test('a mounted image has one writer', requireAbility('fuse'), () => {
  const volume = new MountedVolume();
  const second = spawnSync('sh', ['-c', `${butterlockCommand()} mount ${volume.image} ${volume.path}`], {
    encoding: 'utf8',
  });
  assert.equal(second.status, 5, second.stderr);
  assert.match(second.stderr, new RegExp(`mounted at ${volume.path} by butterlock; give that directory in its stead`));
  fs.writeFileSync(volume.at('file'), 'still there');
  volume.unmount();
});

test('the kernel reads far ahead', requireAbility('fuse'), () => {
  const volume = new MountedVolume();
  const device = mustRun('mountpoint', '-d', volume.path).trim();
  assert.equal(fs.readFileSync(`/sys/class/bdi/${device}/read_ahead_kb`, 'latin1'), '4096\n');
  volume.unmount();
});

test('what keeps a mount from beginning is said', requireAbility('fuse'), () => {
  const image = temporaryPath('.img');
  butterlock('create', image, '--size', '256M');
  const directory = temporaryPath();
  fs.mkdirSync(directory);
  const failures: [string[], RegExp][] = [
    [[image, '/none'], /^butterlock: \/none: no such file or directory\n$/],
    [['/none', directory], /^butterlock: \/none: no such file or directory\n$/],
    [[image, directory, '--key-file', '/none'], /^butterlock: \/none: no such file or directory\n$/],
    [[image, directory, '--subvolume', '999'], /^butterlock: there is no subvolume 999\n$/],
    [
      [image, directory, '--log', '/etc/hostname/log'],
      /^butterlock: \/etc\/hostname.*: (not a directory|file already exists)\n$/,
    ],
    [['/etc/hostname', directory], /^butterlock: \/etc\/hostname is too small for a btrfs volume\n$/],
  ];
  for (const [words, text] of failures) {
    const { status, stderr } = spawnSync('sh', ['-c', `${butterlockCommand()} mount "$@"`, 'sh', ...words], {
      encoding: 'utf8',
    });
    assert.equal(status, 1, words.join(' '));
    assert.match(stderr, text);
  }
});

test('a mount can be read-only', requireAbility('fuse'), () => {
  const volume = new MountedVolume();
  fs.writeFileSync(volume.at('file'), 'contents');
  volume.unmount();
  const before = mustRun('sha256sum', volume.image);
  volume.mount('--read-only');
  assert.equal(fs.readFileSync(volume.at('file'), 'utf8'), 'contents');
  assert.throws(() => fs.writeFileSync(volume.at('new'), ''), { code: 'EROFS' });
  volume.unmount();
  assert.equal(mustRun('sha256sum', volume.image), before);
});

test('a mount in use is not unmounted', requireAbility('fuse'), () => {
  const volume = new MountedVolume();
  const fd = fs.openSync(volume.at('file'), 'w');
  const { status, stderr } = spawnSync('sh', ['-c', `${butterlockCommand()} umount ${volume.path}`], {
    encoding: 'utf8',
  });
  assert.equal(status, 5, stderr);
  fs.closeSync(fd);
  volume.unmount();
});

test('what is in use is not unmounted', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const fd = fs.openSync(volume.at('file'), 'w');
  const { status, stderr } = runCommand('sh', '-c', `${butterlockCommand()} umount ${volume.path}`);
  assert.equal(stderr, `butterlock: ${volume.path}: it is in use: programs have files open or work in it\n`);
  assert.equal(status, 5);
  fs.writeSync(fd, 'still served');
  fs.closeSync(fd);
  volume.remount();
  assert.equal(fs.readFileSync(volume.at('file'), 'utf8'), 'still served');
  volume.finish();
});

test('SIGTERM makes everything durable and unmounts', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  fs.writeFileSync(volume.at('file'), 'durable');
  const { server } = volume;
  process.kill(server, 'SIGTERM');
  waitForEnd(server);
  assert.throws(() => fs.statSync(volume.at('file')), { code: 'ENOENT' });
  volume.mount();
  assert.equal(fs.readFileSync(volume.at('file'), 'utf8'), 'durable');
  volume.finish();
});

test('a volume is mounted again where its killed server left it', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  fs.writeFileSync(volume.at('file'), 'durable');
  butterlock('sync', volume.path);
  fs.statSync(volume.path);
  volume.kill();
  volume.mount();
  assert.equal(fs.readFileSync(volume.at('file'), 'utf8'), 'durable');
  volume.finish();
});

test('an unlinked file lives as long as it is open', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const fd = fs.openSync(volume.at('file'), 'w+');
  fs.writeSync(fd, 'nameless');
  fs.unlinkSync(volume.at('file'));
  fs.writeSync(fd, ' but alive');
  const bytes = Buffer.alloc(100);
  assert.equal(bytes.toString('utf8', 0, fs.readSync(fd, bytes, 0, 100, 0)), 'nameless but alive');
  assert.equal(fs.fstatSync(fd).nlink, 0);
  fs.closeSync(fd);
  volume.finish();
});

test('a file made without a name can be given one', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const O_TMPFILE = 0o20200000;
  const fd = fs.openSync(volume.path, O_TMPFILE | fs.constants.O_RDWR, 0o600);
  fs.writeSync(fd, 'found at last');
  assert.deepEqual(fs.readdirSync(volume.path), []);
  mustRun('ln', '-L', `/proc/${process.pid}/fd/${fd}`, volume.at('named'));
  fs.closeSync(fd);
  assert.equal(fs.readFileSync(volume.at('named'), 'utf8'), 'found at last');
  const lost = fs.openSync(volume.path, O_TMPFILE | fs.constants.O_RDWR, 0o600);
  fs.writeSync(lost, 'never found');
  fs.closeSync(lost);
  volume.finish();
});

test('subvolumes are directories with inode numbers of their own', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  volume.unmount();
  const source = temporaryPath();
  fs.writeFileSync(source, 'in a subvolume');
  butterlock('subvolume', 'create', volume.image, '/sub');
  butterlock('put', volume.image, source, '/sub/file');
  butterlock('subvolume', 'snapshot', volume.image, '/sub', '/snapshot');
  volume.mount();
  const [one, other] = [fs.statSync(volume.at('sub/file')), fs.statSync(volume.at('snapshot/file'))];
  assert.notEqual(one.ino, other.ino);
  fs.writeFileSync(volume.at('sub/file'), 'changed');
  assert.equal(fs.readFileSync(volume.at('snapshot/file'), 'utf8'), 'in a subvolume');
  assert.throws(() => fs.renameSync(volume.at('sub/file'), volume.at('file')), { code: 'EXDEV' });
  volume.finish();
});

test('df shows the size of the volume', requireAbility('fuse'), () => {
  const volume = new MountedVolume({ size: 512 });
  const { bsize, blocks, bavail } = fs.statfsSync(volume.path);
  assert.equal(bsize * blocks, 512 * 2 ** 20);
  assert.ok(bavail > 0.7 * blocks && bavail < blocks);
  volume.unmount();
});

test('a full volume answers ENOSPC and stays sound', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume({ size: 128 });
  const { status } = runCommand('dd', 'if=/dev/zero', `of=${volume.at('big')}`, 'bs=1M', 'count=200', 'conv=fsync');
  assert.notEqual(status, 0);
  fs.unlinkSync(volume.at('big'));
  mustRun('dd', 'if=/dev/zero', `of=${volume.at('small')}`, 'bs=1M', 'count=10', 'conv=fsync');
  volume.finish();
});
