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
  type Superblock,
  UUID_SIZE,
  UUID_TREE_OBJECTID,
} from '../format/index.js';
import { type BlockStore, Tree } from '../tree/index.js';
import { findRootItem, isSubvolumeId, openRootedTree, RootedTree, SubvolumeTree } from './rooted-tree.js';

export class Trees {
  readonly rootTree: Tree;
  readonly chunkTree: Tree;
  readonly extentTree: RootedTree;
  readonly devTree: RootedTree;
  readonly checksumTree: RootedTree;
  readonly uuidTree: RootedTree | undefined;
  readonly freeSpaceTree: RootedTree | undefined;
  readonly blockGroupTree: RootedTree | undefined;
  private readonly subvolumes = new Map<number, SubvolumeTree>();

  /** @throws FsError EUCLEAN, EIO if a tree that every volume has is missing or unreadable */
  constructor(store: BlockStore, superblock: Superblock) {
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
    this.extentTree = openRootedTree(this.rootTree, EXTENT_TREE_OBJECTID);
    this.devTree = openRootedTree(this.rootTree, DEV_TREE_OBJECTID);
    this.checksumTree = openRootedTree(this.rootTree, CSUM_TREE_OBJECTID);
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
    const root = isSubvolumeId(id) ? findRootItem(this.rootTree, id) : undefined;
    if (root === undefined) throw new FsError('ENOENT', `there is no subvolume with id ${id}`);
    const tree = new SubvolumeTree(this.rootTree.store, root.key, root.item);
    if (tree.root.level > 7) throw corrupt(`root item of tree ${id}`, `level ${tree.root.level} is above 7`);
    this.subvolumes.set(id, tree);
    return tree;
  }

  addSubvolume(tree: SubvolumeTree): void {
    this.subvolumes.set(tree.id, tree);
  }

  forgetSubvolume(id: number): void {
    this.subvolumes.delete(id);
  }

  openSubvolumes(): Iterable<SubvolumeTree> {
    return this.subvolumes.values();
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

  private openIfPresent(id: number): RootedTree | undefined {
    const root = findRootItem(this.rootTree, id);
    return root && new RootedTree(this.rootTree.store, root.key, root.item);
  }
}
