/** The kernel-made encrypted images are sound volumes once the marks of encryption are cleared. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { imagePath, MANIFEST_NAMES } from '../support/images.js';
import { scrubMounted, withKernelMount } from '../support/kernel-mount.js';

const needs = requireAbility('btrfs-progs', 'kernel-btrfs');

/** `dirtylog` waits for the replay of a log that holds contexts, which a kernel without them cannot do. */
for (const name of MANIFEST_NAMES.filter((each) => each !== 'dirtylog')) {
  test(`${name} with its marks cleared passes btrfs check, mounts, scrubs and takes a write`, needs, () => {
    const cleared = copyWithoutMarks(imagePath(name));
    assertSound(cleared);
    withKernelMount(cleared, {}, (top) => {
      scrubMounted(top);
      mkdirSync(join(top, 'written by the kernel'));
      writeFileSync(join(top, 'written by the kernel', 'file'), Buffer.alloc(100_000, 'x'));
    });
    assertSound(cleared);
    const written = withKernelMount(cleared, { readOnly: true }, (top) =>
      readFileSync(join(top, 'written by the kernel', 'file')),
    );
    assert.equal(written.length, 100_000);
  });
}
