/** `dump-tree`: every item of the trees, in the lines of `btrfs inspect-internal dump-tree`. */
import { FsError, formatUuid } from '../../bytes/index.js';
import * as format from '../../format/index.js';
import type { TreeLocation, Volume } from '../../volume/index.js';
import { blockLines } from './block-lines.js';
import { ItemFields } from './item-fields.js';
import { keyText } from './key-text.js';
import { type Report, treeBlocks, treeLeaves } from './tree-levels.js';
import { treeTitle } from './tree-names.js';

const { HEADER, ITEM, ROOT_ITEM } = format;

export interface TreeLinesOptions {
  /** The id of the one tree to print, by default all. */
  readonly tree?: number;
  /** Takes an error for each block or item that cannot be shown; the dump goes on behind it. */
  readonly report: Report;
}

/**
 * The lines for a volume opened in any way; nothing but its trees is read. Memory is bounded by a
 * few blocks.
 *
 * @throws FsError ENOENT when there is no such tree
 */
export function* treeLines(volume: Volume, options: TreeLinesOptions): Generator<string> {
  if (options.tree !== undefined) {
    yield* oneTreeLines(volume, options.tree, options.report);
    return;
  }
  const { report } = options;
  yield* rootlessTreeLines(volume, 'root', rootTree(volume), report);
  yield* rootlessTreeLines(volume, 'chunk', chunkTree(volume), report);
  const log = logTree(volume);
  if (log !== undefined) yield* rootlessTreeLines(volume, 'log root', log, report);
  for (const item of allRootItems(volume, () => {})) yield* rootedTreeLines(volume, item, report);
  yield* totalLines(volume);
}

function* oneTreeLines(volume: Volume, tree: number, report: Report): Generator<string> {
  const location = rootlessTree(volume, tree);
  if (location !== undefined) {
    yield* rootlessTreeLines(
      volume,
      tree === format.TREE_LOG_OBJECTID ? 'log root' : treeTitle(tree),
      location,
      report,
    );
    return;
  }
  let found = false;
  for (const item of allRootItems(volume, report)) {
    if (item.location.owner !== tree) continue;
    found = true;
    yield* rootedTreeLines(volume, item, report);
  }
  if (!found) throw new FsError('ENOENT', `the volume has no tree ${tree}`);
  yield* totalLines(volume);
}

/** Trees that the superblock points to. */
function rootlessTree(volume: Volume, tree: number): TreeLocation | undefined {
  if (tree === format.ROOT_TREE_OBJECTID) return rootTree(volume);
  if (tree === format.CHUNK_TREE_OBJECTID) return chunkTree(volume);
  return tree === format.TREE_LOG_OBJECTID ? logTree(volume) : undefined;
}

function rootTree({ superblock }: Volume): TreeLocation {
  const { root: bytenr, rootLevel: level, generation } = superblock;
  return { bytenr, level, generation, owner: format.ROOT_TREE_OBJECTID };
}

function chunkTree({ superblock }: Volume): TreeLocation {
  const { chunkRoot: bytenr, chunkRootLevel: level, chunkRootGeneration: generation } = superblock;
  return { bytenr, level, generation, owner: format.CHUNK_TREE_OBJECTID };
}

/** The tree of log trees, where one waits for replay. It is a transaction ahead of the superblock. */
function logTree({ superblock }: Volume): TreeLocation | undefined {
  const { logRoot: bytenr, logRootLevel: level, generation } = superblock;
  if (bytenr === 0) return undefined;
  return { bytenr, level, generation: generation + 1, owner: format.TREE_LOG_OBJECTID };
}

function* rootlessTreeLines(volume: Volume, title: string, root: TreeLocation, report: Report): Generator<string> {
  yield `${title} tree`;
  for (const block of treeBlocks(volume, root, report)) yield* blockLines(volume, block, report);
}

interface FoundRoot {
  readonly key: format.Key;
  readonly location: TreeLocation;
}

function* rootedTreeLines(volume: Volume, { key, location }: FoundRoot, report: Report): Generator<string> {
  yield `${treeTitle(location.owner)} tree ${keyText(key)} `;
  for (const block of treeBlocks(volume, location, report)) yield* blockLines(volume, block, report);
}

/** The root items of the root tree, then those of the log trees. */
function* allRootItems(volume: Volume, report: Report): Generator<FoundRoot> {
  yield* rootItems(volume, rootTree(volume), report);
  const log = logTree(volume);
  if (log !== undefined) yield* rootItems(volume, log, report);
}

function* rootItems(volume: Volume, tree: TreeLocation, report: Report): Generator<FoundRoot> {
  for (const leaf of treeLeaves(volume, tree, report)) {
    const nritems = leaf.getUint32(HEADER.nritems, true);
    for (let slot = 0; slot < nritems; slot++) {
      const slotAt = HEADER.SIZE + slot * ITEM.SIZE;
      if (format.keyTypeAt(leaf, slotAt) === format.ROOT_ITEM_KEY) yield foundRoot(leaf, slotAt);
    }
  }
}

/** Ids and addresses beyond 53 bits lead to no block, which is an error of its own. */
function foundRoot(leaf: DataView, slotAt: number): FoundRoot {
  const key = format.decodeKey(leaf, slotAt);
  const at = HEADER.SIZE + leaf.getUint32(slotAt + ITEM.offset, true);
  const fields = new ItemFields(leaf, at, leaf.getUint32(slotAt + ITEM.size, true));
  return {
    key,
    location: {
      bytenr: Number(fields.u64(ROOT_ITEM.bytenr)),
      level: fields.u8(ROOT_ITEM.level),
      generation: Number(fields.u64(ROOT_ITEM.generation)),
      owner: Number(BigInt.asIntN(64, key.objectidU64)),
    },
  };
}

function totalLines({ superblock }: Volume): string[] {
  return [
    `total bytes ${superblock.totalBytes}`,
    `bytes used ${superblock.bytesUsed}`,
    `uuid ${formatUuid(superblock.fsid)}`,
  ];
}
