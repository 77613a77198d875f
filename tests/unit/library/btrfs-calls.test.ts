/** Calls beyond `node:fs`: subvolumes, ranges, shared extents, extended attributes, odd names. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  createVolume,
  isFsError,
  MemoryDevice,
  type OpenVolume,
  openVolume,
  type VolumeFs,
} from '../../../src/index.js';

const MIB = 1024 ** 2;
const S_IFIFO = 0o010000;

function newVolume(): OpenVolume {
  return createVolume(new MemoryDevice(256 * MIB), { extentContext: 'item' });
}

/** A device that outlives the volumes opened on it. */
function lastingDevice(): MemoryDevice {
  return new MemoryDevice(256 * MIB);
}

describe('subvolumes', () => {
  test('are directories of their own, with `..` leading back', () => {
    using volume = newVolume();
    const { fs } = volume;
    fs.mkdirSync('/a');
    fs.createSubvolumeSync('/a/sub');
    fs.writeFileSync('/a/sub/file', 'x');
    fs.writeFileSync('/a/beside', 'y');
    assert.equal(fs.readFileSync('/a/sub/../beside', 'utf8'), 'y');
    assert.notEqual(fs.statSync('/a/sub').dev, fs.statSync('/a').dev);
    assert.equal(fs.statSync('/a/sub').ino, 256);
    assert.throws(() => fs.linkSync('/a/sub/file', '/a/link'), { code: 'EXDEV' });
    assert.throws(() => fs.renameSync('/a/sub/file', '/a/file'), { code: 'EXDEV' });
    fs.renameSync('/a/sub', '/moved');
    assert.deepEqual(paths(fs), ['', 'moved']);
    assert.throws(() => fs.createSubvolumeSync('/moved'), { code: 'EEXIST' });
  });

  test('snapshots keep what was', () => {
    using volume = newVolume();
    const { fs } = volume;
    fs.createSubvolumeSync('/sub');
    fs.writeFileSync('/sub/file', 'before');
    fs.snapshotSync('/sub', '/frozen', { readOnly: true });
    fs.snapshotSync('/sub', '/free');
    fs.writeFileSync('/sub/file', 'after');
    fs.writeFileSync('/free/file', 'elsewhere');
    assert.equal(fs.readFileSync('/frozen/file', 'utf8'), 'before');
    assert.throws(() => fs.writeFileSync('/frozen/file', ''), { code: 'EROFS' });
    assert.throws(() => fs.snapshotSync('/sub/file', '/no'), { code: 'EINVAL' });
    const frozen = fs.subvolumeSync('/frozen/file');
    assert.equal(frozen.readOnly, true);
    assert.deepEqual(frozen.parentUuid, fs.subvolumeSync('/sub').uuid);
    fs.deleteSubvolumeSync('/frozen');
    fs.setSubvolumeReadOnlySync('/free', true);
    assert.throws(() => fs.rmSync('/free/file'), { code: 'EROFS' });
    fs.setSubvolumeReadOnlySync('/free', false);
    fs.rmSync('/free', { recursive: true });
    assert.deepEqual(paths(fs), ['', 'sub']);
  });

  test('the default one is the top of the next opening', () => {
    const device = lastingDevice();
    const first = createVolume(device);
    first.fs.createSubvolumeSync('/sub');
    first.fs.writeFileSync('/sub/inside', '');
    assert.throws(() => first.fs.setDefaultSubvolumeSync(999), { code: 'ENOENT' });
    first.fs.setDefaultSubvolumeSync('/sub');
    assert.throws(() => first.fs.deleteSubvolumeSync('/sub'), { code: 'EPERM' });
    first.close();

    using second = openVolume(device);
    assert.deepEqual(second.fs.readdirSync('/'), ['inside']);
    assert.deepEqual(second.fs.readdirSync('/..'), ['inside']);
    assert.equal(
      second.fs
        .listSubvolumesSync()
        .find(({ isDefault }) => isDefault)
        ?.path?.toString(),
      'sub',
    );
    using whole = openVolume(device, { subvolume: 5, readOnly: true });
    assert.deepEqual(whole.fs.readdirSync('/'), ['sub']);
  });
});

