/**
 * Volumes with single fields set to hostile values under right checksums: looking at everything and
 * changing everything gives answers or clean errors, and what fails leaves the last commit as it was.
 */
import { test } from 'node:test';
import fc from 'fast-check';
import { choices, damageField } from '../support/hostile/damage.js';
import { explore } from '../support/hostile/explore.js';
import { anatomyOf } from '../support/hostile/metadata.js';
import { kernelSubject, overlayOf, ownSubject, type Subject } from '../support/hostile/subjects.js';
import { workOut } from '../support/hostile/workout.js';
import { randomRuns } from '../support/random-runs.js';

const SUBJECTS: (() => Subject)[] = [
  () => ownSubject(),
  () => ownSubject('item', { nodesize: 16384 }),
  () => ownSubject('trailing'),
  () => kernelSubject('compress'),
  () => kernelSubject('snap'),
];

for (const makeSubject of SUBJECTS) {
  const subject = makeSubject();
  test(`damaged fields: ${subject.name}`, () => {
    const anatomy = anatomyOf(subject.base);
    fc.assert(
      fc.property(fc.array(choices(), { minLength: 1, maxLength: 3 }), (damages) => {
        const device = overlayOf(subject);
        const done = damages.map((damage) => damageField(device, anatomy, damage));
        try {
          workOut(device, subject.keys, explore(device, subject.keys));
        } catch (error) {
          throw new Error(done.join('\n'), { cause: error });
        }
      }),
      randomRuns(150),
    );
  });
}
