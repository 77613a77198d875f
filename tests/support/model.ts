/**
 * A filesystem in a Map: what a volume must show after the same calls, and which errno each wrong
 * call gives on Linux. Far simpler than what it judges, and judged itself against the kernel.
 *
 * The order of checks is the kernel's: the path, what is already there, read-only subvolume, kind
 * of entry, then the operation's own rules (fs/namei.c may_create and may_delete, fs/btrfs/inode.c).
 */
import type { DrivenFilesystem, DrivenStats, FallocateMode, RenameMode } from './driven-filesystem.js';
import { copySubvolume, type ModelNode, newNode } from './model-node.js';

const SECTOR = 4096;
const MAX_NAME = 255;

/** A failed call, as node:fs throws it. */
export class ModelError extends Error {
  readonly code: string;

  constructor(code: string, what: string) {
    super(`${code}: ${what}`);
    this.code = code;
  }
}

/** Where a path leads: the directory it names an entry of, the name, and the entry if there is one. */
interface Place {
  readonly directory: ModelNode;
  readonly name: string;
  readonly node: ModelNode | undefined;
  /** The subvolume of the directory. */
  readonly subvolume: ModelNode;
  /** The directories from the top to `directory`. */
  readonly above: readonly ModelNode[];
}

export class ModelFilesystem implements DrivenFilesystem {
  readonly top: ModelNode = newNode('dir', 0o755, { subvolume: { readOnly: false } });
  private readonly identities = new Map<ModelNode, string>();
  private readonly countsLinks: boolean;

  /** @param options - countsLinks: directories show their links as on a mount, not the single one on disk */
  constructor(options: { readonly countsLinks: boolean } = { countsLinks: false }) {
    this.countsLinks = options.countsLinks;
  }

  // --- looking ---

  lstat(path: string): DrivenStats {
    const node = this.existing(path);
    const { type, mode, uid, gid, mtimeNs } = node;
    const identity = this.identities.get(node) ?? String(this.identities.size);
    this.identities.set(node, identity);
    const size = type === 'symlink' ? Buffer.byteLength(node.target) : node.bytes.length;
    return { type, mode, uid, gid, nlink: this.linksOf(node), size, mtimeNs, identity };
  }

  readdir(path: string): string[] {
    const node = this.existing(path);
    if (node.type !== 'dir') throw new ModelError('ENOTDIR', path);
    return [...node.children.keys()];
  }

  readFile(path: string): Uint8Array {
    const node = this.followed(path);
    if (node.type === 'dir') throw new ModelError('EISDIR', path);
    return node.bytes;
  }

  readlink(path: string): string {
    const node = this.existing(path);
    if (node.type !== 'symlink') throw new ModelError('EINVAL', path);
    return node.target;
  }

  xattrs(path: string): Record<string, Uint8Array> {
    return Object.fromEntries(this.existing(path).xattrs);
  }

  /** Paths of all entries that `wanted` accepts, the top included, in order. */
  paths(wanted: (node: ModelNode, path: string) => boolean = () => true): string[] {
    const found: string[] = [];
    const visit = (path: string, node: ModelNode): void => {
      if (wanted(node, path)) found.push(path);
      for (const name of [...node.children.keys()].sort()) {
        visit(path === '/' ? `/${name}` : `${path}/${name}`, childOf(node, name));
      }
    };
    visit('/', this.top);
    return found;
  }

  // --- names ---

  create(path: string, mode: number): void {
    this.add(path, (policy) => newNode('file', mode, { policy }));
  }

  mkdir(path: string, mode: number): void {
    this.add(path, (policy) => newNode('dir', mode, { policy }));
  }

  symlink(target: string, path: string): void {
    this.add(path, (policy) => newNode('symlink', 0o777, { target, policy }));
  }

  mkfifo(path: string, mode: number): void {
    this.add(path, () => newNode('fifo', mode));
  }

