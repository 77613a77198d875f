/** A new volume, read back through src/volume; what mkfs refuses; what it clears and recognises. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { isFsError, type RandomSource } from '../../../src/bytes/index.js';
import { MemoryDevice } from '../../../src/device/index.js';
import { COMPAT_CONTEXT_IN_ITEM, COMPAT_CONTEXT_TRAILING, INCOMPAT_ENCRYPT, SUPER } from '../../../src/format/index.js';
import { MIN_VOLUME_SIZE, makeVolume, newChunks, probeFilesystem } from '../../../src/mkfs/index.js';
import { openVolumeDevices } from '../../../src/volume/index.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

function digest(device: MemoryDevice): string {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(MIB);
  for (let at = 0; at < device.size; at += piece.length) {
    const bytes = piece.subarray(0, Math.min(piece.length, device.size - at));
    device.read(at, bytes);
    hash.update(bytes);
  }
  return hash.digest('hex');
}

function countingRandom(): RandomSource {
  let next = 0;
  return {
    fill(into) {
      for (let i = 0; i < into.length; i++) into[i] = next++ & 0xff;
    },
  };
}

describe('makeVolume', () => {
  test('a new volume opens with what it was made with', () => {
    for (const checksumType of [0, 1, 2, 3]) {
      for (const nodesize of [4096, 16384, 65536]) {
        const device = new MemoryDevice(MIN_VOLUME_SIZE);
        const uuid = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
        makeVolume(device, { label: 'photos', uuid, checksumType, nodesize });
        const { superblock, chunkMap, readOnlyReasons } = openVolumeDevices(device);
        assert.deepEqual(Buffer.from(superblock.fsid), uuid);
        assert.equal(Buffer.from(superblock.label).toString(), 'photos');
        assert.equal(superblock.csumType, checksumType);
        assert.equal(superblock.nodesize, nodesize);
        assert.equal(superblock.totalBytes, MIN_VOLUME_SIZE);
        assert.equal(chunkMap.size, 3);
        assert.deepEqual(readOnlyReasons, []);
      }
    }
  });

  test('an encrypted volume remembers its layout before it holds anything', () => {
    const marks = { item: COMPAT_CONTEXT_IN_ITEM, trailing: COMPAT_CONTEXT_TRAILING } as const;
    for (const extentContext of ['item', 'trailing'] as const) {
      const device = new MemoryDevice(MIN_VOLUME_SIZE);
      makeVolume(device, { extentContext });
      const { superblock } = openVolumeDevices(device);
      assert.equal(superblock.compatFlags, marks[extentContext]);
      assert.equal(superblock.incompatFlags & INCOMPAT_ENCRYPT, INCOMPAT_ENCRYPT);
    }
  });

  test('the same clock and randomness give the same bytes', () => {
    const digests = [0, 1].map(() => {
      const device = new MemoryDevice(MIN_VOLUME_SIZE);
      makeVolume(device, { random: countingRandom(), clock: { now: () => ({ sec: 1_700_000_000, nsec: 5 }) } });
      return digest(device);
    });
    assert.equal(digests[0], digests[1]);
  });

  test('bad options are refused before anything is written', () => {
    const bad = [
      { size: MIN_VOLUME_SIZE - 1, options: {} },
      { size: MIN_VOLUME_SIZE, options: { nodesize: 2048 } },
      { size: MIN_VOLUME_SIZE, options: { nodesize: 12288 } },
      { size: MIN_VOLUME_SIZE, options: { nodesize: 131072 } },
      { size: MIN_VOLUME_SIZE, options: { label: 'x'.repeat(256) } },
      { size: MIN_VOLUME_SIZE, options: { label: 'two\nlines' } },
      { size: MIN_VOLUME_SIZE, options: { uuid: new Uint8Array(15) } },
      { size: MIN_VOLUME_SIZE, options: { checksumType: 9 } },
    ];
    for (const { size, options } of bad) {
      const device = new MemoryDevice(size);
      assert.throws(
        () => makeVolume(device, options),
        (error) => isFsError(error, 'EINVAL', 'EOPNOTSUPP', 'EUCLEAN'),
      );
      assert.equal(device.allocatedBytes, 0, JSON.stringify(options));
    }
  });

  test('superblocks of an earlier filesystem are cleared, a copy beyond the new size too', () => {
    const device = new MemoryDevice(257 * GIB);
    const foreign = Buffer.alloc(4096, 0xaa);
    for (const offset of [64 * MIB, 256 * GIB]) device.write(offset, foreign);
    device.write(device.size - 4096, foreign);
    makeVolume(device);
    const last = Buffer.alloc(4096);
    device.read(device.size - 4096, last);
    assert.ok(last.every((byte) => byte === 0));
    for (const offset of [64 * MIB, 256 * GIB]) {
      const copy = Buffer.alloc(4096);
      device.read(offset, copy);
      assert.equal(copy.toString('latin1', SUPER.magic, SUPER.magic + 8), '_BHRfS_M');
      assert.equal(Number(copy.readBigUInt64LE(SUPER.bytenr)), offset);
    }
  });
});

test('metadata chunks have the sizes that mkfs.btrfs gives them', () => {
  const measured = new Map([
    [MIN_VOLUME_SIZE, 32 * MIB],
    [512 * MIB, 32 * MIB],
    [GIB, 53_673_984],
    [2 * GIB, 107_347_968],
    [2.5 * GIB, 256 * MIB],
    [50 * GIB, 256 * MIB],
    [60_000_000_000 - (60_000_000_000 % 4096), GIB],
    [100 * GIB, GIB],
  ]);
  for (const [size, length] of measured) {
    const [, , metadata] = newChunks(size, { devid: 1, uuid: new Uint8Array(16) });
    assert.equal(metadata.chunk.length, length, `on ${size} bytes`);
  }
});

describe('probeFilesystem', () => {
  const marks: [at: number, magic: string, name: RegExp][] = [
    [0x438, '53ef', /ext/],
    [0, '58465342', /XFS/],
    [0, '4c554b53babe', /LUKS/],
    [3, '4e54465320202020', /NTFS/],
    [0x52, '4641543332202020', /FAT/],
    [4086, '5357415053504143 4532', /swap/],
    [0x8001, '4344303031', /ISO 9660/],
    [512, '4546492050415254', /GPT/],
    [128 * 1024 + 5 * 1024, '0cb1ba0000000000', /ZFS/],
    [0x1018, 'c68573f666ce90a9d96a60cf803df7ef', /bcachefs/],
    [0, '68737173', /SquashFS/],
    [64 * MIB + 64, '5f42485266535f4d', /btrfs/],
  ];
  test('knows what is there', () => {
    for (const [at, magic, name] of marks) {
      const device = new MemoryDevice(MIN_VOLUME_SIZE);
      device.write(at, Buffer.from(magic.replaceAll(' ', ''), 'hex'));
      assert.match(probeFilesystem(device) ?? 'nothing', name);
    }
  });

  test('a DOS partition table counts when it has a partition', () => {
    const device = new MemoryDevice(MIN_VOLUME_SIZE);
    device.write(510, Buffer.from([0x55, 0xaa]));
    assert.equal(probeFilesystem(device), undefined);
    device.write(446 + 4, Buffer.from([0x83]));
    assert.match(probeFilesystem(device) ?? 'nothing', /partition/);
  });

  test('zeros and other bytes are nothing known, on devices of any size', () => {
    assert.equal(probeFilesystem(new MemoryDevice(MIN_VOLUME_SIZE)), undefined);
    for (const size of [0, 1, 511, 4096]) assert.equal(probeFilesystem(new MemoryDevice(size)), undefined);
    const device = new MemoryDevice(MIB);
    device.write(0, Buffer.alloc(MIB, 'not a filesystem '));
    assert.equal(probeFilesystem(device), undefined);
  });
});
