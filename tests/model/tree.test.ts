/** The tree against a sorted map: random inserts, replacements and removals on the smallest nodes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareKeys, HEADER, HEADER_FLAG_WRITTEN, HEADER_MIXED_BACKREF_REV, Key } from '../../src/format/index.js';
import { type BlockPointer, type BlockStore, Tree, TreeBlock } from '../../src/tree/index.js';

const NODESIZE = 4096;

/** Keeps blocks in a map. Every `generation` its blocks become clean, so that changes copy them. */
class MemoryStore implements BlockStore {
  readonly nodesize = NODESIZE;
  readonly blocks = new Map<number, TreeBlock>();
  generation = 1;
  /** Every item of the last generation, as text. */
  committed = new Set<string>();
  private next = NODESIZE;

  cachedBlock(_tree: Tree, bytenr: number): TreeBlock | undefined {
    return this.blocks.get(bytenr);
  }

  readBlock(_tree: Tree, pointer: BlockPointer, firstKey?: Key): TreeBlock {
    const block = this.blocks.get(pointer.bytenr);
    assert.ok(block, `block ${pointer.bytenr} is live`);
    assert.equal(block.generation, pointer.generation, 'a parent knows its child’s generation');
    assert.equal(block.level, pointer.level, 'a parent knows its child’s level');
    if (firstKey) assert.equal(block.compareKey(0, firstKey), 0, 'a parent knows its child’s first key');
    return block;
  }

  allocateBlock(tree: Tree, level: number): TreeBlock {
    const block = new TreeBlock(new Uint8Array(NODESIZE), true);
    block.view.setBigUint64(HEADER.bytenr, BigInt(this.next), true);
    block.view.setBigUint64(HEADER.generation, BigInt(this.generation), true);
    block.view.setBigInt64(HEADER.owner, BigInt(tree.id), true);
    block.view.setUint8(HEADER.level, level);
    block.flags = HEADER_FLAG_WRITTEN | HEADER_MIXED_BACKREF_REV;
    this.blocks.set(this.next, block);
    this.next += NODESIZE;
    return block;
  }

  copyOnWrite(tree: Tree, block: TreeBlock): TreeBlock {
    if (block.dirty) return block;
    const copy = this.allocateBlock(tree, block.level);
    copy.bytes.set(block.bytes.subarray(HEADER.nritems), HEADER.nritems);
    this.blocks.delete(block.bytenr);
    return copy;
  }

  freeBlock(_tree: Tree, block: TreeBlock): void {
    assert.ok(block.dirty, 'only copied blocks are freed');
    assert.ok(this.blocks.delete(block.bytenr), 'a block is freed once');
  }

  assertWritable(): void {}

  commit(): void {
    this.generation++;
    this.committed = new Set([...this.blocks.values()].filter(({ isLeaf }) => isLeaf).flatMap(itemsOf));
    for (const block of this.blocks.values()) block.dirty = false;
  }
}

function itemsOf(leaf: TreeBlock): string[] {
  return Array.from({ length: leaf.count }, (_, slot) => {
    const at = leaf.itemAt(slot);
    return `${leaf.key(slot)} ${Buffer.from(leaf.bytes.subarray(at, at + leaf.itemSize(slot))).toString('hex')}`;
  });
}

function emptyTree(): { store: MemoryStore; tree: Tree } {
  const store = new MemoryStore();
  const tree = new Tree(store, 5, { bytenr: 0, generation: 1, level: 0 });
  tree.setRoot(store.allocateBlock(tree, 0));
  return { store, tree };
}

type Step =
  | { kind: 'put'; ino: number; offset: number; size: number }
  | { kind: 'lengthen'; ino: number; offset: number; by: number }
  | { kind: 'edit'; ino: number; offset: number }
  | { kind: 'remove'; ino: number; offset: number }
  | { kind: 'removeRange'; ino: number; from: number; to: number }
  | { kind: 'commit' };

const ino = fc.integer({ min: 256, max: 262 });
const offset = fc.integer({ min: 0, max: 60 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('put' as const), ino, offset, size: fc.integer({ min: 0, max: 1500 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('lengthen' as const), ino, offset, by: fc.integer({ min: 1, max: 300 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('edit' as const), ino, offset }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('remove' as const), ino, offset }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('removeRange' as const), ino, from: offset, to: offset }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('commit' as const) }) },
);

/** What the tree should hold. */
type Model = Map<string, { key: Key; data: Uint8Array }>;
/** Larger items are not lengthened, so that they fit a leaf. */
const LARGE = 2000;

