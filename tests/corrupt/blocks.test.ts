/**
 * Blocks of real volumes with bytes changed at random: either the rules refuse the block, or every
 * item in it decodes. No other error, and nothing read outside the block.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isFsError, viewOf } from '../../src/bytes/index.js';
import { FileDevice } from '../../src/device/index.js';
import * as format from '../../src/format/index.js';
import { openVolumeDevices, type TreeLocation, type Volume, visitLeaves } from '../../src/volume/index.js';
import { imagePath } from '../support/images.js';

for (const name of ['snap', 't-snap', 'stress3'] as const) {
  test(`mutated blocks of ${name}`, () => {
    const volume = openVolumeDevices(FileDevice.open(imagePath(name), { readOnly: true }));
    const leaves = leavesOf(volume);
    const outcome = { refused: 0, passed: 0 };
    fc.assert(
      fc.property(fc.nat(leaves.length - 1), mutations(volume.nodesize), (index, changes) => {
        const block = leaves[index]?.slice();
        assert.ok(block !== undefined);
        for (const { at, value } of changes) block[at] = value;
        outcome[survives(block, volume) ? 'passed' : 'refused']++;
      }),
      { numRuns: 4000 },
    );
    assert.ok(outcome.refused > 0 && outcome.passed > 0);
    volume.close();
  });
}

/** Bytes at both ends of the block, where the headers, the slots and the items are. */
function mutations(nodesize: number): fc.Arbitrary<{ at: number; value: number }[]> {
  const place = fc.oneof(
    fc.integer({ min: 80, max: 1500 }),
    fc.integer({ min: nodesize - 1500, max: nodesize - 1 }),
    fc.integer({ min: 0, max: nodesize - 1 }),
  );
  const value = fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }));
  return fc.array(fc.record({ at: place, value }), { minLength: 1, maxLength: 4 });
}

function leavesOf(volume: Volume): Uint8Array[] {
  const leaves = new Map<ArrayBufferLike, Uint8Array>();
  const trees: TreeLocation[] = [];
  const { root: bytenr, rootLevel: level, generation } = volume.superblock;
  const read = (tree: TreeLocation): void => {
    visitLeaves(volume, tree, {}, ({ view, at, size, type, keyAt }) => {
      leaves.set(view.buffer, new Uint8Array(view.buffer));
      if (type !== format.ROOT_ITEM_KEY || tree.owner !== format.ROOT_TREE_OBJECTID) return;
      trees.push({ ...format.decodeRootItem(view, at, size), owner: format.keyObjectidAt(view, keyAt) });
    });
  };
  read({ bytenr, level, generation, owner: format.ROOT_TREE_OBJECTID });
  for (const tree of trees) read(tree);
  return [...leaves.values()];
}

/** @returns false when the rules refuse the block */
function survives(block: Uint8Array, volume: Volume): boolean {
  const view = viewOf(block);
  try {
    format.checkBlock(view, volume.checkContext);
  } catch (error) {
    if (isFsError(error, 'EUCLEAN')) return false;
    throw error;
  }
  if (view.getUint8(format.HEADER.level) > 0) return true;
  const nritems = view.getUint32(format.HEADER.nritems, true);
  for (let slot = 0; slot < nritems; slot++) decodeSlot(view, format.HEADER.SIZE + slot * format.ITEM.SIZE);
  return true;
}

/** Decodes one item; only a number too large for any volume may still be refused here. */
function decodeSlot(view: DataView, keyAt: number): void {
  const at = format.HEADER.SIZE + view.getUint32(keyAt + format.ITEM.offset, true);
  const size = view.getUint32(keyAt + format.ITEM.size, true);
  // Decoders see no byte beyond their own item: a read outside it is a RangeError.
  const item = new DataView(view.buffer, at, size);
  try {
    decodeItem(item, size, format.decodeKey(view, keyAt));
  } catch (error) {
    if (!isFsError(error, 'EUCLEAN') || !/is larger than any|is no object id|53 bits/.test(error.message)) throw error;
  }
}

function decodeItem(view: DataView, size: number, key: format.Key): void {
  switch (key.type) {
    case format.INODE_ITEM_KEY:
      format.decodeInodeItem(view, 0);
      return;
    case format.INODE_REF_KEY:
      format.decodeInodeRefs(view, 0, size);
      return;
    case format.INODE_EXTREF_KEY:
      format.decodeInodeExtrefs(view, 0, size);
      return;
    case format.DIR_ITEM_KEY:
    case format.DIR_INDEX_KEY:
    case format.XATTR_ITEM_KEY:
      format.decodeDirItems(view, 0, size);
      return;
    case format.EXTENT_DATA_KEY:
      format.decodeFileExtent(view, 0, size);
      return;
    case format.ROOT_ITEM_KEY:
      format.decodeRootItem(view, 0, size);
      return;
    case format.ROOT_REF_KEY:
    case format.ROOT_BACKREF_KEY:
      format.decodeRootRef(view, 0, size);
      return;
    case format.EXTENT_ITEM_KEY:
    case format.METADATA_ITEM_KEY:
      format.decodeExtentItem(view, 0, size, key.type === format.METADATA_ITEM_KEY);
      return;
    case format.EXTENT_DATA_REF_KEY:
    case format.SHARED_DATA_REF_KEY:
    case format.SHARED_BLOCK_REF_KEY:
    case format.TREE_BLOCK_REF_KEY:
      format.decodeKeyedRef(view, 0, key);
      return;
    case format.BLOCK_GROUP_ITEM_KEY:
      format.decodeBlockGroupItem(view, 0);
      return;
    case format.FREE_SPACE_INFO_KEY:
      format.decodeFreeSpaceInfo(view, 0);
      return;
    case format.DEV_EXTENT_KEY:
      format.decodeDevExtent(view, 0);
      return;
    case format.DEV_ITEM_KEY:
      format.decodeDevItem(view, 0);
      return;
    case format.CHUNK_ITEM_KEY:
      format.decodeChunk(view, 0);
      return;
    default:
  }
}
