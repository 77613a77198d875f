/**
 * A directory in a mount as commands see it. What programs can do is done as programs do it, so that
 * the kernel's permissions and caches hold; the rest is asked of the server.
 */
import { constants } from 'node:fs';
import { FsError } from '../../bytes/index.js';
import { encodePolicy, paddingFlags, parsePolicy } from '../../fscrypt/index.js';
import { ask, flushKernel, subvolumesOf } from '../../fuse/index.js';
import type { FilePolicy, FollowOptions, PathLike, PolicyOptions, Subvolume } from '../../library/index.js';
import type { CommandFs } from '../command-volume.js';
import { isEntry } from './beneath.js';
import { asCall, MountedFiles } from './mounted-files.js';

const { O_RDONLY, O_DIRECTORY } = constants;
const DIRECTORY_MODE = 0o777;

export class MountedFs extends MountedFiles implements CommandFs {
  private readonly directory: string;

  /** @param directory - in a mount: the top of all paths */
  constructor(directory: string) {
    super(directory);
    this.directory = directory;
  }

  // --- subvolumes ---

  createSubvolumeSync(path: PathLike): void {
    const mode = DIRECTORY_MODE & ~process.umask();
    asCall('subvolume create', path, () =>
      this.beneath.entry(path, 'EEXIST', (directory, name) => ask(directory, 'createSubvolume', { name, mode })),
    );
  }

  /** What programs have written so far is in the snapshot. */
  snapshotSync(path: PathLike, dest: PathLike, { readOnly = false }: { readonly readOnly?: boolean } = {}): void {
    const work = (): void => {
      const { id: source, isTop } = this.askAt(path, (fd) => ask(fd, 'subvolume', {}));
      if (!isTop) throw new FsError('EINVAL', 'it is not the top of a subvolume');
      flushKernel(this.directory);
      this.beneath.entry(dest, 'EEXIST', (directory, name) => ask(directory, 'snapshot', { source, name, readOnly }));
    };
    asCall('snapshot', path, work, dest);
  }

  deleteSubvolumeSync(path: PathLike): void {
    asCall('subvolume delete', path, () =>
      this.beneath.entry(path, 'EINVAL', (directory, name) => ask(directory, 'deleteSubvolume', { name })),
    );
  }

  listSubvolumesSync(): Subvolume[] {
    return asCall('subvolume list', undefined, () => this.askAt('/', subvolumesOf));
  }

  subvolumeSync(path: PathLike): Subvolume {
    return asCall('subvolume show', path, () => this.askAt(path, (fd) => ask(fd, 'subvolume', {})));
  }

  setDefaultSubvolumeSync(subvolume: PathLike | number): void {
    const path = typeof subvolume === 'number' ? undefined : subvolume;
    asCall('subvolume set-default', path, () => {
      const id = typeof subvolume === 'number' ? subvolume : this.idOfTop(subvolume);
      this.askAt('/', (fd) => ask(fd, 'setDefaultSubvolume', { id }));
    });
  }

  private idOfTop(path: PathLike): number {
    const { id, isTop } = this.askAt(path, (fd) => ask(fd, 'subvolume', {}));
    if (!isTop) throw new FsError('EINVAL', 'it is not the top of a subvolume');
    return id;
  }

  // --- encryption ---

  setPolicySync(path: PathLike, options: Required<PolicyOptions>): void {
    const policy = encodePolicy({
      contentsMode: options.contentsMode,
      filenamesMode: options.filenamesMode,
      flags: paddingFlags(options.padding),
      log2DataUnitSize: 0,
      masterKeyIdentifier: options.keyIdentifier,
    });
    asCall('set policy', path, () => this.askAt(path, (fd) => ask(fd, 'setPolicy', { policy })));
  }

  getPolicySync(path: PathLike, { follow = true }: FollowOptions = {}): FilePolicy {
    return asCall('get policy', path, () => {
      const { policy, nonce } = follow
        ? this.askAt(path, (fd) => ask(fd, 'policy', {}))
        : this.askAbout(path, (fd, name) => ask(fd, 'policy', name));
      return { ...parsePolicy(policy), nonce: nonce && Buffer.from(nonce) };
    });
  }

  protected isEncrypted(path: PathLike, follow: boolean): boolean {
    return asCall('stat', path, () => {
      if (follow) return this.askAt(path, (fd) => ask(fd, 'isEncrypted', {})).encrypted;
      return this.askAbout(path, (fd, name) => ask(fd, 'isEncrypted', name)).encrypted;
    });
  }

  /** Asks a file or directory that can be opened. */
  private askAt<T>(path: PathLike, work: (fd: number) => T): T {
    return this.beneath.opened(path, O_RDONLY | constants.O_NONBLOCK, work);
  }

  /** Asks the directory that something lies in: symlinks and locked files cannot be opened. */
  private askAbout<T>(path: PathLike, work: (fd: number, question: { readonly name?: Uint8Array }) => T): T {
    if (!isEntry(path)) return this.beneath.opened(path, O_DIRECTORY, (fd) => work(fd, {}));
    return this.beneath.entry(path, 'EINVAL', (directory, name) => work(directory, { name }));
  }
}
