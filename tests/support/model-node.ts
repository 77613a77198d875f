/** The inodes of the model filesystem: plain data, no behaviour beyond copying. */
import type { EntryType } from './entries.js';

/** A directory, file, symlink or fifo. Contents are never changed in place, so copies may share them. */
export interface ModelNode {
  readonly type: EntryType;
  mode: number;
  uid: number;
  gid: number;
  mtimeNs: bigint | undefined;
  readonly xattrs: Map<string, Uint8Array>;
  /** The name of the policy it is encrypted under. */
  policy: string | undefined;
  /** Of a directory. */
  readonly children: Map<string, ModelNode>;
  /** Of a file. */
  bytes: Buffer;
  /** Of a symlink. */
  readonly target: string;
  /** Set on the top of a subvolume. */
  readonly subvolume: { readonly readOnly: boolean } | undefined;
  /** Stands for a subvolume that its snapshot does not hold: an empty directory that can only be removed. */
  readonly placeholder: boolean;
}

export function newNode(type: EntryType, mode: number, rest: Partial<ModelNode> = {}): ModelNode {
  return {
    type,
    mode,
    uid: 0,
    gid: 0,
    mtimeNs: undefined,
    xattrs: new Map(),
    policy: undefined,
    children: new Map(),
    bytes: Buffer.alloc(0),
    target: '',
    subvolume: undefined,
    placeholder: false,
    ...rest,
  };
}

/**
 * A copy of the subvolume with the top `top`, as a snapshot shows it: hard links stay linked,
 * nested subvolumes become placeholders.
 */
export function copySubvolume(top: ModelNode, readOnly: boolean): ModelNode {
  const copies = new Map<ModelNode, ModelNode>();
  const copy = (node: ModelNode): ModelNode => {
    if (node !== top && (node.subvolume !== undefined || node.placeholder)) {
      return newNode('dir', 0o755, { placeholder: true });
    }
    const known = copies.get(node);
    if (known !== undefined) return known;
    const made: ModelNode = {
      ...node,
      xattrs: new Map(node.xattrs),
      children: new Map([...node.children].map(([name, child]) => [name, copy(child)])),
      subvolume: node === top ? { readOnly } : undefined,
    };
    copies.set(node, made);
    return made;
  };
  return copy(top);
}
