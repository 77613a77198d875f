/** References that stand as items of their own under keys that collide. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataRefHash, EXTENT_DATA_REF_KEY, Key } from '../../../src/format/index.js';
import { newDevice, openFilesystem } from '../../support/new-filesystem.js';

const SECTOR = 4096;
const ROOT = 5;

/** `^` works on 32 bits only. */
function xor(a: number, b: number): number {
  return Number(BigInt(a) ^ BigInt(b));
}

/** With offset 0 the three inodes below have one hash: crc32c is linear, and they differ by what it maps to zero. */
test('of references with one hash any may go first', () => {
  const inodes = [300, xor(300, 4394350321), xor(300, 8788700642)] as const;
  const [hash, ...others] = inodes.map((ino) => dataRefHash(ROOT, ino, 0n));
  assert.ok(hash !== undefined && others.every((other) => other === hash));
  for (const order of [
    [0, 1, 2],
    [1, 0, 2],
    [2, 1, 0],
  ]) {
    const { transaction } = openFilesystem(newDevice());
    transaction.reserveData(SECTOR);
    const { bytenr } = transaction.allocateData(SECTOR);
    const keys = (): bigint[] =>
      [0n, 1n, 2n].filter((i) => transaction.extentTree.get(new Key(bytenr, EXTENT_DATA_REF_KEY, hash + i)));
    const change = (ino: number, by: 1 | -1) => {
      if (by === 1) transaction.addDataReference(bytenr, SECTOR, ROOT, ino, 0);
      else transaction.dropDataReference(bytenr, SECTOR, ROOT, ino, 0);
      transaction.references.applyAll();
    };
    // So many that the extent's item has no room for more.
    for (let ino = 1000; ino < 1040; ino++) change(ino, 1);
    for (const ino of inodes) change(ino, 1);
    assert.deepEqual(keys(), [0n, 1n, 2n]);
    // Found behind a gap, a reference is counted up, not recorded twice.
    const [first, second, third] = order.map((i) => inodes[i] ?? 0);
    change(first ?? 0, -1);
    change(third ?? 0, 1);
    assert.equal(keys().length, 2);
    change(third ?? 0, -1);
    change(second ?? 0, -1);
    change(third ?? 0, -1);
    assert.deepEqual(keys(), []);
    assert.equal(transaction.dataExtentUse(bytenr, SECTOR).refs, 40);
  }
});
