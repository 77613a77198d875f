/** The trees of a volume, opened from the superblock down. */
import { corrupt, FsError } from '../bytes/index.js';
import {
  BLOCK_GROUP_TREE_OBJECTID,
  CHUNK_TREE_OBJECTID,
  CSUM_TREE_OBJECTID,
  DEV_TREE_OBJECTID,
  EXTENT_TREE_OBJECTID,
  FREE_SPACE_TREE_OBJECTID,
  HEADER,
  ROOT_TREE_OBJECTID,
  UUID_SIZE,
  UUID_TREE_OBJECTID,
} from '../format/index.js';
import { type BlockStore, Tree } from '../tree/index.js';
import type { Volume } from '../volume/index.js';
import { findRootItem, isSubvolumeId, RootedTree, SubvolumeTree } from './rooted-tree.js';

export class Trees {
  readonly rootTree: Tree;
  readonly chunkTree: Tree;
  readonly extentTree: RootedTree;
  readonly devTree: RootedTree;
  readonly checksumTree: RootedTree;
  readonly uuidTree: RootedTree | undefined;
  readonly freeSpaceTree: RootedTree | undefined;
  readonly blockGroupTree: RootedTree | undefined;
  private readonly volume: Pick<Volume, 'superblock'>;
  private readonly subvolumes = new Map<number, SubvolumeTree>();

  /** @throws FsError EUCLEAN, EIO if a tree that every volume has is missing or unreadable */
  constructor(store: BlockStore, volume: Pick<Volume, 'superblock'>) {
    this.volume = volume;
    const { superblock } = volume;
    this.rootTree = new Tree(store, ROOT_TREE_OBJECTID, {
      bytenr: superblock.root,
      generation: superblock.generation,
      level: superblock.rootLevel,
    });
    this.chunkTree = new Tree(store, CHUNK_TREE_OBJECTID, {
      bytenr: superblock.chunkRoot,
      generation: superblock.chunkRootGeneration,
      level: superblock.chunkRootLevel,
    });
    this.extentTree = this.open(EXTENT_TREE_OBJECTID);
    this.devTree = this.open(DEV_TREE_OBJECTID);
    this.checksumTree = this.open(CSUM_TREE_OBJECTID);
    this.uuidTree = this.openIfPresent(UUID_TREE_OBJECTID);
    this.freeSpaceTree = this.openIfPresent(FREE_SPACE_TREE_OBJECTID);
    this.blockGroupTree = this.openIfPresent(BLOCK_GROUP_TREE_OBJECTID);
  }

  /** The UUID that the header of every block carries beside the volume's. */
  get chunkTreeUuid(): Uint8Array {
    return this.chunkTree.readRoot().bytes.slice(HEADER.chunkTreeUuid, HEADER.chunkTreeUuid + UUID_SIZE);
  }

  /** @throws FsError ENOENT if there is no such subvolume */
  subvolume(id: number): SubvolumeTree {
    const known = this.subvolumes.get(id);
    if (known !== undefined) return known;
    const root = isSubvolumeId(id) ? this.findRoot(id) : undefined;
    if (root === undefined) throw new FsError('ENOENT', `there is no subvolume with id ${id}`);
    const tree = new SubvolumeTree(this.rootTree.store, root.key, root.item);
    this.subvolumes.set(id, tree);
    return tree;
  }

  addSubvolume(tree: SubvolumeTree): void {
    this.subvolumes.set(tree.id, tree);
  }

  forgetSubvolume(id: number): void {
    this.subvolumes.delete(id);
  }

  /** Bytes of tree blocks of the trees in which a commit accounts for space. */
  get accountingBytes(): number {
    const { extentTree, checksumTree, freeSpaceTree, blockGroupTree } = this;
    const { bytesUsed } = extentTree.rootItem;
    const others = (freeSpaceTree?.rootItem.bytesUsed ?? 0) + (blockGroupTree?.rootItem.bytesUsed ?? 0);
    return bytesUsed + checksumTree.rootItem.bytesUsed + others;
  }

  /** Bytes of tree blocks of the subvolumes in use. */
  get subvolumeBytes(): number {
    let sum = 0;
    for (const tree of this.subvolumes.values()) sum += tree.rootItem.bytesUsed;
    return sum;
  }

  /** Trees whose root items have to be written. */
  changed(): RootedTree[] {
    const all = [
      this.extentTree,
      this.devTree,
      this.checksumTree,
      this.uuidTree,
      this.freeSpaceTree,
      this.blockGroupTree,
      ...this.subvolumes.values(),
    ];
    return all.filter((tree) => tree?.hasChanged).filter((tree) => tree !== undefined);
  }

  private open(id: number): RootedTree {
    const tree = this.openIfPresent(id);
    if (tree === undefined) throw corrupt(`tree ${id}`, 'has no root item');
    return tree;
  }

  private openIfPresent(id: number): RootedTree | undefined {
    const root = this.findRoot(id);
    return root && new RootedTree(this.rootTree.store, root.key, root.item);
  }

  /** The root item of a tree that the last commit has: what it points at cannot be newer than that. */
  private findRoot(id: number): ReturnType<typeof findRootItem> {
    const root = findRootItem(this.rootTree, id);
    const newest = this.volume.superblock.generation;
    if (root === undefined || root.item.generation <= newest) return root;
    throw corrupt(`root item of tree ${id}`, `generation ${root.item.generation} is past the volume's, ${newest}`);
  }
}
