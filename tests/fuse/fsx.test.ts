/** Random reads and writes of all kinds on one file show what a model shows, across mounts. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { Fsx } from '../support/fsx/fsx.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile } from '../support/mounted-volume.js';
import { randomRuns } from '../support/random-runs.js';

/** Of each kind of directory; more or less by the environment: `FSX_OPERATIONS=1000000`. */
const OPERATIONS = Number(process.env.FSX_OPERATIONS ?? 100_000);
const REMOUNTS = 5;

for (const kind of ['plain', 'encrypted'] as const) {
  test(`random operations on one file, ${kind}`, requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
    const { seed } = randomRuns(1);
    const volume = new MountedVolume({ options: ['--allow-other', '--commit', '1'] });
    const directory = volume.at('directory');
    const keyFile = writeKeyFile(6);
    if (kind === 'plain') mkdirSync(directory);
    else makeEncryptedDirectory(volume.path, directory, keyFile);
    const fsx = new Fsx(directory, seed);
    const remount = (): void => {
      volume.remount();
      if (kind === 'encrypted') addKey(volume.path, keyFile);
    };
    try {
      for (let round = 0; round <= REMOUNTS; round++) {
        fsx.run(OPERATIONS / (REMOUNTS + 1));
        fsx.whileClosed('remount', remount);
        // Inodes, too, leave the kernel's memory.
        fsx.whileClosed('drop caches', () => writeFileSync('/proc/sys/vm/drop_caches', '3'));
      }
    } catch (error) {
      throw new Error(`BUTTERLOCK_SEED=${seed}: ${error instanceof Error ? error.message : error}`);
    } finally {
      fsx.close();
    }
    volume.finish();
  });
}
