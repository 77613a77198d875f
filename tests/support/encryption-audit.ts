/**
 * What `btrfs check` cannot know of an encrypted volume: an audit of contexts, nonces and marks,
 * over the small reader of raw-volume.ts and needing no key.
 *
 * - `item`: every REG or PREALLOC extent with a disk address in an encrypted file is marked and
 *   has exactly one context item at its offset, of the file's key and mode; no other context item.
 * - `trailing`: every marked extent ends in its own context, and there are no context items.
 * - One nonce belongs to one extent on disk, and one extent on disk has one nonce, everywhere.
 * - Every encrypted directory and symlink, and in `item` every encrypted file, has a context of its
 *   own with a nonce of its own; nothing else has one.
 * - No encrypted file has inline data. Names are marked in encrypted directories and nowhere else.
 */
import { type RawItem, type RawTree, RawVolume } from './raw-volume.js';

const INODE_ITEM = 1;
const INODE_CONTEXT = 41;
const EXTENT_CONTEXT = 42;
const DIR_ITEM = 84;
const DIR_INDEX = 96;
const EXTENT_DATA = 108;

const INODE_ENCRYPT = 1n << 12n;
const FIRST_SUBVOLUME = 256n;
const FS_TREE = 5n;

const FORMAT_MASK = 0o170000;
const DIRECTORY = 0o040000;
const REGULAR = 0o100000;
const SYMLINK = 0o120000;

const INLINE = 0;
const WRITTEN = 1;

const EXTENT_BYTES = 53;
const INODE_CONTEXT_BYTES = 40;
const ITEM_CONTEXT_BYTES = 34;

interface RawExtent {
  readonly offset: bigint;
  readonly type: number;
  readonly encryption: number;
  readonly diskBytenr: bigint;
  /** What lies behind the 53 bytes of the extent itself. */
  readonly rest: Buffer;
}

/** All that a subvolume's tree says about one inode. */
interface RawInode {
  mode: number;
  encrypted: boolean;
  readonly contexts: Buffer[];
  readonly extents: RawExtent[];
  readonly extentContexts: Map<bigint, Buffer>;
  /** Type bytes of its directory entries. */
  readonly entryTypes: number[];
}

/** A mode and a key, as far as an extent's context says them. */
interface ContextKey {
  readonly contentsMode: number;
  readonly keyIdentifier: string;
  readonly nonce: string;
}

/**
 * @param layout - where contexts belong; by default where the volume's extents have them, else `item`
 * @returns what is wrong with the encryption of the volume in this image, one sentence each; none if all is well
 */
export function auditEncryption(imagePath: string, layout?: 'item' | 'trailing'): string[] {
  const volume = new RawVolume(imagePath);
  try {
    return new Audit(volume).run(layout);
  } finally {
    volume.close();
  }
}

class Audit {
  private readonly findings: string[] = [];
  private readonly nonceOfExtent = new Map<bigint, string>();
  private readonly extentOfNonce = new Map<string, bigint>();
  private readonly volume: RawVolume;

  constructor(volume: RawVolume) {
    this.volume = volume;
  }

  run(layout: 'item' | 'trailing' | undefined): string[] {
    const subvolumes = this.volume
      .trees()
      .filter(({ id, refs }) => refs > 0 && (id === FS_TREE || id >= FIRST_SUBVOLUME));
    const trees = subvolumes.map((tree) => ({ tree, inodes: this.readInodes(tree) }));
    const found = trees.some(({ inodes }) =>
      [...inodes.values()].some(({ extents }) => extents.some(({ rest }) => rest.length > 0)),
    );
    const trailing = layout === undefined ? found : layout === 'trailing';
    for (const { tree, inodes } of trees) {
      const owners = new Map<string, bigint>();
      for (const [ino, inode] of inodes) {
        const where = `tree ${tree.id} inode ${ino}`;
        this.auditMarks(where, inode);
        const own = this.auditInodeContext(where, inode, trailing);
        if (own !== undefined) {
          const other = owners.get(own.nonce);
          if (other !== undefined) this.report(where, `has the nonce of inode ${other}`);
          owners.set(own.nonce, ino);
        }
        if (trailing) this.auditTrailing(where, inode);
        else this.auditItems(where, inode, own);
      }
    }
    return this.findings;
  }

  private report(where: string, what: string): void {
    this.findings.push(`${where}: ${what}`);
  }

  private readInodes({ logical }: RawTree): Map<bigint, RawInode> {
    const inodes = new Map<bigint, RawInode>();
    for (const { items, bytes } of this.volume.blocksOf(logical)) {
      for (const item of items) {
        const inode = inodes.get(item.objectid) ?? emptyInode();
        inodes.set(item.objectid, inode);
        addItem(inode, item, bytes.subarray(item.at, item.at + item.size));
      }
    }
    return inodes;
  }

  private auditMarks(where: string, inode: RawInode): void {
    const format = inode.mode & FORMAT_MASK;
    if (inode.encrypted && format !== DIRECTORY && format !== REGULAR && format !== SYMLINK) {
      this.report(where, `mode ${inode.mode.toString(8)} cannot be encrypted`);
    }
    if (inode.encrypted && format === REGULAR && inode.extents.some(({ type }) => type === INLINE)) {
      this.report(where, 'inline extent in an encrypted file');
    }
    for (const type of inode.entryTypes) {
      if ((type & 0x80) !== 0 && !inode.encrypted) this.report(where, 'plain directory with an encrypted name');
      if ((type & 0x80) === 0 && inode.encrypted) this.report(where, 'encrypted directory with a plain name');
    }
  }

