import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WarmUp } from '../../../src/fuse/warm-up.js';

for (const layout of ['item', 'trailing', undefined] as const) {
  test(`a server warms up to the end for a volume of layout ${layout ?? 'none'}: every request of the script succeeds`, () => {
    const warmUp = new WarmUp(layout);
    let slices = 1;
    while (warmUp.step()) slices += 1;
    assert.ok(slices > 8, 'each life of the volume takes a slice at least');
    assert.equal(warmUp.step(), false);
    warmUp.end();
  });
}

test('a warm-up that is ended half-way does nothing more', () => {
  const warmUp = new WarmUp('item');
  assert.equal(warmUp.step(), true);
  warmUp.end();
  assert.equal(warmUp.step(), false);
});
