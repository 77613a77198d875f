/** Random system calls answer on a mount what they answer in a directory of this machine, call by call. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { requireAbility } from '../support/abilities.js';
import { someCalls } from '../support/calls/calls.js';
import { Place } from '../support/calls/place.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile } from '../support/mounted-volume.js';
import { randomRuns } from '../support/random-runs.js';
import { temporaryPath } from '../support/temporary.js';

/** Of up to 120 calls each. */
const RUNS = 100;
/** Runs between two looks at everything after mounting again. */
const RUNS_PER_MOUNT = 50;

test('system calls answer as in a native directory', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
  const volume = new MountedVolume({ options: ['--allow-other', '--commit', '1'] });
  const keyFile = writeKeyFile(9);
  const tops = { native: temporaryPath(), plain: volume.at('plain'), encrypted: volume.at('vault') };
  mkdirSync(tops.native);
  mkdirSync(tops.plain);
  makeEncryptedDirectory(volume.path, tops.encrypted, keyFile);
  let wanted: { run: number; contents: unknown[] }[] = [];
  const checkAfterMount = (): void => {
    volume.remount();
    addKey(volume.path, keyFile);
    for (const { run, contents } of wanted) {
      assert.deepEqual(new Place(`${tops.plain}/${run}`).contents(), contents);
      assert.deepEqual(new Place(`${tops.encrypted}/${run}`).contents(), contents);
    }
    wanted = [];
  };
  let run = 0;
  fc.assert(
    fc.property(someCalls, (calls) => {
      run += 1;
      const places = Object.values(tops).map((top) => new Place(`${top}/${run}`));
      const [native, plain, encrypted] = places;
      assert.ok(native && plain && encrypted);
      try {
        for (const place of places) place.fill();
        for (const call of calls) {
          const answer = call.answerIn(native);
          assert.equal(call.answerIn(plain), answer, `${call}, plain`);
          assert.equal(call.answerIn(encrypted), answer, `${call}, encrypted`);
        }
      } finally {
        for (const place of places) place.closeAll();
      }
      const contents = native.contents();
      assert.deepEqual(plain.contents(), contents);
      assert.deepEqual(encrypted.contents(), contents);
      wanted.push({ run, contents });
      if (wanted.length === RUNS_PER_MOUNT) checkAfterMount();
    }),
    randomRuns(RUNS),
  );
  checkAfterMount();
  volume.finish();
});
