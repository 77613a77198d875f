import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, isFsError, viewOf, writeU53 } from '../../../src/bytes/index.js';
import {
  type BlockDevice,
  FileDevice,
  MemoryDevice,
  OverlayDevice,
  RecordingDevice,
} from '../../../src/device/index.js';
import {
  BLOCK_GROUP_DUP,
  BLOCK_GROUP_RAID1,
  CHUNK_TREE_OBJECTID,
  COMPAT_RO_VERITY,
  FIRST_CHUNK_TREE_OBJECTID,
  HEADER,
  INCOMPAT_RAID56,
  Key,
} from '../../../src/format/index.js';
import { type ChunkMapping, openVolumeDevices, type Volume } from '../../../src/volume/index.js';
import { buildNode } from '../../support/block.js';
import { imagePath } from '../../support/images.js';
import { changeSuper, replaceBlock } from '../../support/reseal.js';

const MiB = 1024 ** 2;
const MIRROR = 64 * MiB;
const base = FileDevice.open(imagePath('basic'), { readOnly: true });

function freshDevice(): OverlayDevice {
  return new OverlayDevice(base);
}

function open(device: BlockDevice): { volume: Volume; warnings: string[] } {
  const warnings: string[] = [];
  return { volume: openVolumeDevices(device, { warn: (message) => warnings.push(message) }), warnings };
}

function fails(code: ErrorCode, text: RegExp, run: () => unknown): void {
  assert.throws(run, (error: Error) => isFsError(error, code) && text.test(error.message));
}

function damage(device: BlockDevice, offset: number, length = 1): void {
  const bytes = new Uint8Array(length);
  device.read(offset, bytes);
  device.write(
    offset,
    bytes.map((byte) => byte ^ 0xff),
  );
}

test('a torn first superblock is replaced by its copy, and the volume stays writable', () => {
  const device = freshDevice();
  damage(device, 65536 + 2000, 512);
  const { volume, warnings } = open(device);
  assert.equal(volume.readOnly, false);
  assert.match(warnings.join(), /checksum mismatch; using the copy at byte 67108864/);
});

test('a copy alone identifies the volume only for reading', () => {
  const device = freshDevice();
  device.write(65536, new Uint8Array(4096));
  const { volume } = open(device);
  assert.match(volume.readOnlyReasons.join(), /first superblock is gone/);
  fails('EROFS', /first superblock is gone/, () => volume.writeLogical(volume.superblock.root, new Uint8Array(4096)));
});

test('a copy of another volume is not believed', () => {
  const device = freshDevice();
  changeSuper(
    device,
    (superblock) => {
      superblock.fsid = new Uint8Array(16).fill(7);
      superblock.generation += 1000;
    },
    MIRROR,
  );
  assert.deepEqual(open(device).warnings, []);
  damage(device, 65536 + 2000);
  fails('EUCLEAN', /checksum mismatch/, () => open(device));
});

test('no volume, and a volume cut short', () => {
  fails('EINVAL', /no btrfs volume/, () => open(new MemoryDevice(100 * MiB)));
  fails('EINVAL', /too small/, () => open(new MemoryDevice(4096)));
  const whole = new Uint8Array(100 * MiB);
  base.read(0, whole);
  const short = new MemoryDevice(whole.length);
  short.write(0, whole);
  fails('EINVAL', /cut short/, () => open(short));
});

test('features that are not supported', () => {
  const device = freshDevice();
  changeSuper(device, (superblock) => {
    superblock.incompatFlags |= INCOMPAT_RAID56 | (1n << 40n);
  });
  fails('EOPNOTSUPP', /RAID56, bit 40/, () => open(device));
});

test('features that only forbid writing', () => {
  const device = freshDevice();
  changeSuper(device, (superblock) => {
    superblock.compatRoFlags |= COMPAT_RO_VERITY | (1n << 50n);
    superblock.flags |= 1n << 2n;
  });
  const { volume } = open(device);
  assert.deepEqual(volume.readOnlyReasons, [
    'features only for reading: VERITY, bit 50',
    'the superblock records an error',
  ]);
});

test('more devices, and odd sizes', () => {
  const device = freshDevice();
  changeSuper(device, (superblock) => {
    superblock.numDevices = 2;
  });
  fails('EOPNOTSUPP', /2 devices/, () => open(device));
  changeSuper(device, (superblock) => {
    superblock.numDevices = 1;
    superblock.nodesize = 3000;
  });
  fails('EUCLEAN', /node size 3000/, () => open(device));
});

const DUP = 2 ** 45;

/** Gives the volume a DUP chunk at logical {@link DUP}, its stripes over what else is there. */
function addDupChunk(volume: Volume): void {
  const [known] = volume.chunkMap;
  const stripe = known?.chunk.stripes[0];
  assert.ok(known !== undefined && stripe !== undefined);
  const stripes = [100 * MiB, 120 * MiB].map((offset) => ({ ...stripe, offset }));
  volume.addChunk({ logical: DUP, chunk: { ...known.chunk, type: BLOCK_GROUP_DUP | 4n, length: MiB, stripes } });
}

