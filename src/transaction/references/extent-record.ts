/**
 * One extent's records in the extent tree: its item with inline references, and the references
 * that no longer fit and stand as items of their own.
 *
 * @see linux fs/btrfs/extent-tree.c; BTRFS rules in docs/DESIGN.md, "Back references"
 */
import { corrupt, invariant } from '../../bytes/index.js';
import {
  compareInlineRefs,
  decodeExtentItem,
  decodeKeyedRef,
  EXTENT_DATA_REF_KEY,
  EXTENT_ITEM_KEY,
  EXTENT_OWNER_REF_KEY,
  type ExtentItem,
  encodeKeyedRef,
  extentItemSize,
  HEADER,
  type InlineRef,
  ITEM,
  inlineRefSize,
  Key,
  METADATA_ITEM_KEY,
  refSequence,
  SHARED_DATA_REF_KEY,
  sameReference,
  TREE_BLOCK_REF_KEY,
  writeExtentItem,
} from '../../format/index.js';
import type { Tree } from '../../tree/index.js';
import { DATA_EXTENT, type RefChange } from './pending-extent.js';

/** Counts have 32 bits. */
const MAX_COUNT = 0xffff_ffff;

/** References of one extent with one hash are fewer than this. */
const MAX_DISPLACEMENT = 0xffffn;

export interface ExtentRecord {
  readonly key: Key;
  readonly item: ExtentItem;
}

/**
 * The record of an extent. Tree blocks may have either kind of item, even on one volume.
 *
 * @param level - of a tree block, or DATA_EXTENT
 */
export function findExtentRecord(tree: Tree, bytenr: number, length: number, level: number): ExtentRecord | undefined {
  if (level !== DATA_EXTENT) {
    const skinny = recordAt(tree, new Key(bytenr, METADATA_ITEM_KEY, level));
    if (skinny !== undefined) return skinny;
  }
  return recordAt(tree, new Key(bytenr, EXTENT_ITEM_KEY, length));
}

function recordAt(tree: Tree, key: Key): ExtentRecord | undefined {
  const cursor = tree.get(key);
  if (cursor === undefined) return undefined;
  return { key, item: decodeExtentItem(cursor.view, cursor.at, cursor.size, key.type === METADATA_ITEM_KEY) };
}

/** All references of an extent, those in its item and those beside it. */
export function* referencesOf(tree: Tree, record: ExtentRecord): IterableIterator<InlineRef> {
  yield* record.item.inlineRefs;
  const bytenr = record.key.objectid;
  const cursor = tree.seek(record.key);
  for (cursor.next(); cursor.valid && cursor.keyObjectid === bytenr; cursor.next()) {
    const { keyType } = cursor;
    if (keyType < TREE_BLOCK_REF_KEY || keyType > SHARED_DATA_REF_KEY) continue;
    yield decodeKeyedRef(cursor.view, cursor.at, cursor.key);
  }
}

/** Changes the count of one reference and the sum in `record.item`, which the caller writes back. */
export function changeReference(tree: Tree, record: ExtentRecord, ref: InlineRef, by: number): void {
  const { item } = record;
  item.refs += by;
  if (!Number.isSafeInteger(item.refs)) throw corrupt(`extent ${record.key}`, `${item.refs} references cannot be`);
  const inline = item.inlineRefs.findIndex((known) => compareInlineRefs(known, ref) === 0 && sameReference(known, ref));
  if (inline >= 0) {
    changeInline(record, inline, by);
    return;
  }
  const keyed = findKeyedRef(tree, record.key.objectid, ref);
  if (keyed.found !== undefined) changeKeyed(tree, keyed.key, keyed.found, by);
  else addReference(tree, record, withCount(ref, by), keyed.key);
}

/**
 * The record of a new extent, put into the tree with its first references.
 *
 * @param item - still without them
 * @throws FsError EUCLEAN for a count that is not above 0
 */
export function insertExtentRecord(tree: Tree, key: Key, item: ExtentItem, changes: readonly RefChange[]): void {
  const refs = changes.map(({ ref, by }) => withCount(ref, by)).sort(compareInlineRefs);
  if (changes.some(({ by }) => by < 0)) throw corrupt(`extent ${key}`, 'a reference that is dropped is not recorded');
  const beside: InlineRef[] = [];
  for (const ref of refs) {
    if (growsInline(tree, item, ref)) item.inlineRefs.push(ref);
    else beside.push(ref);
  }
  const { view, at } = tree.insertEmpty(key, extentItemSize(item));
  writeExtentItem(view, at, item);
  for (const ref of beside) tree.insert(findKeyedRef(tree, key.objectid, ref).key, encodeKeyedRef(ref));
}