  /** @returns the inode's own context, if it has one that can be read */
  private auditInodeContext(where: string, inode: RawInode, trailing: boolean): ContextKey | undefined {
    const { contexts, encrypted } = inode;
    const regular = (inode.mode & FORMAT_MASK) === REGULAR;
    const wanted = encrypted && !(trailing && regular) ? 1 : 0;
    if (contexts.length !== wanted) this.report(where, `${contexts.length} inode contexts, wanted ${wanted}`);
    const [context] = contexts;
    if (context === undefined) return undefined;
    if (context.length !== INODE_CONTEXT_BYTES || context[0] !== 2) {
      this.report(where, `inode context ${context.toString('hex')} is not of version 2`);
      return undefined;
    }
    return readContext(context);
  }

  private auditItems(where: string, inode: RawInode, own: ContextKey | undefined): void {
    const unclaimed = new Map(inode.extentContexts);
    for (const extent of inode.extents) {
      const at = `${where} extent at ${extent.offset}`;
      const bytes = unclaimed.get(extent.offset);
      if (extent.encryption === 0) {
        if (inode.encrypted && extent.diskBytenr !== 0n) this.report(at, 'plain extent in an encrypted file');
        continue;
      }
      unclaimed.delete(extent.offset);
      if (!inode.encrypted) this.report(at, 'encrypted extent in a plain file');
      if (bytes === undefined) {
        this.report(at, 'no context');
      } else if (bytes.length !== ITEM_CONTEXT_BYTES || bytes[0] !== 1) {
        this.report(at, `context ${bytes.toString('hex')} is not of version 1`);
      } else {
        const { contentsMode, keyIdentifier, nonce } = readContext(bytes);
        if (own !== undefined && (own.contentsMode !== contentsMode || own.keyIdentifier !== keyIdentifier)) {
          this.report(at, 'key or mode is not that of its file');
        }
        this.auditNonce(at, extent.diskBytenr, nonce);
      }
    }
    for (const offset of unclaimed.keys()) this.report(where, `stale context at ${offset}`);
  }

  private auditTrailing(where: string, inode: RawInode): void {
    if (inode.extentContexts.size > 0) this.report(where, 'context items in a volume of trailing contexts');
    for (const extent of inode.extents) {
      const at = `${where} extent at ${extent.offset}`;
      const written = extent.type === WRITTEN && extent.diskBytenr !== 0n;
      const wanted = inode.encrypted && written ? 1 : 0;
      if (extent.encryption !== wanted) this.report(at, `encryption ${extent.encryption}, wanted ${wanted}`);
      if (extent.rest.length === 0) {
        if (extent.encryption !== 0) this.report(at, 'no context');
        continue;
      }
      const context = extent.rest.subarray(4);
      const size = extent.rest.readUInt32LE(0);
      const known = (context.length === 40 && size === 44) || (context.length === 34 && size === 34);
      if (known) this.auditNonce(at, extent.diskBytenr, readContext(context).nonce);
      else this.report(at, `context of ${context.length} bytes that says ${size}`);
    }
  }

  private auditNonce(where: string, diskBytenr: bigint, nonce: string): void {
    const other = this.nonceOfExtent.get(diskBytenr) ?? nonce;
    if (other !== nonce) this.report(where, `the extent at ${diskBytenr} has a second nonce`);
    const elsewhere = this.extentOfNonce.get(nonce) ?? diskBytenr;
    if (elsewhere !== diskBytenr) this.report(where, `the extents at ${diskBytenr} and ${elsewhere} share a nonce`);
    this.nonceOfExtent.set(diskBytenr, nonce);
    this.extentOfNonce.set(nonce, diskBytenr);
  }
}

function emptyInode(): RawInode {
  return { mode: 0, encrypted: false, contexts: [], extents: [], extentContexts: new Map(), entryTypes: [] };
}

function addItem(inode: RawInode, item: RawItem, data: Buffer): void {
  if (item.type === INODE_ITEM) {
    inode.mode = data.readUInt32LE(52);
    inode.encrypted = (data.readBigUInt64LE(64) & INODE_ENCRYPT) !== 0n;
  } else if (item.type === INODE_CONTEXT) {
    inode.contexts.push(data);
  } else if (item.type === EXTENT_CONTEXT) {
    inode.extentContexts.set(item.offset, data);
  } else if (item.type === DIR_ITEM || item.type === DIR_INDEX) {
    for (let at = 0; at < data.length; at += 30 + data.readUInt16LE(at + 25) + data.readUInt16LE(at + 27)) {
      inode.entryTypes.push(data.readUInt8(at + 29));
    }
  } else if (item.type === EXTENT_DATA) {
    const inline = data.readUInt8(20) === INLINE;
    inode.extents.push({
      offset: item.offset,
      type: data.readUInt8(20),
      encryption: data.readUInt8(17),
      diskBytenr: inline ? 0n : data.readBigUInt64LE(21),
      rest: inline ? Buffer.alloc(0) : data.subarray(EXTENT_BYTES),
    });
  }
}

/** Reads either form of context: 40 bytes with the whole policy, or 34 with the contents mode alone. */
function readContext(bytes: Buffer): ContextKey {
  const identifierAt = bytes.length - 32;
  return {
    contentsMode: bytes.readUInt8(1),
    keyIdentifier: bytes.toString('hex', identifierAt, identifierAt + 16),
    nonce: bytes.toString('hex', identifierAt + 16),
  };
}