  link(existing: string, path: string): void {
    const node = this.existing(existing);
    const source = this.place(existing);
    const place = this.free(path);
    this.checkWritable(place);
    if (node.type === 'dir') throw new ModelError('EPERM', existing);
    if (source.subvolume !== place.subvolume) throw new ModelError('EXDEV', path);
    this.checkPolicy(node, place.directory);
    this.enter(place, node);
  }

  unlink(path: string): void {
    const place = this.present(path);
    this.checkWritable(place);
    if (place.node.type === 'dir') throw new ModelError('EISDIR', path);
    this.leave(place);
  }

  rmdir(path: string): void {
    const place = this.present(path);
    this.checkWritable(place);
    if (place.node.type !== 'dir') throw new ModelError('ENOTDIR', path);
    if (place.node.children.size > 0) throw new ModelError('ENOTEMPTY', path);
    this.leave(place);
  }

  rename(from: string, to: string, mode: RenameMode): void {
    const source = this.present(from);
    const target = this.place(to);
    if (mode === 'noreplace' && target.node !== undefined) throw new ModelError('EEXIST', to);
    if (mode === 'exchange' && target.node === undefined) throw new ModelError('ENOENT', to);
    if (target.above.includes(source.node)) throw new ModelError('EINVAL', to);
    if (target.node !== undefined && source.above.includes(target.node)) {
      throw new ModelError(mode === 'exchange' ? 'EINVAL' : 'ENOTEMPTY', to);
    }
    if (source.node === target.node) return;
    this.checkWritable(source);
    this.checkWritable(target);
    if (mode === 'exchange') this.exchange(source, target);
    else this.replace(source, target);
  }

  private replace(source: Place & { node: ModelNode }, target: Place): void {
    const { node } = source;
    const replaced = target.node;
    if (replaced !== undefined && node.type === 'dir' && replaced.type !== 'dir')
      throw new ModelError('ENOTDIR', target.name);
    if (replaced !== undefined && node.type !== 'dir' && replaced.type === 'dir')
      throw new ModelError('EISDIR', target.name);
    this.checkMovable(node, source, target);
    if (source.subvolume !== target.subvolume && node.subvolume === undefined)
      throw new ModelError('EXDEV', target.name);
    if (source.directory !== target.directory) this.checkPolicy(node, target.directory);
    if (node.placeholder || replaced?.subvolume !== undefined) throw new ModelError('ENOTEMPTY', target.name);
    if (replaced !== undefined && replaced.children.size > 0) throw new ModelError('ENOTEMPTY', target.name);
    if (replaced !== undefined) this.leave(target);
    this.leave(source);
    this.enter(target, node);
  }

  private exchange(source: Place & { node: ModelNode }, target: Place): void {
    const other = target.node;
    if (other === undefined) throw new ModelError('ENOENT', target.name);
    this.checkMovable(source.node, source, target);
    this.checkMovable(other, source, target);
    const within = source.subvolume === target.subvolume;
    if (!within && (source.node.subvolume === undefined || other.subvolume === undefined)) {
      throw new ModelError('EXDEV', target.name);
    }
    if (source.directory !== target.directory) {
      this.checkPolicy(source.node, target.directory);
      this.checkPolicy(other, source.directory);
    }
    source.directory.children.set(source.name, other);
    target.directory.children.set(target.name, source.node);
    source.directory.mtimeNs = undefined;
    target.directory.mtimeNs = undefined;
  }

  /** A directory that gets another parent must be writable itself: its `..` changes. */
  private checkMovable(node: ModelNode, from: Place, to: Place): void {
    if (from.directory !== to.directory && node.subvolume?.readOnly === true) throw new ModelError('EROFS', to.name);
  }

  // --- data ---

  write(path: string, position: number, bytes: Uint8Array): void {
    const node = this.writableFile(path);
    if (bytes.length > 0) this.setBytes(node, position, bytes);
  }

  truncate(path: string, size: number): void {
    const node = this.writableFile(path);
    const bytes = Buffer.alloc(size);
    node.bytes.copy(bytes);
    node.bytes = bytes;
    node.mtimeNs = undefined;
  }