function run(tree: Tree, store: MemoryStore, model: Model, action: Step): void {
  switch (action.kind) {
    case 'put': {
      const key = new Key(action.ino, 108, action.offset);
      const data = new Uint8Array(action.size).fill(action.size % 251);
      if (model.has(String(key))) tree.replace(key, data);
      else tree.insert(key, data);
      model.set(String(key), { key, data });
      return;
    }
    case 'lengthen': {
      const key = new Key(action.ino, 108, action.offset);
      const known = model.get(String(key));
      if (known === undefined || known.data.length > LARGE) return;
      const place = tree.lengthen(key, action.by);
      place.view.setUint8(place.at + place.size - 1, 77);
      const data = new Uint8Array(known.data.length + action.by);
      data.set(known.data);
      data[data.length - 1] = 77;
      model.set(String(key), { key, data });
      return;
    }
    case 'edit': {
      const key = new Key(action.ino, 108, action.offset);
      const known = model.get(String(key));
      const place = tree.change(key);
      assert.equal(place === undefined, known === undefined);
      if (place === undefined || known === undefined || place.size === 0) return;
      place.view.setUint8(place.at, 99);
      known.data[0] = 99;
      return;
    }
    case 'remove': {
      const key = new Key(action.ino, 108, action.offset);
      assert.equal(tree.remove(key), model.delete(String(key)));
      return;
    }
    case 'removeRange': {
      const from = new Key(action.ino, 108, action.from);
      const to = new Key(action.ino, 108, action.to);
      while (tree.removeRange(from, to));
      for (const [name, { key }] of model) {
        if (compareKeys(key, from) >= 0 && compareKeys(key, to) <= 0) model.delete(name);
      }
      return;
    }
    case 'commit':
      store.commit();
  }
}

function assertSame(tree: Tree, store: MemoryStore, model: Model): void {
  const wanted = [...model.values()].sort((a, b) => compareKeys(a.key, b.key));
  const cursor = tree.seek(new Key(0, 0, 0));
  for (const { key, data } of wanted) {
    assert.ok(cursor.valid);
    assert.equal(String(cursor.key), String(key));
    assert.deepEqual(cursor.bytes(), data);
    cursor.next();
  }
  assert.equal(cursor.valid, false);
  const back: string[] = [];
  const last = tree.seekAtOrBefore(new Key(-1n, 255, -1n));
  for (let valid = last.valid; valid; valid = last.previous()) back.push(String(last.key));
  assert.deepEqual(
    back.reverse(),
    wanted.map(({ key }) => String(key)),
  );
  assert.equal(countBlocks(tree, store), store.blocks.size, 'every live block is reachable');
}

/** What a leaf does not note as changed is as it was committed. */
function assertChangesNoted(leaf: TreeBlock, { committed }: MemoryStore): void {
  for (const [slot, item] of itemsOf(leaf).entries()) {
    const isNoted = slot >= leaf.changedFrom && slot < leaf.changedTo;
    assert.ok(isNoted || committed.has(item), `the change of ${leaf.key(slot)} is noted`);
  }
}

/** Counts the blocks of the tree and checks what every block must keep. */
function countBlocks(tree: Tree, store: MemoryStore): number {
  const visit = (block: TreeBlock, isRoot: boolean): number => {
    assert.ok(isRoot || block.count > 0, 'only a root may be empty');
    for (let slot = 1; slot < block.count; slot++) assert.ok(compareKeys(block.key(slot - 1), block.key(slot)) < 0);
    if (block.isLeaf) {
      if (block.dirty) assertChangesNoted(block, store);
      let end = NODESIZE;
      for (let slot = 0; slot < block.count; slot++) {
        assert.equal(block.itemAt(slot) + block.itemSize(slot), end, 'item data is packed');
        end = block.itemAt(slot);
      }
      const gap = block.bytes.subarray(HEADER.SIZE + block.count * 25, end);
      assert.ok(
        gap.every((byte) => byte === 0),
        'the free gap holds nothing',
      );
      return 1;
    }
    let count = 1;
    for (let slot = 0; slot < block.count; slot++) {
      count += visit(store.readBlock(tree, block.childPointer(slot), block.key(slot)), false);
    }
    return count;
  };
  return visit(tree.readRoot(), true);
}

test('a tree holds what a sorted map holds', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 400, size: 'max' }), (steps) => {
      const { store, tree } = emptyTree();
      const model: Model = new Map();
      for (const action of steps) run(tree, store, model, action);
      assertSame(tree, store, model);
    }),
    { numRuns: 150 },
  );
});

test('a tree of many items grows, shrinks to an empty leaf, and keeps no block', () => {
  const { store, tree } = emptyTree();
  for (let i = 0; i < 20_000; i++) tree.insert(new Key(256 + ((i * 7919) % 20_000), 1, 0), new Uint8Array(40));
  assert.ok(tree.root.level >= 2);
  store.commit();
  for (let i = 0; i < 20_000; i++) assert.ok(tree.remove(new Key(256 + ((i * 104_729) % 20_000), 1, 0)));
  assert.equal(tree.root.level, 0);
  assert.equal(store.blocks.size, 1);
});

test('using a cursor after a change is a bug that is reported', () => {
  const { tree } = emptyTree();
  tree.insert(new Key(256, 1, 0), new Uint8Array(1));
  const cursor = tree.seek(new Key(0, 0, 0));
  tree.insert(new Key(257, 1, 0), new Uint8Array(1));
  assert.throws(() => cursor.bytes(), /cursor/);
});
