/**
 * Making the running transaction durable.
 *
 * 1. Apply back references, write root items and block group items, until nothing changes any more.
 * 2. Write every dirty block to all its copies.
 * 3. Flush: from here on the blocks survive a power cut, and so do the last commit's other copies
 *    of the superblock.
 * 4. Write the first copy of the superblock.
 * 5. Flush: from here on the new transaction is the volume's state.
 * 6. Write the other copies of the superblock. They need no flush of their own: the first copy is
 *    not touched again before the flush of step 3 of the next commit.
 * 7. Only now may space freed by the transaction be used again.
 *
 * Without the flush of step 3 a superblock could point at blocks that never reached the disk;
 * without that of step 5 a commit could return and yet be lost, and the next transaction overwrite
 * what the old superblock points at.
 */
import { type Clock, invariant } from '../bytes/index.js';
import {
  type BackupRoot,
  type BackupTree,
  CSUM_SIZE,
  checkBlock,
  FS_TREE_OBJECTID,
  HEADER,
  type Superblock,
} from '../format/index.js';
import type { BlockPointer, TreeBlock } from '../tree/index.js';
import type { Volume } from '../volume/index.js';
import type { BlockCache } from './block-cache.js';
import type { ChecksumTree } from './checksums.js';
import type { References } from './references/references.js';
import { SubvolumeTree } from './rooted-tree.js';
import type { Space } from './space/space.js';
import type { Trees } from './trees.js';

/** Neighbouring blocks are written in one piece of at most this many bytes. */
const LARGEST_WRITE = 1024 * 1024;
/** Where they are put together. */
const staging = new Uint8Array(LARGEST_WRITE);
/** A commit that has not settled after so many rounds never will: a bug. */
const MOST_ROUNDS = 64;

export interface CommitHost {
  readonly volume: Volume;
  readonly trees: Trees;
  readonly space: Space;
  readonly references: References;
  readonly blocks: BlockCache;
  readonly checksums: ChecksumTree;
  readonly transid: number;
  readonly clock: Clock;
}

/** Steps 1 to 6; step 7 is the caller's. */
export function writeTransaction(host: CommitHost): void {
  settle(host);
  writeBlocks(host.volume, host.space, host.blocks.dirtyBlocks());
  host.volume.flush();
  host.volume.writeSupers(nextSuperblock(host));
}

function settle(host: CommitHost): void {
  const { trees, references, space } = host;
  trees.rootTree.touchRoot();
  host.checksums.settle();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    references.applyAll();
    for (const tree of trees.changed()) writeRootItem(host, tree);
    space.writeChangedGroups();
    if (references.pendingCount === 0 && !space.hasChangedGroups && trees.changed().length === 0) return;
  }
  invariant(false, 'the accounting of a commit comes to rest');
}

function writeRootItem(host: CommitHost, tree: ReturnType<Trees['changed']>[number]): void {
  if (tree instanceof SubvolumeTree && tree.root.generation === host.transid) {
    tree.rootItem.ctransid = host.transid;
    tree.rootItem.ctime = host.clock.now();
  }
  host.trees.rootTree.replace(tree.rootKey, tree.encodeRoot());
}

/** Writes tree blocks, sorted by address, to all their copies. */
export function writeBlocks(volume: Volume, space: Space, blocks: readonly TreeBlock[]): void {
  let run: TreeBlock[] = [];
  const flushRun = () => {
    writeRun(volume, run);
    run = [];
  };
  for (const block of blocks) {
    const last = run.at(-1);
    const follows = last !== undefined && last.bytenr + volume.nodesize === block.bytenr;
    const sameChunk = last !== undefined && space.groupAt(last.bytenr) === space.groupAt(block.bytenr);
    if (!follows || !sameChunk || (run.length + 1) * volume.nodesize > LARGEST_WRITE) flushRun();
    run.push(block);
  }
  flushRun();
}

function writeRun(volume: Volume, run: TreeBlock[]): void {
  const [first] = run;
  if (first === undefined) return;
  const bytes = staging.subarray(0, run.length * volume.nodesize);
  run.forEach((block, i) => {
    checkBlock(block.view, volume.checkContext, { from: block.changedFrom, to: block.changedTo });
    volume.checksum.digestInto(block.bytes.subarray(CSUM_SIZE), block.bytes, HEADER.csum);
    bytes.set(block.bytes, i * volume.nodesize);
  });
  volume.writeLogical(first.bytenr, bytes);
}

function nextSuperblock(host: CommitHost): Superblock {
  const { trees, volume, transid } = host;
  const old = volume.superblock;
  const next: Superblock = {
    ...old,
    generation: transid,
    root: trees.rootTree.root.bytenr,
    rootLevel: trees.rootTree.root.level,
    chunkRoot: trees.chunkTree.root.bytenr,
    chunkRootGeneration: trees.chunkTree.root.generation,
    chunkRootLevel: trees.chunkTree.root.level,
    logRoot: 0,
    logRootLevel: 0,
    bytesUsed: host.space.groups.reduce((sum, group) => sum + group.used, 0),
  };
  if (old.uuidTreeGeneration === old.generation) next.uuidTreeGeneration = transid;
  next.backupRoots = rotateBackups(old, backupOf(host, next));
  return next;
}

/** Backups rotate through their four slots; the newest one stands behind the last. */
function rotateBackups(old: Superblock, backup: BackupRoot): BackupRoot[] {
  const newest = old.backupRoots.findIndex((known) => known.tree.generation === old.generation);
  const slot = (newest + 1) % old.backupRoots.length;
  return old.backupRoots.map((known, i) => (i === slot ? backup : known));
}

function backupOf(host: CommitHost, superblock: Superblock): BackupRoot {
  const { trees } = host;
  return {
    tree: backupTree(trees.rootTree.root),
    chunk: backupTree(trees.chunkTree.root),
    extent: backupTree(trees.extentTree.root),
    fs: backupTree(trees.subvolume(FS_TREE_OBJECTID).root),
    dev: backupTree(trees.devTree.root),
    csum: backupTree(trees.checksumTree.root),
    totalBytes: superblock.totalBytes,
    bytesUsed: superblock.bytesUsed,
    numDevices: superblock.numDevices,
  };
}

function backupTree(root: BlockPointer): BackupTree {
  return { bytenr: root.bytenr, generation: root.generation, level: root.level };
}
