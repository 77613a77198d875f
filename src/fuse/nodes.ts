/**
 * The inodes that the kernel knows, by the ids it was given for them.
 *
 * The kernel counts how often it was told of an inode and gives the count back when it forgets. An
 * inode that loses its last name while the kernel knows it is kept until then: a program may have
 * it open, work in it or hold a descriptor of it.
 */
import { FsError } from '../bytes/index.js';
import type { Filesystem, Inode } from '../filesystem/index.js';
import { EMPTY_SUBVOL_DIR_OBJECTID } from '../format/index.js';
import { ROOT_ID } from './protocol/numbers.js';

export interface Node {
  readonly id: number;
  readonly subvolumeId: number;
  readonly ino: number;
  /** How often the kernel was told of it. */
  lookups: number;
  /** Held because it has no name any more, or because it has no place in the tree at all. */
  held: Inode | undefined;
  /** Its subvolume was deleted: the kernel's memory of it leads nowhere, even if another gets the subvolume's id. */
  isGone: boolean;
}

export class Nodes {
  private readonly filesystem: Filesystem;
  private readonly byId = new Map<number, Node>();
  private readonly bySubvolume = new Map<number, Map<number, Node>>();
  private nextId = ROOT_ID;

  constructor(filesystem: Filesystem, root: Inode) {
    this.filesystem = filesystem;
    this.add(root);
  }

  /** Everything the kernel knows. */
  all(): Iterable<Node> {
    return this.byId.values();
  }

  /** @throws FsError ENOENT if it is gone for good, ESTALE if it is with its subvolume */
  inode(id: number): Inode {
    const node = this.byId.get(id);
    if (node?.isGone === true) throw new FsError('ESTALE', `subvolume ${node.subvolumeId} was deleted`);
    if (node === undefined) throw new FsError('ENOENT', `the kernel asks for node ${id}, which it was not told of`);
    const { held } = node;
    if (held === undefined) return this.filesystem.inode(node.subvolumeId, node.ino);
    return held.isDetached && !held.isDeleted ? this.filesystem.inode(node.subvolumeId, node.ino) : held;
  }

  find(inode: Inode): Node | undefined {
    // Placeholders of missing subvolumes all have the same number.
    if (inode.ino === EMPTY_SUBVOL_DIR_OBJECTID) return undefined;
    return this.bySubvolume.get(inode.subvolume.id)?.get(inode.ino);
  }

  /** The node of an inode of which the kernel is being told once more. */
  tell(inode: Inode): Node {
    const node = this.find(inode) ?? this.add(inode);
    node.lookups += 1;
    return node;
  }

  /** The kernel gives back `count` tellings. */
  forget(id: number, count: number): void {
    const node = this.byId.get(id);
    if (node === undefined || id === ROOT_ID) return;
    node.lookups -= count;
    if (node.lookups > 0) return;
    this.byId.delete(id);
    const ofSubvolume = this.bySubvolume.get(node.subvolumeId);
    if (ofSubvolume?.get(node.ino) === node) ofSubvolume.delete(node.ino);
    if (node.held !== undefined) this.release(node.held);
  }

  /** Keeps an inode without a name for as long as the kernel knows it. */
  hold(inode: Inode): void {
    const node = this.find(inode);
    if (node === undefined || node.held !== undefined) return;
    inode.openCount += 1;
    node.held = inode;
  }

  /** Lets go of an inode that has a name again. */
  unhold(inode: Inode): void {
    const node = this.find(inode);
    if (node?.held !== inode || inode.item.nlink === 0) return;
    node.held = undefined;
    inode.openCount -= 1;
  }

  /**
   * Lets go of what was removed in a subvolume and is open nowhere: that the kernel has not forgotten it means only
   * that it has not found the time.
   */
  letGo(subvolumeId: number): void {
    for (const node of this.bySubvolume.get(subvolumeId)?.values() ?? []) {
      const { held } = node;
      if (held === undefined || held.item.nlink > 0 || held.openCount > 1) continue;
      node.held = undefined;
      this.release(held);
    }
  }

  /** A subvolume was deleted. @returns the ids of what the kernel knows of it */
  forgetSubvolume(subvolumeId: number): number[] {
    const gone = [...this.byId.values()].filter((node) => node.subvolumeId === subvolumeId);
    for (const node of gone) {
      node.isGone = true;
      node.held = undefined;
    }
    this.bySubvolume.delete(subvolumeId);
    return gone.map(({ id }) => id);
  }

  /** Gives up all: what has no name goes. */
  clear(): void {
    for (const { held } of this.byId.values()) if (held !== undefined) this.release(held);
    this.byId.clear();
    this.bySubvolume.clear();
  }

  private release(inode: Inode): void {
    if (inode.ino !== EMPTY_SUBVOL_DIR_OBJECTID && !inode.isDetached) this.filesystem.closeInode(inode);
  }

  private add(inode: Inode): Node {
    const { ino } = inode;
    const subvolumeId = inode.subvolume.id;
    const isPlaceholder = ino === EMPTY_SUBVOL_DIR_OBJECTID;
    const held = isPlaceholder ? inode : undefined;
    const node: Node = { id: this.nextId++, subvolumeId, ino, lookups: 0, held, isGone: false };
    this.byId.set(node.id, node);
    if (isPlaceholder) return node;
    let inodes = this.bySubvolume.get(subvolumeId);
    if (inodes === undefined) {
      inodes = new Map();
      this.bySubvolume.set(subvolumeId, inodes);
    }
    inodes.set(ino, node);
    return node;
  }
}
