import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HotRegions, WriteRuns } from '../../../src/device/access-pattern.js';

const MIB = 1024 * 1024;

test('a region that is read often in short pieces is read whole, once', () => {
  const regions = new HotRegions();
  const asked = Array.from({ length: 100 }, (_, i) => regions.noteRead(5 * MIB + i * 4096, 4096));
  assert.deepEqual(
    asked.filter((stretch) => stretch !== undefined),
    [{ offset: 5 * MIB, length: MIB }],
  );
});

test('long reads and reads all over a large device ask for nothing', () => {
  const regions = new HotRegions();
  for (let i = 0; i < 100; i++) assert.equal(regions.noteRead(0, MIB), undefined);
  for (let i = 0; i < 100_000; i++) assert.equal(regions.noteRead((i % 20_000) * MIB, 4096), undefined);
});

test('a region that has been read very often is asked for again', () => {
  const regions = new HotRegions();
  let asked = 0;
  for (let i = 0; i < 20_000; i++) if (regions.noteRead(0, 4096) !== undefined) asked += 1;
  assert.ok(asked > 1 && asked < 10, `${asked} times`);
});

test('long writes that follow each other are written in steps, all of them once', () => {
  const runs = new WriteRuns();
  let written = 0;
  for (let offset = 0; offset < 100 * MIB; offset += MIB) {
    const stretch = runs.noteWrite(offset, MIB);
    if (stretch === undefined) continue;
    assert.equal(stretch.offset, written);
    written += stretch.length;
  }
  assert.equal(written, 96 * MIB);
});

test('short and scattered writes wait', () => {
  const runs = new WriteRuns();
  for (let i = 0; i < 1000; i++) assert.equal(runs.noteWrite(i * 4096, 4096), undefined);
  for (let i = 0; i < 1000; i++) assert.equal(runs.noteWrite(i * 2 * MIB, MIB), undefined);
});
