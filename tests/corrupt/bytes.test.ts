/**
 * Volumes with bytes damaged at random, checksums left as they were: opening, listing and reading
 * give what was there or a clean error, never wrong bytes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { choices, damageBytes } from '../support/hostile/damage.js';
import { explore, type Sight } from '../support/hostile/explore.js';
import { anatomyOf } from '../support/hostile/metadata.js';
import { kernelSubject, overlayOf, ownSubject, type Subject } from '../support/hostile/subjects.js';
import { randomRuns } from '../support/random-runs.js';

const SUBJECTS: (() => Subject)[] = [
  () => ownSubject(),
  () => ownSubject('item', { nodesize: 16384, checksumType: 1 }),
  () => ownSubject('trailing'),
  () => kernelSubject('snap'),
  () => kernelSubject('compress'),
];

for (const makeSubject of SUBJECTS) {
  const subject = makeSubject();
  test(`damaged bytes: ${subject.name}`, () => {
    const sound = explore(overlayOf(subject), subject.keys);
    const anatomy = anatomyOf(subject.base);
    fc.assert(
      fc.property(fc.array(choices(), { minLength: 1, maxLength: 6 }), (damages) => {
        const device = overlayOf(subject);
        const done = damages.map((damage) => damageBytes(device, anatomy, damage));
        assertRightOrRefused(explore(device, subject.keys), sound, done.join('; '));
      }),
      randomRuns(60),
    );
  });
}

/** Every line is as it was, or an error code in its place. */
function assertRightOrRefused(sight: Sight, sound: Sight, done: string): void {
  for (const [path, line] of sight) {
    if (/^E[A-Z]+$/.test(line)) continue;
    assert.equal(line, sound.get(path), `${path} after ${done}`);
  }
}