  fallocate(path: string, mode: FallocateMode, offset: number, length: number): void {
    const node = this.writableFile(path);
    if (length <= 0) throw new ModelError('EINVAL', path);
    const grows = mode === 'allocate' || mode === 'zeroRange';
    const { length: size } = node.bytes;
    if (mode !== 'allocate' && mode !== 'keepSize' && offset < size) {
      this.setBytes(node, offset, Buffer.alloc(Math.min(length, size - offset)));
    }
    if (grows && offset + length > node.bytes.length) this.setBytes(node, offset + length, Buffer.alloc(0));
    node.mtimeNs = undefined;
  }

  cloneRange(from: string, offset: number, length: number, to: string, position: number): void {
    const source = this.followed(from);
    const target = this.writableFile(to);
    if (source.type === 'dir') throw new ModelError('EISDIR', from);
    const { length: size } = source.bytes;
    const count = length === 0 ? size - offset : length;
    const toEnd = offset + count === size;
    if (offset % SECTOR !== 0 || position % SECTOR !== 0 || count < 0 || offset + count > size) {
      throw new ModelError('EINVAL', from);
    }
    if (count % SECTOR !== 0 && (!toEnd || position + count < target.bytes.length))
      throw new ModelError('EINVAL', from);
    if (source === target && position < offset + count && offset < position + count) throw new ModelError('EINVAL', to);
    if (source.policy !== target.policy) throw new ModelError('EINVAL', to);
    if (count > 0) this.setBytes(target, position, source.bytes.subarray(offset, offset + count));
  }

  /** Replaces bytes, growing the file with zeros where the range lies beyond its end. */
  private setBytes(node: ModelNode, position: number, bytes: Uint8Array): void {
    const changed = Buffer.alloc(Math.max(node.bytes.length, position + bytes.length));
    node.bytes.copy(changed);
    changed.set(bytes, position);
    node.bytes = changed;
    node.mtimeNs = undefined;
  }

  // --- attributes ---

  chmod(path: string, mode: number): void {
    this.writable(path, this.followed(path)).mode = mode;
  }

  chown(path: string, uid: number, gid: number): void {
    Object.assign(this.writable(path, this.existing(path)), { uid, gid });
  }

  utimes(path: string, mtimeNs: bigint): void {
    this.writable(path, this.existing(path)).mtimeNs = mtimeNs;
  }

  setXattr(path: string, name: string, value: Uint8Array): void {
    this.withXattrs(path, name).xattrs.set(name, Uint8Array.from(value));
  }

  removeXattr(path: string, name: string): void {
    if (!this.withXattrs(path, name).xattrs.delete(name)) throw new ModelError('ENODATA', path);
  }

  private withXattrs(path: string, name: string): ModelNode {
    const node = this.existing(path);
    const forUsers = node.type === 'file' || node.type === 'dir';
    if (name.startsWith('user.') && !forUsers) throw new ModelError('EPERM', path);
    return this.writable(path, node);
  }

  setPolicy(path: string, policy: string): void {
    const node = this.writable(path, this.existing(path));
    if (node.type !== 'dir') throw new ModelError('ENOTDIR', path);
    if (node.policy === policy) return;
    if (node.policy !== undefined) throw new ModelError('EEXIST', path);
    if (node.children.size > 0) throw new ModelError('ENOTEMPTY', path);
    node.policy = policy;
  }

  // --- subvolumes ---

  createSubvolume(path: string): void {
    this.add(path, (policy) => newNode('dir', 0o755, { policy, subvolume: { readOnly: false } }));
  }

  snapshot(source: string, path: string, readOnly: boolean): void {
    const node = this.existing(source);
    if (node.subvolume === undefined) throw new ModelError('EINVAL', source);
    const place = this.free(path);
    this.checkWritable(place);
    this.enter(place, copySubvolume(node, readOnly));
  }

