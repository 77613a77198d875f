/** Drives a volume through the library, for tests that compare it with the model. */
import { constants } from 'node:fs';
import { type BlockDevice, type OpenVolume, openVolume, type PolicyOptions, type VolumeFs } from '../../src/index.js';
import type { DrivenFilesystem, DrivenStats, FallocateMode, RenameMode } from './driven-filesystem.js';
import { entryType } from './entries.js';

export interface LibraryOptions {
  readonly keys?: readonly Uint8Array[];
  /** What the steps' names of policies stand for. */
  readonly policies?: Readonly<Record<string, PolicyOptions>>;
}

export class LibraryFilesystem implements DrivenFilesystem {
  private readonly device: BlockDevice | string;
  private readonly options: LibraryOptions;
  private volume: OpenVolume;

  /** @param device - or the path of an image */
  constructor(device: BlockDevice | string, options: LibraryOptions = {}) {
    this.device = device;
    this.options = options;
    this.volume = this.open();
  }

  private open(): OpenVolume {
    return openVolume(this.device, { keys: this.options.keys ?? [], owner: { uid: 0, gid: 0 }, umask: 0 });
  }

  private get fs(): VolumeFs {
    return this.volume.fs;
  }

  get warnings(): readonly string[] {
    return this.volume.warnings;
  }

  close(): void {
    this.volume.close();
  }

  reopen(): void {
    this.volume.close();
    this.volume = this.open();
  }

  sync(): void {
    this.volume.sync();
  }

  /** @returns bytes given back */
  trim(): number {
    return this.volume.trim();
  }

  lstat(path: string): DrivenStats {
    const { mode, uid, gid, nlink, size, mtimeNs, dev, ino } = this.fs.lstatSync(path);
    return { type: entryType(mode), mode: mode & 0o7777, uid, gid, nlink, size, mtimeNs, identity: `${dev}:${ino}` };
  }

  readdir(path: string): string[] {
    return this.fs.readdirSync(path);
  }

  readFile(path: string): Uint8Array {
    return this.fs.readFileSync(path);
  }

  readlink(path: string): string {
    return this.fs.readlinkSync(path);
  }

  xattrs(path: string): Record<string, Uint8Array> {
    const names = this.fs.listxattrSync(path, { follow: false }).map((name) => name.toString());
    return Object.fromEntries(names.map((name) => [name, this.fs.getxattrSync(path, name, { follow: false })]));
  }

  create(path: string, mode: number): void {
    this.fs.closeSync(this.fs.openSync(path, 'wx', mode));
  }

  mkdir(path: string, mode: number): void {
    this.fs.mkdirSync(path, mode);
  }

  symlink(target: string, path: string): void {
    this.fs.symlinkSync(target, path);
  }

  mkfifo(path: string, mode: number): void {
    this.fs.mknodSync(path, constants.S_IFIFO | mode);
  }

  link(existing: string, path: string): void {
    this.fs.linkSync(existing, path);
  }

  unlink(path: string): void {
    this.fs.unlinkSync(path);
  }

  rmdir(path: string): void {
    this.fs.rmdirSync(path);
  }

  rename(from: string, to: string, mode: RenameMode): void {
    this.fs.renameSync(from, to, { mode });
  }

  write(path: string, position: number, bytes: Uint8Array): void {
    const fd = this.fs.openSync(path, constants.O_WRONLY);
    try {
      this.fs.writeSync(fd, bytes, 0, bytes.length, position);
    } finally {
      this.fs.closeSync(fd);
    }
  }

  truncate(path: string, size: number): void {
    this.fs.truncateSync(path, size);
  }

  fallocate(path: string, mode: FallocateMode, offset: number, length: number): void {
    if (mode === 'punchHole') this.fs.punchHoleSync(path, offset, length);
    else if (mode === 'allocate' || mode === 'keepSize') {
      this.fs.fallocateSync(path, offset, length, { keepSize: mode === 'keepSize' });
    } else {
      this.fs.zeroRangeSync(path, offset, length, { keepSize: mode === 'zeroRangeKeepSize' });
    }
  }

  cloneRange(from: string, offset: number, length: number, to: string, position: number): void {
    this.fs.cloneRangeSync(from, to, { sourceOffset: offset, length, offset: position });
  }

  chmod(path: string, mode: number): void {
    this.fs.chmodSync(path, mode);
  }

  chown(path: string, uid: number, gid: number): void {
    this.fs.lchownSync(path, uid, gid);
  }

  utimes(path: string, mtimeNs: bigint): void {
    this.fs.lutimesSync(path, mtimeNs, mtimeNs);
  }

  setXattr(path: string, name: string, value: Uint8Array): void {
    this.fs.setxattrSync(path, name, value, { follow: false });
  }

  removeXattr(path: string, name: string): void {
    this.fs.removexattrSync(path, name, { follow: false });
  }

  createSubvolume(path: string): void {
    this.fs.createSubvolumeSync(path);
    this.fs.chmodSync(path, 0o755);
  }

  snapshot(source: string, path: string, readOnly: boolean): void {
    this.fs.snapshotSync(source, path, { readOnly });
  }

  deleteSubvolume(path: string): void {
    this.fs.deleteSubvolumeSync(path);
  }

  setPolicy(path: string, policy: string): void {
    const options = this.options.policies?.[policy];
    if (options === undefined) throw new Error(`no policy is called ${policy}`);
    this.fs.setPolicySync(path, options);
  }
}
