/** Free runs against a plain bit per sector. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FreeRuns } from '../../../src/transaction/space/free-runs.js';

const SECTORS = 64;

function runsOf(bits: boolean[]): { start: number; length: number }[] {
  const runs: { start: number; length: number }[] = [];
  bits.forEach((bit, i) => {
    const last = runs.at(-1);
    if (!bit) return;
    if (last !== undefined && last.start + last.length === i) last.length++;
    else runs.push({ start: i, length: 1 });
  });
  return runs;
}

const range = fc
  .tuple(fc.integer({ min: 0, max: SECTORS - 1 }), fc.integer({ min: 1, max: 12 }))
  .map(([start, length]) => ({ start, length: Math.min(length, SECTORS - start) }));

test('adding and removing ranges keeps the runs of a bit map', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('add', 'remove', 'removeAny'), range), { maxLength: 80 }),
      (steps) => {
        const bits = new Array<boolean>(SECTORS).fill(false);
        const free = new FreeRuns();
        for (const [kind, { start, length }] of steps) {
          const part = bits.slice(start, start + length);
          if (kind === 'add' && part.every((bit) => !bit)) {
            free.add(start, length);
            bits.fill(true, start, start + length);
          } else if (kind === 'remove' && part.every((bit) => bit)) {
            free.remove(start, length);
            bits.fill(false, start, start + length);
          } else if (kind === 'removeAny') {
            free.removeAnyOf(start, length);
            bits.fill(false, start, start + length);
          }
        }
        assert.deepEqual([...free], runsOf(bits));
        assert.equal(free.total, bits.filter(Boolean).length);
      },
    ),
    { numRuns: 500 },
  );
});

test('a fit is found wherever there is one', () => {
  const arbitrary = fc.tuple(
    fc.array(fc.boolean(), { minLength: SECTORS, maxLength: SECTORS }),
    fc.integer({ min: 1, max: 6 }),
    fc.constantFrom(1, 2, 4),
    fc.integer({ min: 0, max: SECTORS }),
  );
  fc.assert(
    fc.property(arbitrary, ([bits, length, alignment, from]) => {
      const free = new FreeRuns();
      for (const run of runsOf(bits)) free.add(run.start, run.length);
      const fits: number[] = [];
      for (let at = 0; at + length <= SECTORS; at += alignment) {
        if (bits.slice(at, at + length).every(Boolean)) fits.push(at);
      }
      const found = free.findFit(length, alignment, from);
      if (fits.length === 0) assert.equal(found, undefined);
      else assert.ok(found !== undefined && fits.includes(found));
      assert.equal(
        free.longest()?.length,
        runsOf(bits).reduce((most, run) => Math.max(most, run.length), 0) || undefined,
      );
    }),
    { numRuns: 500 },
  );
});

test('the lowest fit is found, whatever came and went before', () => {
  const unit = 4096;
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 9 })), { maxLength: 120 });
  fc.assert(
    fc.property(steps, fc.constantFrom(1, 2, 4), (wanted, alignment) => {
      const bits = new Array<boolean>(SECTORS).fill(true);
      const free = new FreeRuns();
      free.add(0, SECTORS * unit);
      const taken: { start: number; length: number }[] = [];
      for (const [takes, size] of wanted) {
        if (takes) {
          const lowest = bits.findIndex(
            (_, at) => at % alignment === 0 && at + size <= SECTORS && bits.slice(at, at + size).every(Boolean),
          );
          const found = free.findLowest(size * unit, alignment * unit);
          assert.equal(found === undefined ? -1 : found / unit, lowest);
          if (found === undefined) continue;
          free.remove(found, size * unit);
          bits.fill(false, lowest, lowest + size);
          taken.push({ start: lowest, length: size });
        } else {
          const [given] = taken.splice(size % Math.max(1, taken.length), 1);
          if (given === undefined) continue;
          free.add(given.start * unit, given.length * unit);
          bits.fill(true, given.start, given.start + given.length);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('what is free already cannot be freed again', () => {
  const free = new FreeRuns();
  free.add(0, 4);
  assert.throws(() => free.add(3, 2), /freed once/);
  assert.throws(() => free.remove(2, 4), /is free when it is taken/);
});
