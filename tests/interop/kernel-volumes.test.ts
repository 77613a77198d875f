/** Volumes that the kernel wrote read the same through Butterlock, take its writes, and are still sound. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openVolume, type VolumeFs } from '../../src/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import type { Entry } from '../support/entries.js';
import {
  comparableEntries,
  KERNEL_SCENARIOS,
  listWithKernel,
  makeInterruptedVolume,
  makeKernelVolume,
  PLACEHOLDER_INO,
} from '../support/kernel-volumes.js';
import { listVolume } from '../support/list-volume.js';
import { patternBytes } from '../support/model-steps.js';

const needs = requireAbility('btrfs-progs', 'kernel-btrfs');

/** Our listing, without what a kernel does not tell. */
function listAsKernel(imagePath: string): Entry[] {
  const { entries, warnings } = listVolume(imagePath);
  assert.deepEqual(warnings, []);
  return comparableEntries(entries.map(({ root, encrypted, ...entry }) => entry as Entry));
}

/** Changes some of everything: contents, names, attributes, subvolumes. */
function workOn(fs: VolumeFs): void {
  const readOnly = new Set(
    fs
      .listSubvolumesSync()
      .filter((each) => each.readOnly)
      .map(({ id }) => id),
  );
  const paths = fs.readdirSync('/', { recursive: true, encoding: 'buffer' }) as Buffer[];
  for (const [index, path] of paths.entries()) {
    const stats = fs.lstatSync(path);
    if (stats.ino === PLACEHOLDER_INO || readOnly.has(stats.dev)) continue;
    if (!stats.isFile()) fs.lchownSync(path, index, index);
    else if (index % 4 === 0) fs.truncateSync(path, Math.floor(stats.size / 2));
    else if (index % 4 === 1 && stats.size < 2 ** 30) fs.appendFileSync(path, patternBytes(index, 5000));
    else if (index % 4 === 2) fs.setxattrSync(path, 'user.seen', `${index}`);
    else fs.unlinkSync(path);
  }
  fs.mkdirSync('/ours');
  for (let index = 0; index < 300; index++) fs.writeFileSync(`/ours/${index}`, patternBytes(index, index * 20));
  fs.writeFileSync('/ours/large', patternBytes(1, 3_000_000));
  fs.createSubvolumeSync('/ours/subvolume');
  fs.reflinkSync('/ours/large', '/ours/subvolume/clone');
  fs.snapshotSync('/', '/ours/snapshot');
  fs.rmSync('/ours/snapshot/ours', { recursive: true });
}

function assertTakesWrites(imagePath: string): void {
  const volume = openVolume(imagePath);
  try {
    assert.deepEqual(volume.info.readOnlyReasons, []);
    workOn(volume.fs);
  } finally {
    volume.close();
  }
  assertSound(imagePath);
  assert.deepEqual(listAsKernel(imagePath), listWithKernel(imagePath));
}

for (const scenario of KERNEL_SCENARIOS) {
  test(`a volume of the kernel: ${scenario.name}`, needs, () => {
    const { imagePath, entries } = makeKernelVolume(scenario);
    assert.deepEqual(listAsKernel(imagePath), entries);
    assertTakesWrites(imagePath);
  });
}

test('what the kernel had begun to delete is hidden, then finished by the first writable opening', needs, () => {
  const { imagePath, entries } = makeInterruptedVolume();
  assert.deepEqual(listAsKernel(imagePath), entries);
  const before = usedBytes(imagePath, true);
  openVolume(imagePath).close();
  assert.ok(usedBytes(imagePath, true) < before - 2_000_000, 'the space of what was deleted is free');
  assertSound(imagePath);
  assert.deepEqual(listWithKernel(imagePath), entries);
});

function usedBytes(imagePath: string, readOnly: boolean): number {
  const volume = openVolume(imagePath, { readOnly });
  const { usedBytes } = volume.info;
  volume.close();
  return usedBytes;
}
