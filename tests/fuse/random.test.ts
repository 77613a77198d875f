/** Random operations through a mount show what the model shows, call by call, across mounts. */
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { requireAbility } from '../support/abilities.js';
import { ModelFilesystem } from '../support/model.js';
import { assertSameState, modelSteps } from '../support/model-steps.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile } from '../support/mounted-volume.js';
import { NativeFilesystem } from '../support/native-filesystem.js';

/** More runs by the environment: `FUSE_RUNS=500`. */
const RUNS = Number(process.env.FUSE_RUNS ?? 20);

/** A directory of the mount, whose volume is unmounted and mounted again now and then. */
class MountedFilesystem extends NativeFilesystem {
  private readonly again: () => void;

  constructor(top: string, again: () => void) {
    super(top);
    this.again = again;
  }

  reopen(): void {
    this.again();
  }
}

for (const kind of ['plain', 'encrypted'] as const) {
  test(`random operations in a directory, ${kind}`, requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
    const volume = new MountedVolume();
    const keyFile = writeKeyFile(4);
    const remount = (): void => {
      volume.remount();
      if (kind === 'encrypted') addKey(volume.path, keyFile);
    };
    let runs = 0;
    fc.assert(
      fc.property(
        fc.commands(modelSteps({ subvolumes: false, clones: false }), { maxCommands: 60, size: 'max' }),
        (steps) => {
          runs += 1;
          const top = volume.at(`${runs}`);
          if (kind === 'plain') mkdirSync(top);
          else makeEncryptedDirectory(volume.path, top, keyFile);
          const [model, real] = [new ModelFilesystem({ countsLinks: true }), new MountedFilesystem(top, remount)];
          fc.modelRun(() => ({ model, real }), steps);
          assertSameState(real, model);
          if (runs % 10 === 0) {
            remount();
            assertSameState(real, model);
          }
        },
      ),
      { numRuns: RUNS, seed: 1 },
    );
    volume.finish();
  });
}
