/** New subvolume trees: an empty one, and one that begins as a copy of another's root block. */
import { invariant, type Timespec } from '../bytes/index.js';
import {
  encodeRootItem,
  FIRST_FREE_OBJECTID,
  type InodeItem,
  Key,
  ROOT_ITEM,
  ROOT_ITEM_KEY,
  ROOT_SUBVOL_RDONLY,
  type RootItem,
  UUID_SIZE,
} from '../format/index.js';
import { Tree } from '../tree/index.js';
import { allocateBlock, copyRootFor } from './copy-on-write.js';
import { SubvolumeTree } from './rooted-tree.js';
import type { Transaction } from './transaction.js';

/** Inode flag of a root item that the kernel has filled in all fields of. @see linux BTRFS_INODE_ROOT_ITEM_INIT */
const INODE_ROOT_ITEM_INIT = 1n << 31n;
const NEVER: Timespec = { sec: 0, nsec: 0 };

export interface NewSubvolume {
  readonly id: number;
  readonly uuid: Uint8Array;
  readonly readOnly: boolean;
}

/** The highest subvolume id in use plus one. */
export function nextSubvolumeId(transaction: Transaction): number {
  const cursor = transaction.rootTree.seekAtOrBefore(new Key(-256, ROOT_ITEM_KEY, 0xffff_ffff_ffff_ffffn));
  const highest = cursor.valid ? cursor.keyObjectid : 0;
  return Math.max(highest + 1, FIRST_FREE_OBJECTID);
}

/** Adds an empty tree with its root item. The caller fills in its top directory. */
export function createSubvolumeTree(transaction: Transaction, { id, uuid, readOnly }: NewSubvolume): SubvolumeTree {
  const { transid, nodesize } = transaction;
  const now = transaction.clock.now();
  const unborn = new Tree(transaction, id, { bytenr: 0, generation: transid, level: 0 });
  const root = allocateBlock(transaction, unborn, 0, new Key(0, 0, 0));
  const item: RootItem = {
    inode: rootInode(nodesize),
    generation: transid,
    rootDirid: FIRST_FREE_OBJECTID,
    bytenr: root.bytenr,
    byteLimit: 0,
    bytesUsed: nodesize,
    lastSnapshot: 0,
    flags: readOnly ? ROOT_SUBVOL_RDONLY : 0n,
    refs: 1,
    dropProgress: new Key(0, 0, 0),
    dropLevel: 0,
    level: 0,
    generationV2: transid,
    uuid,
    parentUuid: new Uint8Array(UUID_SIZE),
    receivedUuid: new Uint8Array(UUID_SIZE),
    ctransid: transid,
    otransid: transid,
    stransid: 0,
    rtransid: 0,
    ctime: now,
    otime: now,
    stime: NEVER,
    rtime: NEVER,
  };
  return insertTree(transaction, new Key(id, ROOT_ITEM_KEY, 0), item);
}

/**
 * Adds a snapshot of `source`. Nothing of the source may be dirty: the blocks the two share are
 * those of the last commit.
 *
 * @see linux fs/btrfs/transaction.c create_pending_snapshot
 */
export function snapshotTree(transaction: Transaction, source: SubvolumeTree, snapshot: NewSubvolume): SubvolumeTree {
  const { transid } = transaction;
  invariant(!transaction.hasChanges, 'a snapshot begins a transaction');
  const now = transaction.clock.now();
  source.rootItem.lastSnapshot = transid;
  source.rootItemChanged = true;
  source.touchRoot();
  const root = copyRootFor(transaction, source, snapshot.id);
  const item: RootItem = {
    ...source.rootItem,
    inode: { ...source.rootItem.inode },
    bytenr: root.bytenr,
    level: root.level,
    generation: transid,
    generationV2: transid,
    lastSnapshot: transid,
    flags: snapshot.readOnly ? ROOT_SUBVOL_RDONLY : 0n,
    refs: 1,
    dropProgress: new Key(0, 0, 0),
    dropLevel: 0,
    uuid: snapshot.uuid,
    parentUuid: source.rootItem.uuid,
    otransid: transid,
    otime: now,
  };
  if (!snapshot.readOnly) {
    Object.assign(item, {
      receivedUuid: new Uint8Array(UUID_SIZE),
      stransid: 0,
      rtransid: 0,
      stime: NEVER,
      rtime: NEVER,
    });
  }
  return insertTree(transaction, new Key(snapshot.id, ROOT_ITEM_KEY, transid), item);
}

function insertTree(transaction: Transaction, key: Key, item: RootItem): SubvolumeTree {
  const bytes = new Uint8Array(ROOT_ITEM.SIZE);
  encodeRootItem(new DataView(bytes.buffer), 0, item);
  transaction.rootTree.insert(key, bytes);
  const tree = new SubvolumeTree(transaction, key, item);
  transaction.trees.addSubvolume(tree);
  return tree;
}

function rootInode(nodesize: number): InodeItem {
  return {
    generation: 1,
    transid: 0,
    size: 3,
    nbytes: nodesize,
    blockGroup: 0,
    nlink: 1,
    uid: 0,
    gid: 0,
    mode: 0o040755,
    rdev: 0,
    flags: INODE_ROOT_ITEM_INIT,
    sequence: 0,
    atime: NEVER,
    ctime: NEVER,
    mtime: NEVER,
    otime: NEVER,
  };
}
