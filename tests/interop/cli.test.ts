/** The command line and the kernel on the same volumes: plain images, loop devices, space. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openVolume } from '../../src/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { mustRun } from '../support/command.js';
import { butterlock, mustButterlock } from '../support/command-line.js';
import { withKernelMount } from '../support/kernel-mount.js';
import { readNativeTree } from '../support/native-tree.js';
import { temporaryPath } from '../support/temporary.js';

const MIB = 1024 ** 2;

function makeSource(): string {
  const top = temporaryPath('-source');
  mkdirSync(join(top, 'deep/er'), { recursive: true });
  writeFileSync(join(top, 'small'), 'small');
  writeFileSync(join(top, 'deep/er/large'), Buffer.alloc(5 * MIB + 1, 'large'));
  return top;
}

test(
  'the kernel sees what was put, and get brings back what the kernel wrote',
  requireAbility('kernel-btrfs'),
  async () => {
    const image = temporaryPath('.img');
    const source = makeSource();
    await mustButterlock(['create', image, '--size', '300M', '--no-encrypt']);
    await mustButterlock(['put', '-r', image, source, '/tree']);
    await mustButterlock(['subvolume', 'create', image, '/sub']);
    await mustButterlock(['subvolume', 'snapshot', '-r', image, '/sub', '/snap']);
    assertSound(image);
    const sourceEntries = readNativeTree(source).filter(({ type }) => type === 'file');
    withKernelMount(image, {}, (top) => {
      const seen = readNativeTree(join(top, 'tree')).filter(({ type }) => type === 'file');
      assert.deepEqual(seen.map(withoutIno), sourceEntries.map(withoutIno));
      writeFileSync(join(top, 'sub', 'by-kernel'), Buffer.alloc(MIB, 'kernel'));
    });
    const back = temporaryPath();
    await mustButterlock(['get', image, '/sub/by-kernel', back]);
    assert.ok(readFileSync(back).equals(Buffer.alloc(MIB, 'kernel')));
  },
);

function withoutIno<T extends { ino: number }>({ ino: _ino, ...entry }: T): Omit<T, 'ino'> {
  return entry;
}

test('a block device is an image too, and one in use is refused', requireAbility('kernel-btrfs'), async () => {
  const image = temporaryPath('.img');
  writeFileSync(image, '');
  truncateSync(image, 300 * MIB);
  const device = mustRun('losetup', '--find', '--show', image).trim();
  try {
    const sized = await butterlock(['create', device, '--size', '200M']);
    assert.deepEqual([sized.status, /a device has the size that it has/.test(sized.stderr)], [1, true]);
    await mustButterlock(['create', device, '--no-encrypt']);
    await mustButterlock(['mkdir', device, '/d']);
    const byFile = await butterlock(['mkdir', image, '/e']);
    assert.deepEqual([byFile.status, /attached to \/dev\/loop/.test(byFile.stderr)], [5, true]);
    const top = temporaryPath('-mount');
    mkdirSync(top);
    mustRun('mount', device, top);
    try {
      const whileMounted = await butterlock(['mkdir', device, '/e']);
      assert.deepEqual([whileMounted.status, /mounted at/.test(whileMounted.stderr)], [5, true]);
      assert.equal(await mustButterlock(['ls', device]), 'd\n');
    } finally {
      mustRun('umount', top);
    }
  } finally {
    mustRun('losetup', '--detach', device);
  }
  assertSound(image);
});

test('space is counted as the kernel counts it', requireAbility('kernel-btrfs'), async () => {
  for (const nodesize of ['4k', '16k', '64k']) {
    const image = temporaryPath('.img');
    await mustButterlock(['create', image, '--size', '400M', '--no-encrypt', '--nodesize', nodesize]);
    await mustButterlock(['write', image, '/file'], { input: Buffer.alloc(20 * MIB, 'x') });
    using volume = openVolume(image, { readOnly: true });
    const { bsize, blocks, bfree, bavail } = volume.fs.statfsSync();
    volume.close();
    withKernelMount(image, {}, (top) => {
      const kernel = statfsSync(top);
      const wanted = [kernel.bsize, kernel.blocks, kernel.bfree, kernel.bavail];
      assert.deepEqual([bsize, blocks, bfree, bavail], wanted, nodesize);
    });
  }
});
