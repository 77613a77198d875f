import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isFsError } from '../../../src/bytes/index.js';
import { FileDevice } from '../../../src/device/index.js';
import { requireAbility, toolEnvironment } from '../../support/abilities.js';

const directory = mkdtempSync(join(tmpdir(), 'butterlock-device-'));
after(() => rmSync(directory, { recursive: true }));

let files = 0;
const freshPath = (): string => join(directory, `${++files}.img`);

function failureOf(attempt: () => void): unknown {
  try {
    attempt();
  } catch (error) {
    return error;
  }
  return undefined;
}

test('creates a sparse private file that reads back what was written', () => {
  const path = freshPath();
  const device = FileDevice.create(path, 2 ** 32, { exclusive: true });
  const bytes = Uint8Array.from({ length: 5000 }, (_value, index) => index);
  device.write(2 ** 31 - 77, bytes);
  device.flush();
  const back = new Uint8Array(5000);
  device.read(2 ** 31 - 77, back);
  assert.deepEqual(back, bytes);
  device.close();
  device.close();
  const stats = statSync(path);
  assert.equal(stats.mode & 0o777, 0o600);
  assert.equal(stats.size, 2 ** 32);
  assert.ok(stats.blocks * 512 < 2 ** 20);
  assert.throws(() => device.read(0, back), { code: 'EBADF' });
});

test('an exclusive creation refuses what exists, another one empties it', () => {
  const path = freshPath();
  writeFileSync(path, 'old content');
  assert.throws(() => FileDevice.create(path, 4096, { exclusive: true }), { code: 'EEXIST', path });
  assert.equal(statSync(path).size, 11);
  const device = FileDevice.create(path, 4096);
  const first = new Uint8Array(11);
  device.read(0, first);
  device.close();
  assert.deepEqual(first, new Uint8Array(11));
});

test('a creation that fails leaves nothing behind', () => {
  const path = freshPath();
  // ext4 takes no file of 4 PiB, tmpfs and btrfs do.
  const failure = failureOf(() => FileDevice.create(path, 2 ** 52).close());
  if (failure !== undefined) {
    assert.ok(isFsError(failure, 'EFBIG'));
    assert.equal(existsSync(path), false);
  }
  assert.throws(() => FileDevice.create(path, -1), { code: 'EINVAL' });
  assert.throws(() => FileDevice.create(directory, 4096), { code: 'EINVAL' });
});

test('a second writer is refused, a reader is not', () => {
  const path = freshPath();
  const writer = FileDevice.create(path, 8192);
  writer.write(0, Uint8Array.of(42));
  assert.throws(() => FileDevice.open(path, { readOnly: false }), { code: 'EBUSY', path });
  assert.throws(() => FileDevice.create(path, 4096), { code: 'EBUSY' });
  const reader = FileDevice.open(path, { readOnly: true });
  const byte = new Uint8Array(1);
  reader.read(0, byte);
  assert.equal(byte[0], 42);
  assert.throws(() => reader.write(0, byte), { code: 'EROFS' });
  reader.flush();
  reader.close();
  writer.close();
  FileDevice.open(path, { readOnly: false }).close();
});

test('a writer in another process is refused too', () => {
  const path = freshPath();
  const writer = FileDevice.create(path, 8192);
  const tried = execFileSync('sh', ['-c', 'flock -n "$1" true && echo free || echo locked', 'sh', path]);
  assert.equal(String(tried), 'locked\n');
  writer.close();
});

test('what is no image is refused with its reason', () => {
  assert.throws(() => FileDevice.open(join(directory, 'missing'), { readOnly: true }), { code: 'ENOENT' });
  assert.throws(() => FileDevice.open(directory, { readOnly: true }), { code: 'EISDIR' });
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  assert.throws(() => FileDevice.open(fifo, { readOnly: false }), { code: 'EINVAL' });
  assert.throws(() => FileDevice.open('/dev/null', { readOnly: true }), { code: 'EINVAL' });
});

test('a file that shrank under an open device reads as EIO', () => {
  const path = freshPath();
  FileDevice.create(path, 8192).close();
  const device = FileDevice.open(path, { readOnly: true });
  writeFileSync(path, 'short');
  assert.throws(() => device.read(4096, new Uint8Array(1)), { code: 'EIO' });
  device.close();
});

