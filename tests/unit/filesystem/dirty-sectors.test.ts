/** Dirty sectors against a plain map from sector to bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DirtySectors } from '../../../src/filesystem/data/dirty-sectors.js';

const SECTOR = 8;
const SECTORS = 60;

const range = fc
  .tuple(fc.nat(SECTORS - 1), fc.integer({ min: 1, max: 25 }))
  .map(([first, count]) => ({ first, last: Math.min(SECTORS, first + count) }));
const step = fc.tuple(fc.constantFrom('put', 'put', 'part', 'remove', 'zero'), range, fc.integer({ min: 1, max: 255 }));

function runsOf(model: Map<number, Uint8Array>): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  for (const sector of [...model.keys()].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last.end === sector * SECTOR) last.end += SECTOR;
    else runs.push({ start: sector * SECTOR, end: (sector + 1) * SECTOR });
  }
  return runs;
}

function foundRuns(dirty: DirtySectors): { start: number; end: number }[] {
  const runs: { start: number; end: number }[] = [];
  for (let run = dirty.nextRun(0); run !== undefined; run = dirty.nextRun(run.end)) runs.push(run);
  return runs;
}

test('dirty sectors are the last bytes put there', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const dirty = new DirtySectors(SECTOR);
      const model = new Map<number, Uint8Array>();
      for (const [kind, { first, last }, fill] of steps) {
        const sectors = Array.from({ length: last - first }, (_, i) => first + i);
        if (kind === 'put') {
          dirty.put(first * SECTOR, new Uint8Array((last - first) * SECTOR).fill(fill));
          for (const sector of sectors) model.set(sector, new Uint8Array(SECTOR).fill(fill));
        } else if (kind === 'remove') {
          const known = sectors.filter((sector) => model.delete(sector));
          assert.equal(dirty.remove(first * SECTOR, last * SECTOR), known.length * SECTOR);
        } else if (sectors.every((sector) => model.has(sector))) {
          const bytes = new Uint8Array((last - first) * SECTOR - 2).fill(kind === 'zero' ? 0 : fill);
          if (kind === 'zero') dirty.zero(first * SECTOR + 1, last * SECTOR - 1);
          else dirty.put(first * SECTOR + 1, bytes);
          sectors.forEach((sector, i) => {
            const from = i === 0 ? 1 : 0;
            const to = i === sectors.length - 1 ? SECTOR - 1 : SECTOR;
            model.get(sector)?.fill(kind === 'zero' ? 0 : fill, from, to);
          });
        }
      }
      assert.deepEqual(foundRuns(dirty), runsOf(model));
      assert.equal(dirty.size, model.size * SECTOR);
      assert.equal(dirty.missing(3, SECTORS * SECTOR), (SECTORS - model.size) * SECTOR);
      for (const [sector, wanted] of model) {
        const found = new Uint8Array(SECTOR);
        dirty.read(sector * SECTOR, found);
        assert.deepEqual(found, wanted);
      }
    }),
    { numRuns: 300 },
  );
});

test('a run of clean sectors ends at the next dirty one or at the limit', () => {
  const dirty = new DirtySectors(SECTOR);
  dirty.put(100 * SECTOR, new Uint8Array(SECTOR));
  assert.equal(dirty.runEnd(5, 1000 * SECTOR), 100 * SECTOR);
  assert.equal(dirty.runEnd(5, 50 * SECTOR), 50 * SECTOR);
  assert.equal(dirty.runEnd(100 * SECTOR, 1000 * SECTOR), 101 * SECTOR);
});

test('one sector at the end of a chunk takes little memory', () => {
  const dirty = new DirtySectors(4096);
  dirty.put(15 * 4096, new Uint8Array(4096));
  const [piece] = dirty.pieces(15 * 4096, 16 * 4096);
  assert.equal(piece?.bytes.buffer.byteLength, 4096);
});
