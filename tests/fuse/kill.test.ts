/** The server is killed under load: what was synced is there, and the volume is sound. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { MountedVolume } from '../support/mounted-volume.js';

/** More by the environment: `FUSE_KILLS=20`. */
const KILLS = Number(process.env.FUSE_KILLS ?? 4);

/** Writes files until the mount goes away, and tells of each that it synced. */
const LOAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  const fs = require('node:fs');
  const crypto = require('node:crypto');
  for (let index = 0; ; index++) {
    const bytes = crypto.randomBytes(1 + (index * 7919) % 50000);
    const path = workerData + '/' + index;
    try {
      const fd = fs.openSync(path, 'w');
      fs.writeSync(fd, bytes);
      if (index % 3 === 0) fs.fsyncSync(fd);
      fs.closeSync(fd);
    } catch { break; }
    if (index % 3 === 0) parentPort.postMessage([index, crypto.createHash('sha256').update(bytes).digest('hex')]);
  }`;

test('SIGKILL under load loses nothing that was synced', requireAbility('fuse', 'btrfs-progs'), async () => {
  const volume = new MountedVolume();
  for (let round = 0; round < KILLS; round++) {
    const directory = volume.at(`${round}`);
    fs.mkdirSync(directory);
    const synced = new Map<number, string>();
    const worker = new Worker(LOAD, { eval: true, workerData: directory });
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.on('message', ([index, digest]: [number, string]) => synced.set(index, digest));
    await new Promise((resolve) => setTimeout(resolve, 300 + ((round * 397) % 700)));
    volume.kill();
    await ended;
    assertSound(copyWithoutMarks(volume.image));
    volume.mount();
    assert.ok(synced.size > 0, 'something was synced');
    for (const [index, digest] of synced) {
      const bytes = fs.readFileSync(`${directory}/${index}`);
      assert.equal(createHash('sha256').update(bytes).digest('hex'), digest, `${directory}/${index}`);
    }
  }
  volume.finish();
});
