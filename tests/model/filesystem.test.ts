/**
 * Random operations on a volume and on the model: both show the same at every reopening, and
 * btrfs check, the kernel and the audit of contexts find the volume sound in the end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createVolume, type PolicyOptions } from '../../src/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { auditEncryption } from '../support/encryption-audit.js';
import { scrubMounted, withKernelMount } from '../support/kernel-mount.js';
import { LibraryFilesystem, type LibraryOptions } from '../support/library-filesystem.js';
import { listVolume, type VolumeEntry } from '../support/list-volume.js';
import { ModelFilesystem } from '../support/model.js';
import { assertSameState, modelSteps, type Step, type StepOptions } from '../support/model-steps.js';
import { NativeFilesystem } from '../support/native-filesystem.js';
import { randomRuns } from '../support/random-runs.js';
import { temporaryPath } from '../support/temporary.js';

const needs = requireAbility('btrfs-progs', 'kernel-btrfs');
const IMAGE_BYTES = 256 * 1024 ** 2;
const MASTER_KEY = Uint8Array.from({ length: 64 }, (_value, index) => index + 1);

type Layout = 'item' | 'trailing' | undefined;

/** Makes a volume and calls for each of its random sequences of steps, which end with the volume closed. */
function check(
  layout: Layout,
  options: StepOptions,
  judge: (image: string, keyed: LibraryOptions, model: ModelFilesystem) => void,
): void {
  const steps = fc.commands(modelSteps({ ...options, reopen: true }), { maxCommands: 80, size: 'max' });
  fc.assert(
    fc.property(steps, (sequence) => {
      const image = temporaryPath('.img');
      const library = newVolume(image, layout);
      const model = new ModelFilesystem();
      const real = new LibraryFilesystem(image, library);
      try {
        runSteps(model, real, layout, sequence);
      } finally {
        real.close();
      }
      judge(image, library, model);
    }),
    { ...randomRuns(15), interruptAfterTimeLimit: 300_000 },
  );
}

function newVolume(image: string, layout: Layout): LibraryOptions {
  const keys = layout === undefined ? [] : [MASTER_KEY];
  const volume = createVolume(image, {
    size: IMAGE_BYTES,
    keys,
    ...(layout && { extentContext: layout }),
    force: true,
  });
  const [keyIdentifier] = volume.keyring.identifiers();
  volume.fs.chmodSync('/', 0o755);
  volume.fs.chownSync('/', 0, 0);
  volume.close();
  return { keys, policies: keyIdentifier === undefined ? {} : policiesOf(keyIdentifier) };
}

function policiesOf(keyIdentifier: Uint8Array): Record<string, PolicyOptions> {
  return {
    xts: { keyIdentifier },
    essiv: { keyIdentifier, contentsMode: 5, filenamesMode: 6, padding: 4 },
  };
}

function runSteps(model: ModelFilesystem, real: LibraryFilesystem, layout: Layout, steps: Iterable<Step>): void {
  // In `trailing` an empty file cannot leave the encrypted directory it takes its policy from.
  if (layout === 'trailing') for (const each of [model, real]) each.setPolicy('/', 'xts');
  fc.modelRun(() => ({ model, real }), steps);
  assertSameState(real, model);
  real.reopen();
  assertSameState(real, model);
}

/** Without the key everything is there but names and contents. */
function assertLocked(image: string, keys: readonly Uint8Array[]): void {
  const about = ({ root, ino }: VolumeEntry): string => `${root}:${ino}`;
  const known = new Map(listVolume(image, keys).entries.map((entry) => [about(entry), entry]));
  for (const entry of listVolume(image, []).entries.filter(({ ino }) => ino !== undefined && ino !== 2)) {
    const { type, mode, uid, gid, nlink, mtimeNs, xattrs, encrypted, sha256 } = known.get(about(entry)) ?? {};
    const seen = { type: entry.type, mode: entry.mode, uid: entry.uid, gid: entry.gid, nlink: entry.nlink };
    assert.deepEqual(
      { ...seen, mtimeNs: entry.mtimeNs, xattrs: entry.xattrs },
      { type, mode, uid, gid, nlink, mtimeNs, xattrs },
    );
    if (type === 'file') assert.equal(entry.sha256 ?? entry.openError, encrypted === true ? 'ENOKEY' : sha256);
  }
}

test('a plain volume behaves as the model, and the kernel sees the same', needs, () => {
  check(undefined, {}, (image, _options, model) => {
    assertSound(image);
    withKernelMount(image, {}, (top) => {
      scrubMounted(top);
      assertSameState(new NativeFilesystem(top), model);
    });
    assertSound(image);
  });
});

for (const layout of ['item', 'trailing'] as const) {
  test(`an encrypted volume behaves as the model, contexts in the layout ${layout}`, needs, () => {
    const policies = layout === 'item' ? ['xts', 'essiv'] : [];
    check(layout, { policies }, (image, { keys = [] }) => {
      assert.deepEqual(auditEncryption(image, layout), []);
      assertLocked(image, keys);
      const cleared = copyWithoutMarks(image);
      assertSound(cleared);
      withKernelMount(cleared, {}, scrubMounted);
    });
  });
}
