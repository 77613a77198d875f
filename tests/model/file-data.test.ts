/**
 * File data against plain byte arrays: random writes, truncations, holes, preallocations, clones
 * and commits on two files, in plain and encrypted directories, reopened at the end.
 */
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { runSteps, steps, VARIANTS } from '../support/file-data-steps.js';
import { newDevice } from '../support/new-filesystem.js';

const RUNS = 20;

describe('file data keeps the bytes of a plain array', () => {
  for (const [name, options] of Object.entries(VARIANTS)) {
    it(name, () => {
      fc.assert(
        fc.property(steps, (sequence) => runSteps(newDevice(options), 'dir', sequence)),
        { numRuns: RUNS },
      );
    });
  }
});