  deleteSubvolume(path: string): void {
    const place = this.present(path);
    this.checkWritable(place);
    if (place.node.subvolume === undefined) throw new ModelError('EINVAL', path);
    if (holdsSubvolume(place.node)) throw new ModelError('ENOTEMPTY', path);
    this.leave(place);
  }

  sync(): void {}

  // --- paths ---

  private place(path: string): Place {
    const names = path.split('/').filter((name) => name !== '');
    const last = names.pop() ?? '';
    let directory = this.top;
    let subvolume = this.top;
    const above = [this.top];
    for (const name of names) {
      directory = this.child(directory, name) ?? missing(path);
      if (directory.type === 'symlink') missing(path);
      if (directory.type !== 'dir') throw new ModelError('ENOTDIR', path);
      if (directory.subvolume !== undefined) subvolume = directory;
      above.push(directory);
    }
    const node = last === '' ? this.top : this.child(directory, last);
    return { directory, name: last, node, subvolume, above };
  }

  private child(directory: ModelNode, name: string): ModelNode | undefined {
    if (Buffer.byteLength(name) > MAX_NAME) throw new ModelError('ENAMETOOLONG', name);
    return directory.children.get(name);
  }

  private present(path: string): Place & { node: ModelNode } {
    const place = this.place(path);
    return { ...place, node: place.node ?? missing(path) };
  }

  /** A place with nothing in it. */
  private free(path: string): Place {
    const place = this.place(path);
    if (place.node !== undefined) throw new ModelError('EEXIST', path);
    return place;
  }

  private existing(path: string): ModelNode {
    return this.present(path).node;
  }

  /** As {@link existing}, but a symlink, which leads nowhere, is followed. */
  private followed(path: string): ModelNode {
    const node = this.existing(path);
    return node.type === 'symlink' ? missing(path) : node;
  }

  private add(path: string, make: (policy: string | undefined) => ModelNode): void {
    const place = this.free(path);
    this.checkWritable(place);
    this.enter(place, make(place.directory.policy));
  }

  private enter({ directory, name }: Place, node: ModelNode): void {
    directory.children.set(name, node);
    directory.mtimeNs = undefined;
  }

  private leave({ directory, name }: Place): void {
    directory.children.delete(name);
    directory.mtimeNs = undefined;
  }

  private checkWritable({ subvolume, name }: Place): void {
    if (subvolume.subvolume?.readOnly === true) throw new ModelError('EROFS', name);
  }

  /** The node itself, if its subvolume lets it change. */
  private writable(path: string, node: ModelNode): ModelNode {
    const { subvolume } = this.place(path);
    const own = node.subvolume ?? subvolume.subvolume;
    if (own?.readOnly === true) throw new ModelError('EROFS', path);
    return node;
  }

  private writableFile(path: string): ModelNode {
    const node = this.followed(path);
    if (node.type === 'dir') throw new ModelError('EISDIR', path);
    return this.writable(path, node);
  }

  /** What moves into an encrypted directory must be of its policy; fifos have none and may. */
  private checkPolicy(node: ModelNode, directory: ModelNode): void {
    if (directory.policy === undefined || node.type === 'fifo' || node.policy === directory.policy) return;
    throw new ModelError('EXDEV', 'policies differ');
  }

  private linksOf(node: ModelNode): number {
    if (node.type === 'dir') return this.countsLinks ? 2 + directoriesIn(node) : 1;
    return this.paths((each) => each === node).length;
  }
}

function directoriesIn(node: ModelNode): number {
  return [...node.children.values()].filter(({ type }) => type === 'dir').length;
}

function childOf(node: ModelNode, name: string): ModelNode {
  return node.children.get(name) ?? missing(name);
}

function missing(path: string): never {
  throw new ModelError('ENOENT', path);
}

function holdsSubvolume(node: ModelNode): boolean {
  return [...node.children.values()].some((child) => child.subvolume !== undefined || holdsSubvolume(child));
}