const env = toolEnvironment();

/** Fills a device with ones, gives most of it back and tells what is left. */
function discardMiddle(device: FileDevice): { before: number; middle: number; after: number } {
  const MIB = 2 ** 20;
  device.write(0, new Uint8Array(8 * MIB).fill(1));
  device.flush();
  device.discard(MIB, 6 * MIB);
  device.flush();
  const byteAt = (offset: number): number => {
    const byte = new Uint8Array(1);
    device.read(offset, byte);
    return byte[0] ?? -1;
  };
  assert.throws(() => device.discard(7 * MIB, 2 * MIB), { code: 'EIO' });
  return { before: byteAt(MIB - 1), middle: byteAt(4 * MIB), after: byteAt(7 * MIB) };
}

test('a file takes no space for what was given back', () => {
  const path = freshPath();
  const device = FileDevice.create(path, 2 ** 23);
  assert.deepEqual(discardMiddle(device), { before: 1, middle: 0, after: 1 });
  device.close();
  const { size, blocks } = statSync(path);
  assert.equal(size, 2 ** 23);
  assert.ok(blocks * 512 < 3 * 2 ** 20, `${blocks} blocks`);
  const reader = FileDevice.open(path, { readOnly: true });
  assert.throws(() => reader.discard(0, 4096), { code: 'EROFS' });
  reader.close();
});

test('a block device is told of what was given back', requireAbility('loop'), () => {
  const path = freshPath();
  FileDevice.create(path, 2 ** 23).close();
  const loop = String(execFileSync('losetup', ['--find', '--show', path], { env })).trim();
  try {
    const device = FileDevice.open(loop, { readOnly: false });
    assert.deepEqual(discardMiddle(device), { before: 1, middle: 0, after: 1 });
    device.close();
  } finally {
    execFileSync('losetup', ['--detach', loop], { env });
  }
  assert.ok(statSync(path).blocks * 512 < 3 * 2 ** 20);
});

test('an image behind a loop device is refused for writing, by any of its names', requireAbility('loop'), () => {
  const path = freshPath();
  FileDevice.create(path, 2 ** 20).close();
  const otherName = freshPath();
  linkSync(path, otherName);
  const loop = String(execFileSync('losetup', ['--find', '--show', path], { env })).trim();
  try {
    assert.throws(() => FileDevice.open(path, { readOnly: false }), { code: 'EBUSY', message: new RegExp(loop) });
    assert.throws(() => FileDevice.open(otherName, { readOnly: false }), { code: 'EBUSY' });
    assert.throws(() => FileDevice.create(path, 4096), { code: 'EBUSY' });
    const reader = FileDevice.open(path, { readOnly: true });
    assert.equal(reader.size, 2 ** 20);
    reader.close();
    const device = FileDevice.open(loop, { readOnly: false });
    assert.equal(device.size, 2 ** 20);
    device.write(2 ** 20 - 4096, new Uint8Array(4096).fill(7));
    device.flush();
    device.close();
  } finally {
    execFileSync('losetup', ['--detach', loop], { env });
  }
});

test('a mounted block device is refused for writing', requireAbility('btrfs-progs', 'kernel-btrfs'), () => {
  const path = freshPath();
  FileDevice.create(path, 2 ** 27).close();
  execFileSync('mkfs.btrfs', ['-q', path], { env });
  const mountPoint = mkdtempSync(join(directory, 'mount point '));
  const loop = String(execFileSync('losetup', ['--find', '--show', path], { env })).trim();
  try {
    execFileSync('mount', [loop, mountPoint], { env });
    try {
      assert.throws(() => FileDevice.open(loop, { readOnly: false }), {
        code: 'EBUSY',
        message: /mounted at .*mount point /,
      });
      assert.throws(() => FileDevice.open(path, { readOnly: false }), { code: 'EBUSY' });
    } finally {
      execFileSync('umount', [mountPoint], { env });
    }
  } finally {
    execFileSync('losetup', ['--detach', loop], { env });
  }
});
