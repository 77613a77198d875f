/** New volumes before the judges: `btrfs check`, the kernel, and mkfs.btrfs's own layout. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { FileDevice } from '../../src/device/index.js';
import { MIN_VOLUME_SIZE, makeVolume, type NewVolumeOptions } from '../../src/mkfs/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { mustRun } from '../support/command.js';
import { withKernelMount } from '../support/kernel-mount.js';
import { temporaryPath } from '../support/temporary.js';

const GIB = 1024 ** 3;
const CHECKSUMS = ['crc32c', 'xxhash', 'sha256', 'blake2'];

function newImage(size: number, options: NewVolumeOptions): string {
  const path = temporaryPath('.img');
  const device = FileDevice.create(path, size);
  makeVolume(device, options);
  device.close();
  return path;
}

describe('a volume made by Butterlock', () => {
  for (const [checksumType, checksum] of CHECKSUMS.entries()) {
    test(`with ${checksum} is sound`, requireAbility('btrfs-progs'), () => {
      for (const nodesize of [4096, 8192, 16384, 32768, 65536]) {
        assertSound(newImage(MIN_VOLUME_SIZE, { checksumType, nodesize, label: checksum }));
      }
    });

    test(`with ${checksum} takes the kernel's writes and stays sound`, requireAbility('kernel-btrfs'), () => {
      for (const nodesize of [4096, 16384, 65536]) {
        const path = newImage(300 * 1024 ** 2, { checksumType, nodesize });
        withKernelMount(path, {}, (top) => {
          mkdirSync(join(top, 'd'));
          writeFileSync(join(top, 'd', 'file'), Buffer.alloc(3_000_000, nodesize));
          mustRun('btrfs', 'subvolume', 'snapshot', top, join(top, 'snapshot'));
        });
        assertSound(path);
        withKernelMount(path, { readOnly: true }, (top) => {
          assert.equal(readFileSync(join(top, 'snapshot', 'd', 'file')).length, 3_000_000);
        });
      }
    });
  }

  test('has the chunks that mkfs.btrfs makes', requireAbility('mkfs'), () => {
    for (const size of [MIN_VOLUME_SIZE, 300_000_001, GIB, 3 * GIB, 60 * GIB]) {
      const theirs = temporaryPath('.img');
      writeFileSync(theirs, '');
      truncateSync(theirs, size);
      mustRun('mkfs.btrfs', '-q', theirs);
      assert.deepEqual(chunkLines(newImage(size, {})), chunkLines(theirs), `on ${size} bytes`);
    }
  });
});

/** The chunk and device trees as dumped, without what differs from volume to volume. */
function chunkLines(imagePath: string): string[] {
  const trees = ['chunk', 'dev'].map((tree) =>
    mustRun('btrfs', 'inspect-internal', 'dump-tree', '-t', tree, imagePath),
  );
  return trees.flatMap((dump) => dump.split('\n').filter((line) => /^\t/.test(line) && !/uuid|fsid/.test(line)));
}
