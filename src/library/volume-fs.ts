/** The filesystem of an open volume, in the manner of `node:fs`. */
import { FsError } from '../bytes/index.js';
import {
  createSnapshot,
  createSubvolume,
  deleteSubvolume,
  findSubvolume,
  listSubvolumes,
  type SubvolumeInfo,
  setDefaultSubvolume,
  setSubvolumeReadOnly,
  spaceOf,
} from '../filesystem/index.js';
import { type Policy, paddingFlags } from '../fscrypt/index.js';
import type { PathLike } from './paths.js';
import { RangeCalls } from './range-calls.js';

/** An encryption policy as a caller asks for it. */
export interface PolicyOptions {
  /** Identifier of the master key, 16 bytes: what adding the key gives. */
  readonly keyIdentifier: Uint8Array;
  /** Mode of contents, by fscrypt's number. Default 1, AES-256-XTS. */
  readonly contentsMode?: number;
  /** Mode of names, by fscrypt's number. Default 4, AES-256-CTS. */
  readonly filenamesMode?: number;
  /** Names are padded to a multiple of 4, 8, 16 or 32 bytes. Default 32. */
  readonly padding?: number;
}

/** The policy of an encrypted file, directory or symlink. */
export interface FilePolicy extends Policy {
  /** The inode's own nonce; undefined for regular files in the layout `trailing`, which have none. */
  readonly nonce: Buffer | undefined;
}

/** As `fs.StatFs`. */
export interface VolumeStatFs {
  readonly type: number;
  readonly bsize: number;
  /** Of `bsize` bytes each. */
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

const AES_256_XTS = 1;
const AES_256_CTS = 4;
/** BTRFS_SUPER_MAGIC of statfs(2). */
const FILESYSTEM_TYPE = 0x9123683e;
const TOP_INO = 256;

/**
 * Path-based synchronous calls with the names, argument orders and error codes of `node:fs`, and
 * calls of the same kind for what btrfs and fscrypt have beyond it.
 *
 * Paths start at the top of the volume's default subvolume, with or without a leading slash. The
 * caller counts as the superuser: permission bits are kept but not enforced. Changes are durable
 * after `fsyncSync`, or `sync` and `close` of the volume.
 */
export class VolumeFs extends RangeCalls {
  /** Ends all calls: open files are closed. Use `close` of the volume. */
  endCalls(): void {
    this.end();
  }

  // --- subvolumes ---

  /** @throws FsError EEXIST, ENOENT, ENOKEY, ENOSPC, EROFS */
  createSubvolumeSync(path: PathLike): void {
    this.call('subvolume create', path, () => {
      const { directory, name } = this.newPlace(path, true);
      createSubvolume(directory, name, this.creator);
    });
  }

  /**
   * Makes a snapshot of the subvolume whose top `source` is. Durable on return.
   *
   * @throws FsError EINVAL if it is no top
   */
  snapshotSync(source: PathLike, dest: PathLike, { readOnly = false }: { readonly readOnly?: boolean } = {}): void {
    const work = (): void => {
      const { subvolume } = this.subvolumeTop(source);
      const { directory, name } = this.newPlace(dest, true);
      createSnapshot(subvolume, directory, name, readOnly);
    };
    this.call('snapshot', source, work, dest);
  }

  /** Deletes a subvolume with everything in it. Durable on return. @throws FsError EINVAL, EPERM, ENOTEMPTY, EBUSY */
  deleteSubvolumeSync(path: PathLike): void {
    this.call('subvolume delete', path, () => {
      const { directory, name, inode } = this.paths.place(path, false);
      if (inode === undefined) throw new FsError('ENOENT', 'there is no such subvolume');
      deleteSubvolume(directory, name);
    });
  }

  /** All subvolumes, by id, the top of the volume first. */
  listSubvolumesSync(): SubvolumeInfo[] {
    return this.call('subvolume list', undefined, () => [...listSubvolumes(this.filesystem)]);
  }

  /** The subvolume that a path lies in. */
  subvolumeSync(path: PathLike): SubvolumeInfo {
    return this.onInode('subvolume show', path, true, ({ subvolume }) => findSubvolume(this.filesystem, subvolume.id));
  }

  /**
   * Makes a subvolume the one whose top is `/` from the next opening on.
   *
   * @param subvolume - path of its top, or its id
   */
  setDefaultSubvolumeSync(subvolume: PathLike | number): void {
    const path = typeof subvolume === 'number' ? undefined : subvolume;
    this.call('subvolume set-default', path, () => {
      const id = typeof subvolume === 'number' ? subvolume : this.subvolumeTop(subvolume).subvolume.id;
      setDefaultSubvolume(this.filesystem, id);
    });
  }

  setSubvolumeReadOnlySync(path: PathLike, readOnly: boolean): void {
    this.call('subvolume', path, () => setSubvolumeReadOnly(this.subvolumeTop(path).subvolume, readOnly));
  }

  // --- encryption ---

  /**
   * Encrypts an empty directory: everything made in it from now on, names included.
   *
   * @throws FsError EROFS, ENOTDIR, EEXIST (another policy), ENOTEMPTY, EINVAL, EOPNOTSUPP (encryption
   * is off), in this order
   */
  setPolicySync(path: PathLike, options: PolicyOptions): void {
    this.onInode('set policy', path, true, (inode) =>
      this.filesystem.setPolicy(inode, {
        contentsMode: options.contentsMode ?? AES_256_XTS,
        filenamesMode: options.filenamesMode ?? AES_256_CTS,
        flags: paddingFlags(options.padding ?? 32),
        log2DataUnitSize: 0,
        masterKeyIdentifier: options.keyIdentifier,
      }),
    );
  }

  /** @param follow - whether a symlink at the end stands for its target. @throws FsError ENODATA if it is plain */
  getPolicySync(path: PathLike, { follow = true }: { readonly follow?: boolean } = {}): FilePolicy {
    return this.onInode('get policy', path, follow, (inode) => {
      const { policy, nonce } = this.filesystem.policy(inode);
      return { ...policy, nonce: nonce && Buffer.from(nonce) };
    });
  }

  // --- the whole filesystem ---

  /** Space as the kernel counts it. */
  statfsSync(path: PathLike = '/'): VolumeStatFs {
    return this.onInode('statfs', path, true, () => {
      const { blockSize, blocks, free, available } = spaceOf(this.filesystem);
      const space = { bsize: blockSize, blocks, bfree: free, bavail: available };
      return { type: FILESYSTEM_TYPE, ...space, files: 0, ffree: 0 };
    });
  }

  private subvolumeTop(path: PathLike) {
    const inode = this.paths.inode(path, true);
    if (inode.ino !== TOP_INO) throw new FsError('EINVAL', 'it is not the top of a subvolume');
    return inode;
  }
}
