/**
 * Random operations on file data, judged by `btrfs check` with data checksums and by the audit of
 * contexts and nonces. Encrypted volumes are judged with the marks of encryption cleared.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FileDevice } from '../../src/device/index.js';
import { createSnapshot, type Filesystem } from '../../src/filesystem/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { auditEncryption } from '../support/encryption-audit.js';
import { runSteps, steps, VARIANTS } from '../support/file-data-steps.js';
import { newDevice } from '../support/new-filesystem.js';
import { temporaryPath } from '../support/temporary.js';

/** Sequences per volume, each in a directory of its own. */
const SEQUENCES = 12;
const SEED = 20260206;

/** A snapshot in every tenth step, so that later steps change shared extents. */
function snapshotNow(filesystem: Filesystem, name: string): void {
  const root = filesystem.root();
  createSnapshot(root.subvolume, root, Buffer.from(name), false);
}

describe('file data that btrfs check accepts', () => {
  for (const [name, options] of Object.entries(VARIANTS)) {
    it(name, requireAbility('btrfs-progs'), () => {
      const path = temporaryPath('.img');
      newDevice({ ...options, path }).close();
      fc.sample(steps, { numRuns: SEQUENCES, seed: SEED }).forEach((sequence, i) => {
        const device = FileDevice.open(path, { readOnly: false });
        runSteps(device, `dir${i}`, sequence, (filesystem, step) => {
          if (step % 10 === 9) snapshotNow(filesystem, `snapshot${i}-${step}`);
        });
        device.close();
      });
      if (options.layout === undefined) return assertSound(path);
      assert.deepEqual(auditEncryption(path), []);
      assertSound(copyWithoutMarks(path));
    });
  }
});
