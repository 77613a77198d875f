export { wrappedOffset } from './block-contents.js';
export { TreeDrop } from './drop-tree.js';
export { findRootItem, isSubvolumeId, SubvolumeTree } from './rooted-tree.js';
export { createSubvolumeTree, type NewSubvolume, nextSubvolumeId, snapshotTree } from './snapshot.js';
export type { BlockGroup, SpaceType } from './space/block-group.js';
export { type TrimRange, trimFreeSpace } from './space/trim.js';
export type { Reservation, TransactionOptions } from './transaction.js';
export { Transaction } from './transaction.js';
