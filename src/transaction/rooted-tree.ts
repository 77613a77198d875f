/** A tree whose root is recorded in a root item of the root tree. */
import {
  decodeRootItem,
  encodeRootItem,
  FIRST_FREE_OBJECTID,
  FS_TREE_OBJECTID,
  Key,
  ROOT_ITEM,
  ROOT_ITEM_KEY,
  ROOT_SUBVOL_RDONLY,
  type RootItem,
} from '../format/index.js';
import { type BlockStore, Tree } from '../tree/index.js';

export class RootedTree extends Tree {
  /** Key of the root item: its offset is the transaction of a snapshot, 0 or -1 otherwise. */
  readonly rootKey: Key;
  readonly rootItem: RootItem;
  /** The root item has to be written even if the root block stays. */
  rootItemChanged = false;

  constructor(store: BlockStore, rootKey: Key, rootItem: RootItem) {
    const { bytenr, generation, level } = rootItem;
    super(store, rootKey.objectid, { bytenr, generation, level });
    this.rootKey = rootKey;
    this.rootItem = rootItem;
  }

  get hasChanged(): boolean {
    return (
      this.rootItemChanged ||
      this.root.bytenr !== this.rootItem.bytenr ||
      this.root.generation !== this.rootItem.generation
    );
  }

  /** Brings the root item up to the tree's state and returns its bytes. */
  encodeRoot(): Uint8Array {
    const { rootItem } = this;
    rootItem.bytenr = this.root.bytenr;
    rootItem.level = this.root.level;
    rootItem.generation = this.root.generation;
    rootItem.generationV2 = this.root.generation;
    this.rootItemChanged = false;
    const bytes = new Uint8Array(ROOT_ITEM.SIZE);
    encodeRootItem(new DataView(bytes.buffer), 0, rootItem);
    return bytes;
  }
}

/** A subvolume or snapshot: blocks may be shared with other ones. */
export class SubvolumeTree extends RootedTree {
  get readOnly(): boolean {
    return (this.rootItem.flags & ROOT_SUBVOL_RDONLY) !== 0n;
  }

  set readOnly(readOnly: boolean) {
    const others = this.rootItem.flags & ~ROOT_SUBVOL_RDONLY;
    this.rootItem.flags = readOnly ? others | ROOT_SUBVOL_RDONLY : others;
    this.rootItemChanged = true;
  }
}

export function isSubvolumeId(id: number): boolean {
  return id === FS_TREE_OBJECTID || id >= FIRST_FREE_OBJECTID;
}

/** The root item of a tree, whatever its key's offset. */
export function findRootItem(rootTree: Tree, id: number): { key: Key; item: RootItem } | undefined {
  const cursor = rootTree.seek(new Key(id, ROOT_ITEM_KEY, 0));
  if (!cursor.isItemOf(id, ROOT_ITEM_KEY)) return undefined;
  return { key: cursor.key, item: decodeRootItem(cursor.view, cursor.at, cursor.size) };
}
