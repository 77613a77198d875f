/** The server is killed under load: what was synced is there, and the volume is sound. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { DurableFiles } from '../support/durable-files.js';
import type { Change, LoadOptions } from '../support/kill-load.js';
import { MountedVolume, makeEncryptedDirectory, writeKeyFile } from '../support/mounted-volume.js';
import { Random } from '../support/random.js';
import { randomRuns } from '../support/random-runs.js';

const KILLS = 20;
/** Milliseconds that the load runs at most. */
const LONGEST = 1200;
const LOAD = new URL('../support/kill-load.js', import.meta.url);

/** @returns what it makes durable, once the server is dead */
function load(directory: string, seed: number): Promise<DurableFiles> {
  const worker = new Worker(LOAD, { workerData: { directory, seed } satisfies LoadOptions });
  const files = new DurableFiles();
  worker.on('message', (change: Change) => files.note(change));
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => resolve(files));
  });
}

test('SIGKILL under load loses nothing that was synced', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), async () => {
  const { seed } = randomRuns(1);
  const random = new Random(seed);
  const keyFile = writeKeyFile(8);
  const volume = new MountedVolume({ size: 512, options: ['--key-file', keyFile, '--commit', '1'] });
  fs.mkdirSync(volume.at('plain'));
  makeEncryptedDirectory(volume.path, volume.at('vault'), keyFile);
  let durable = 0;
  for (let round = 0; round < KILLS; round++) {
    const directories = [volume.at('plain', `${round}`), volume.at('vault', `${round}`)];
    for (const directory of directories) fs.mkdirSync(directory);
    const loads = directories.map((directory) => load(directory, random.below(2 ** 32)));
    await sleep(random.below(LONGEST));
    volume.kill();
    const files = await Promise.all(loads);
    assertSound(copyWithoutMarks(volume.image));
    volume.mount();
    files.forEach((each, index) => {
      each.check(directories[index] ?? '');
      durable += each.count;
    });
    for (const directory of directories) fs.rmSync(directory, { recursive: true, force: true });
  }
  assert.ok(durable > KILLS, `${durable} changes were durable`);
  volume.finish();
});
