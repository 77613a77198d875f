/** The model shows what the kernel's btrfs shows after the same calls: the judge judged. */
import { test } from 'node:test';
import fc from 'fast-check';
import { requireAbility } from '../support/abilities.js';
import { mustRun } from '../support/command.js';
import { withKernelMount } from '../support/kernel-mount.js';
import { ModelFilesystem } from '../support/model.js';
import { assertSameState, modelSteps } from '../support/model-steps.js';
import { NativeFilesystem } from '../support/native-filesystem.js';
import { temporaryPath } from '../support/temporary.js';

test('the model agrees with the kernel', requireAbility('btrfs-progs', 'kernel-btrfs'), () => {
  const image = temporaryPath('.img');
  mustRun('truncate', '-s', '512M', image);
  mustRun('mkfs.btrfs', '-q', image);
  withKernelMount(image, {}, (mountPoint) => {
    let runs = 0;
    fc.assert(
      fc.property(fc.commands(modelSteps(), { maxCommands: 60, size: 'max' }), (steps) => {
        runs += 1;
        const top = `${mountPoint}/${runs}`;
        mustRun('btrfs', '-q', 'subvolume', 'create', top);
        const [model, real] = [new ModelFilesystem(), new NativeFilesystem(top)];
        fc.modelRun(() => ({ model, real }), steps);
        assertSameState(real, model);
      }),
      { numRuns: 30, seed: 1 },
    );
  });
});