function growsInline(tree: Tree, item: ExtentItem, ref: InlineRef): boolean {
  return extentItemSize(item) + (inlineRefSize(ref.type) ?? 0) < maxInlineSize(tree);
}

/** Inline while the item may grow, else as an item of its own under `key`. */
function addReference(tree: Tree, { key: extentKey, item }: ExtentRecord, ref: InlineRef, key: Key): void {
  if (countOf(ref) < 0) throw corrupt(`extent ${extentKey}`, 'a reference that is dropped is not recorded');
  if (growsInline(tree, item, ref)) insertInOrder(item.inlineRefs, ref);
  else tree.insert(key, encodeKeyedRef(ref));
}

/** Writes the item with its inline references. */
export function writeExtentRecord(tree: Tree, record: ExtentRecord): void {
  const { view, at } = tree.resize(record.key, extentItemSize(record.item));
  writeExtentItem(view, at, record.item);
}

export function removeExtentRecord(tree: Tree, record: ExtentRecord): void {
  if (record.item.inlineRefs.some((ref) => ref.type !== EXTENT_OWNER_REF_KEY)) {
    throw corrupt(`extent ${record.key}`, 'the sum of its references is less than their counts');
  }
  tree.remove(record.key);
}

/** An extent item grows inline only below this size. @see linux BTRFS_MAX_EXTENT_ITEM_SIZE */
function maxInlineSize(tree: Tree): number {
  return ((tree.store.nodesize - HEADER.SIZE) >>> 4) - ITEM.SIZE;
}

function changeInline(record: ExtentRecord, index: number, by: number): void {
  const ref = record.item.inlineRefs[index];
  invariant(ref !== undefined, 'the reference was just found');
  const count = countOf(ref) + by;
  if (count < 0) throw corrupt(`extent ${record.key}`, 'more references are dropped than recorded');
  if (count === 0) record.item.inlineRefs.splice(index, 1);
  else record.item.inlineRefs[index] = withCount(ref, count);
}

function changeKeyed(tree: Tree, key: Key, ref: InlineRef, by: number): void {
  const count = countOf(ref) + by;
  if (count < 0) throw corrupt(`reference ${key}`, 'more references are dropped than recorded');
  if (count === 0) tree.remove(key);
  else tree.replace(key, encodeKeyedRef(withCount(ref, count)));
}

/**
 * Where a reference stands as an item of its own, or would: colliding hashes take the next free
 * offset. One that stands there may have lost those before it since, so a gap does not end the search.
 */
function findKeyedRef(tree: Tree, bytenr: number, ref: InlineRef): { key: Key; found?: InlineRef } {
  const sequence = refSequence(ref);
  let free = sequence;
  const cursor = tree.seek(new Key(bytenr, ref.type, sequence));
  for (; cursor.isItemOf(bytenr, ref.type); cursor.next()) {
    const { key } = cursor;
    const offset = key.offsetU64;
    if (offset - sequence > MAX_DISPLACEMENT) break;
    const known = decodeKeyedRef(cursor.view, cursor.at, key);
    if (sameReference(known, ref)) return { key, found: known };
    if (ref.type !== EXTENT_DATA_REF_KEY) {
      if (offset === sequence) throw corrupt(`reference ${key}`, 'does not match its key');
      break;
    }
    if (offset === free) free += 1n;
  }
  return { key: new Key(bytenr, ref.type, free) };
}

function countOf(ref: InlineRef): number {
  return ref.type === EXTENT_DATA_REF_KEY || ref.type === SHARED_DATA_REF_KEY ? ref.count : 1;
}

function withCount(ref: InlineRef, count: number): InlineRef {
  if (count > MAX_COUNT) throw corrupt(`reference of type ${ref.type}`, `counts ${count}, more than it can`);
  if (ref.type === EXTENT_DATA_REF_KEY || ref.type === SHARED_DATA_REF_KEY) return { ...ref, count };
  if (count !== 1)
    throw corrupt(`reference of type ${ref.type}`, `a tree block is referenced ${count} times from one place`);
  return ref;
}

function insertInOrder(refs: InlineRef[], ref: InlineRef): void {
  const at = refs.findIndex((known) => compareInlineRefs(known, ref) > 0);
  refs.splice(at < 0 ? refs.length : at, 0, ref);
}
