/**
 * Random operations with trims among them, on a device on which everything that was given back
 * turns to garbage: not a byte in use is ever given back.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createVolume } from '../../src/index.js';
import { ForgetfulDevice } from '../support/forgetful-device.js';
import { LibraryFilesystem } from '../support/library-filesystem.js';
import { ModelFilesystem } from '../support/model.js';
import { assertSameState, modelSteps, type Step } from '../support/model-steps.js';
import { randomRuns } from '../support/random-runs.js';

const SIZE = 256 * 1024 ** 2;
const KEY = Uint8Array.from({ length: 64 }, (_value, index) => index + 1);

class Trim implements Step {
  check(): boolean {
    return true;
  }

  run(_model: ModelFilesystem, real: LibraryFilesystem): void {
    assert.ok(real.trim() > 0);
  }

  toString(): string {
    return 'trim';
  }
}

const trim = fc.constant(undefined).map((): Step => new Trim());

for (const kind of ['plain', 'encrypted'] as const) {
  test(`what is in use outlives every trim, ${kind}`, () => {
    const steps = [...modelSteps({ reopen: true, policies: kind === 'encrypted' ? ['xts'] : [] }), trim, trim];
    fc.assert(
      fc.property(fc.commands(steps, { maxCommands: 80, size: 'max' }), (sequence) => {
        const device = new ForgetfulDevice(SIZE);
        const volume = createVolume(device, { keys: [KEY], ...(kind === 'encrypted' && { extentContext: 'item' }) });
        volume.fs.chmodSync('/', 0o755);
        volume.fs.chownSync('/', 0, 0);
        const [keyIdentifier = new Uint8Array(0)] = volume.keyring.identifiers();
        volume.close();
        const real = new LibraryFilesystem(device, { keys: [KEY], policies: { xts: { keyIdentifier } } });
        const model = new ModelFilesystem();
        fc.modelRun(() => ({ model, real }), sequence);
        real.trim();
        real.reopen();
        assertSameState(real, model);
      }),
      randomRuns(25),
    );
  });
}