test('metadata comes from the good copy, and the bad one is reported once', () => {
  const device = freshDevice();
  const { volume, warnings } = open(device);
  const { root, rootLevel: level, generation } = volume.superblock;
  const block = volume.readMetadata(root, {});
  writeU53(viewOf(block), HEADER.bytenr, DUP);
  addDupChunk(volume);
  replaceBlock(volume, DUP, block);
  damage(device, 100 * MiB + 5000);
  assert.deepEqual(volume.readMetadata(DUP, { level, generation }), block);
  volume.readMetadata(DUP, { level, generation });
  assert.equal(warnings.length, 1);
  assert.deepEqual(
    volume.badCopies.map(({ logical, physical }) => ({ logical, physical })),
    [{ logical: DUP, physical: 100 * MiB }],
  );
  damage(device, 120 * MiB + 5000);
  fails('EIO', /checksum mismatch/, () => volume.readMetadata(DUP, {}));
});

test('a block that is not the one its parent means', () => {
  const { volume } = open(freshDevice());
  const { root, rootLevel: level, generation } = volume.superblock;
  fails('EUCLEAN', /level/, () => volume.readMetadata(root, { level: level + 1 }));
  fails('EUCLEAN', /generation/, () => volume.readMetadata(root, { generation: generation - 1 }));
  fails('EUCLEAN', /belongs to tree 1, found in tree 2/, () => volume.readMetadata(root, { owner: 2 }));
  fails('EUCLEAN', /does not begin with key/, () => volume.readMetadata(root, { firstKey: new Key(1, 1, 1) }));
  fails('EUCLEAN', /no chunk holds/, () => volume.readMetadata(2 ** 50, {}));
});

test('data is verified sector by sector over both copies', () => {
  const device = freshDevice();
  const { volume, warnings } = open(device);
  addDupChunk(volume);
  const data = Uint8Array.from({ length: 4 * 4096 }, (_, i) => i % 251);
  volume.writeLogical(DUP, data);
  const checksums = new Uint8Array(4 * volume.checksum.size);
  volume.checksum.digestSectors(data, 4096, checksums);
  damage(device, 100 * MiB + 4096);
  damage(device, 120 * MiB + 8192);
  const into = new Uint8Array(data.length);
  volume.readDataVerified(DUP, into, checksums);
  assert.deepEqual(into, data);
  assert.equal(warnings.length, 1);
  damage(device, 120 * MiB + 4096);
  fails('EIO', new RegExp(`logical ${DUP + 4096}: checksum`), () => {
    volume.readDataVerified(DUP, into, checksums);
  });
});

test('superblocks: the first is durable before its copies are touched', () => {
  const device = new RecordingDevice(base);
  const { volume } = open(device);
  const generation = volume.superblock.generation + 1;
  volume.writeSupers({ ...volume.superblock, generation });
  volume.flush();
  const events = device.events.map((event) => (event.kind === 'write' ? event.offset : event.kind));
  assert.deepEqual(events, [65536, 'flush', MIRROR, 'flush']);
  // Everything but generation and checksum is as it was, reserved bytes included.
  const before = new Uint8Array(4096);
  const after = new Uint8Array(4096);
  for (const offset of [65536, MIRROR]) {
    base.read(offset, before);
    device.read(offset, after);
    const changed = [...after.keys()].filter((i) => after[i] !== before[i]);
    assert.ok(changed.every((i) => i < 32 || (i >= 72 && i < 80)));
    assert.ok(changed.some((i) => i >= 72));
  }
});

test('chunks: overlaps, ends of devices, profiles', () => {
  const { volume } = open(freshDevice());
  const [known] = volume.chunkMap;
  assert.ok(known !== undefined);
  const { totalBytes } = volume.superblock.devItem;
  const at = (logical: number, change: Partial<ChunkMapping['chunk']>): ChunkMapping => {
    return { logical, chunk: { ...known.chunk, ...change } };
  };
  fails('EUCLEAN', /overlaps/, () => volume.addChunk(at(known.logical + 65536, {})));
  fails('EUCLEAN', /past the end/, () => volume.addChunk(at(2 ** 45, { length: totalBytes })));
  fails('EOPNOTSUPP', /RAID1 /, () => volume.addChunk(at(2 ** 45, { type: BLOCK_GROUP_RAID1 | 1n })));
  volume.addChunk(at(2 ** 45, {}));
  assert.equal(volume.copies(2 ** 45, known.chunk.length).length, known.chunk.stripes.length);
  fails('EUCLEAN', /no chunk holds/, () => volume.copies(2 ** 45, known.chunk.length + 1));
  volume.removeChunk(2 ** 45);
  assert.equal(volume.chunkMap.find(2 ** 45), undefined);
});

test('a chunk tree that runs in circles ends with an error', () => {
  const device = freshDevice();
  const { volume } = open(device);
  const { chunkRoot, chunkRootGeneration: generation } = volume.superblock;
  const child = (logical: number) => {
    return { key: new Key(FIRST_CHUNK_TREE_OBJECTID, 228, logical), blockptr: chunkRoot, generation };
  };
  const block = buildNode([child(4096), child(8192)], {
    nodesize: volume.nodesize,
    owner: CHUNK_TREE_OBJECTID,
    generation,
    bytenr: chunkRoot,
    fsid: volume.metadataUuid,
  });
  replaceBlock(volume, chunkRoot, block);
  changeSuper(device, (superblock) => {
    superblock.chunkRootLevel = 1;
  });
  fails('EUCLEAN', /two parents/, () => open(device));
});
