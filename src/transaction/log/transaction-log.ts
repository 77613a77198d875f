/**
 * The log of the running transaction: what fsync made durable of it, ahead of the commit.
 *
 * A tree of items for each subvolume, and one tree that says where those are. Its blocks lie in free
 * space that the extent tree knows nothing of; only the superblock points there, beside the last
 * commit. Whoever opens the volume after a power cut replays them over that commit. Blocks that were
 * written are never changed, since the superblock on disk may still lead to them, and nothing that
 * the log uses is given to anybody else until the commit has made it obsolete.
 *
 * @see linux fs/btrfs/tree-log.c
 */
import { invariant, viewOf, writeU53 } from '../../bytes/index.js';
import { HEADER, Key, MAX_OFFSET, ROOT_ITEM, ROOT_ITEM_KEY, TREE_LOG_OBJECTID } from '../../format/index.js';
import { type BlockPointer, type BlockStore, Tree, type TreeBlock } from '../../tree/index.js';
import type { Volume } from '../../volume/index.js';
import { ChecksumTree } from '../checksums.js';
import { writeBlocks } from '../commit.js';
import { type BlockOrigin, emptyBlock } from '../copy-on-write.js';
import type { Space } from '../space/space.js';

const HIGHEST_TYPE = 255;

export interface LogHost extends BlockOrigin {
  readonly volume: Volume;
  readonly space: Space;
  assertWritable(): void;
}

/** One subvolume's part. */
export interface SubvolumeLog {
  readonly tree: Tree;
  readonly checksums: ChecksumTree;
}

export class TransactionLog implements BlockStore {
  readonly nodesize: number;
  private readonly host: LogHost;
  private readonly blocks = new Map<number, TreeBlock>();
  private readonly dirty = new Set<TreeBlock>();
  /** Addresses of all blocks there ever were. */
  private readonly held: number[] = [];
  private readonly extents = new Set<number>();
  private readonly subvolumes = new Map<number, SubvolumeLog>();
  private readonly roots: Tree;

  /** @throws FsError ENOSPC */
  constructor(host: LogHost) {
    this.host = host;
    this.nodesize = host.nodesize;
    this.roots = this.newTree();
  }

  /** Blocks that {@link sync} would have to keep; the log had better end when they are many. */
  get blockCount(): number {
    return this.blocks.size;
  }

  /** Blocks whose space is out of use until the commit. */
  get heldCount(): number {
    return this.held.length;
  }

  /** The part of one subvolume. @throws FsError ENOSPC */
  of(subvolumeId: number): SubvolumeLog {
    const known = this.subvolumes.get(subvolumeId);
    if (known !== undefined) return known;
    const { volume } = this.host;
    const tree = this.newTree();
    const made = { tree, checksums: new ChecksumTree(tree, volume.sectorsize, volume.checksum.size) };
    this.subvolumes.set(subvolumeId, made);
    return made;
  }

  /** Removes the items of an inode. @throws FsError ENOSPC */
  drop(subvolumeId: number, ino: number): void {
    const known = this.subvolumes.get(subvolumeId);
    if (known === undefined) return;
    while (known.tree.removeRange(new Key(ino, 0, 0), new Key(ino, HIGHEST_TYPE, MAX_OFFSET)));
  }

  /** Notes that the log names a data extent: its space stays untouched, whatever becomes of the file. */
  holdExtent(bytenr: number): void {
    this.extents.add(bytenr);
  }

  holdsExtent(bytenr: number): boolean {
    return this.extents.has(bytenr);
  }

  /** Makes the log durable: blocks, flush, superblock, flush. @throws FsError EIO, EROFS */
  sync(): void {
    const { volume, space } = this.host;
    for (const [id, { tree, checksums }] of this.subvolumes) {
      checksums.settle();
      this.writeRoot(id, tree);
    }
    writeBlocks(
      volume,
      space,
      [...this.dirty].sort((a, b) => a.bytenr - b.bytenr),
    );
    for (const block of this.dirty) block.dirty = false;
    this.dirty.clear();
    volume.flush();
    const { bytenr, level } = this.roots.root;
    volume.writeSupers({ ...volume.superblock, logRoot: bytenr, logRootLevel: level });
  }

  /** Gives the space of the blocks back, after the commit that made the log obsolete. */
  release(): void {
    for (const bytenr of this.held) this.host.space.release(bytenr, this.nodesize);
    this.held.length = 0;
  }

  // --- the port of the trees ---

  cachedBlock(_tree: Tree, bytenr: number): TreeBlock | undefined {
    return this.blocks.get(bytenr);
  }

  readBlock(_tree: Tree, { bytenr }: BlockPointer): TreeBlock {
    const block = this.blocks.get(bytenr);
    invariant(block !== undefined, 'all blocks of a log are in memory');
    return block;
  }

  allocateBlock(_tree: Tree, level: number): TreeBlock {
    return this.newBlock(level);
  }

  private newBlock(level: number): TreeBlock {
    const bytenr = this.host.space.allocate('metadata', this.nodesize, this.nodesize);
    this.held.push(bytenr);
    const block = emptyBlock(this.host, bytenr, TREE_LOG_OBJECTID, level);
    this.blocks.set(bytenr, block);
    this.dirty.add(block);
    return block;
  }

  copyOnWrite(_tree: Tree, block: TreeBlock): TreeBlock {
    if (block.dirty) return block;
    const copy = this.newBlock(block.level);
    copy.bytes.set(block.bytes.subarray(HEADER.nritems), HEADER.nritems);
    this.blocks.delete(block.bytenr);
    return copy;
  }

  freeBlock(_tree: Tree, block: TreeBlock): void {
    this.blocks.delete(block.bytenr);
    this.dirty.delete(block);
  }

  assertWritable(): void {
    this.host.assertWritable();
  }

  private newTree(): Tree {
    return new Tree(this, TREE_LOG_OBJECTID, this.newBlock(0).pointer);
  }

  private writeRoot(id: number, { root }: Tree): void {
    const key = new Key(TREE_LOG_OBJECTID, ROOT_ITEM_KEY, id);
    const bytes = encodeLogRoot(root);
    if (this.roots.get(key) === undefined) this.roots.insert(key, bytes);
    else this.roots.replace(key, bytes);
  }
}

/** Of a log's root item only the place of the root means something. */
function encodeLogRoot({ bytenr, generation, level }: BlockPointer): Uint8Array {
  const bytes = new Uint8Array(ROOT_ITEM.SIZE);
  const view = viewOf(bytes);
  writeU53(view, ROOT_ITEM.bytenr, bytenr);
  writeU53(view, ROOT_ITEM.generation, generation);
  writeU53(view, ROOT_ITEM.generationV2, generation);
  view.setUint8(ROOT_ITEM.level, level);
  return bytes;
}
