/** The mark of the context layout lies where neither `btrfs check` nor the kernel minds it, and both keep it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { COMPAT_CONTEXT_IN_ITEM, COMPAT_CONTEXT_TRAILING } from '../../src/format/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { withKernelMount } from '../support/kernel-mount.js';
import { bytes, newVolume, openVolume } from '../support/new-volume.js';

describe('layout marker', requireAbility('btrfs-progs', 'root', 'loop', 'kernel-btrfs'), () => {
  for (const mark of [COMPAT_CONTEXT_IN_ITEM, COMPAT_CONTEXT_TRAILING]) {
    it(`survives check and kernel, compat bits 0x${mark.toString(16)}`, () => {
      const { filesystem, path, close } = newVolume();
      // Without the feature bit of encryption, which this kernel does not open.
      filesystem.transaction.volume.superblock.compatFlags = mark;
      filesystem.transaction.superblockChanged = true;
      close();
      assertSound(path);
      withKernelMount(path, {}, (top) => writeFileSync(join(top, 'by the kernel'), 'x'));
      assertSound(path);
      const again = openVolume(path);
      assert.equal(again.filesystem.transaction.volume.superblock.compatFlags, mark);
      assert.ok(again.filesystem.lookup(again.root, bytes('by the kernel')).isRegular);
      again.close();
    });
  }
});