describe('ranges', () => {
  test('holes, zeros and space set aside', () => {
    using volume = newVolume();
    const { fs } = volume;
    fs.writeFileSync('/f', Buffer.alloc(64 * 1024, 1));
    fs.punchHoleSync('/f', 8192, 8192);
    fs.zeroRangeSync('/f', 32768, 4096);
    fs.fallocateSync('/f', 100_000, 50_000);
    assert.equal(fs.statSync('/f').size, 150_000);
    fs.fallocateSync('/f', 200_000, 50_000, { keepSize: true });
    assert.equal(fs.statSync('/f').size, 150_000);
    const bytes = fs.readFileSync('/f');
    assert.deepEqual(
      [bytes[8191], bytes[8192], bytes[16383], bytes[16384], bytes[32768], bytes[40000]],
      [1, 0, 0, 1, 0, 1],
    );
    assert.equal(fs.seekHoleSync('/f', 0), 8192);
    assert.equal(fs.seekDataSync('/f', 8192), 16384);
    assert.throws(() => fs.seekDataSync('/f', 149_999), { code: 'ENXIO' });
    assert.throws(() => fs.fallocateSync('/f', 0, 0), { code: 'EINVAL' });
    assert.throws(() => fs.punchHoleSync('/', 0, 10), { code: 'EISDIR' });
  });

  test('shared extents', () => {
    using volume = newVolume();
    const { fs } = volume;
    fs.writeFileSync('/a', Buffer.alloc(100_000, 'a'));
    volume.sync();
    fs.reflinkSync('/a', '/b');
    assert.deepEqual(places(fs, '/a'), places(fs, '/b'));
    fs.writeFileSync('/c', Buffer.alloc(100_000, 'a'));
    volume.sync();
    assert.ok(fs.dedupeRangeSync('/a', 0, 100_000, '/c', 0));
    assert.deepEqual(places(fs, '/a'), places(fs, '/c'));
    fs.writeFileSync('/d', Buffer.alloc(100_000, 'd'));
    assert.ok(!fs.dedupeRangeSync('/a', 0, 4096, '/d', 0));
    fs.cloneRangeSync('/a', '/d', { sourceOffset: 4096, length: 8192, offset: 12288 });
    assert.equal(fs.readFileSync('/d', 'latin1').slice(12287, 20481), `d${'a'.repeat(8192)}d`);
    assert.throws(() => fs.cloneRangeSync('/a', '/d', { sourceOffset: 1, length: 4096 }), { code: 'EINVAL' });
  });

  test('a failed reflink leaves an old file as it was, and no new one', () => {
    using volume = newVolume();
    const { fs, keyring } = volume;
    fs.mkdirSync('/secret');
    fs.setPolicySync('/secret', { keyIdentifier: keyring.add(new Uint8Array(64)) });
    fs.writeFileSync('/plain', Buffer.alloc(10_000, 'p'));
    fs.writeFileSync('/secret/old', 'old');
    assert.throws(() => fs.reflinkSync('/plain', '/secret/old'), { code: 'EINVAL' });
    assert.throws(() => fs.reflinkSync('/plain', '/secret/new'), { code: 'EINVAL' });
    assert.equal(fs.readFileSync('/secret/old', 'utf8'), 'old');
    assert.deepEqual(fs.readdirSync('/secret'), ['old']);
  });
});

test('extended attributes', () => {
  using volume = newVolume();
  const { fs } = volume;
  fs.writeFileSync('/f', '');
  fs.setxattrSync('/f', 'user.one', 'value');
  fs.setxattrSync('/f', 'user.two', Uint8Array.of(0, 255));
  assert.deepEqual(fs.getxattrSync('/f', 'user.two'), Buffer.of(0, 255));
  assert.deepEqual(fs.listxattrSync('/f').map(String).sort(), ['user.one', 'user.two']);
  assert.throws(() => fs.setxattrSync('/f', 'user.one', '', { mode: 'create' }), { code: 'EEXIST' });
  fs.removexattrSync('/f', 'user.one');
  assert.throws(() => fs.getxattrSync('/f', 'user.one'), { code: 'ENODATA', syscall: 'getxattr' });
  assert.throws(() => fs.setxattrSync('/f', 'other.one', ''), { code: 'EOPNOTSUPP' });
});

test('names that are no UTF-8, special files, large directories', () => {
  using volume = newVolume();
  const { fs } = volume;
  const odd = Buffer.from([0x2f, 0x61, 0xff, 0xfe]);
  fs.writeFileSync(odd, 'odd');
  assert.equal(fs.readFileSync(odd, 'utf8'), 'odd');
  assert.deepEqual(fs.readdirSync('/', 'buffer'), [odd.subarray(1)]);
  fs.mknodSync('/pipe', S_IFIFO | 0o600);
  assert.ok(fs.statSync('/pipe').isFIFO());
  assert.throws(() => fs.openSync('/pipe'), { code: 'ENXIO' });
  fs.mkdirSync('/many');
  for (let i = 0; i < 1000; i++) fs.mkdirSync(`/many/${i}`);
  using directory = fs.opendirSync('/many');
  assert.equal([...directory].length, 1000);
  assert.throws(() => fs.statSync(`/${'x/'.repeat(3000)}`), { code: 'ENAMETOOLONG' });
  assert.throws(
    () => fs.statSync('/a\0b'),
    (error) => isFsError(error, 'EINVAL'),
  );
});

test('exchange and no-replace', () => {
  using volume = newVolume();
  const { fs } = volume;
  fs.writeFileSync('/a', 'a');
  fs.mkdirSync('/b');
  assert.throws(() => fs.renameSync('/a', '/b', { mode: 'noreplace' }), { code: 'EEXIST' });
  fs.renameSync('/a', '/b', { mode: 'exchange' });
  assert.ok(fs.statSync('/a').isDirectory());
  assert.equal(fs.readFileSync('/b', 'utf8'), 'a');
});

function paths(fs: VolumeFs): (string | undefined)[] {
  return fs.listSubvolumesSync().map(({ path }) => path?.toString());
}

function places(fs: VolumeFs, path: string): string[] {
  return fs.extentsSync(path).map(({ fileOffset, diskBytenr, length }) => [fileOffset, diskBytenr, length].join());
}
