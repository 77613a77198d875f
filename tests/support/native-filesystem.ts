/** Drives a directory of the running system, the top of a mounted btrfs, as tests drive the library. */
import * as fs from 'node:fs';
import { runCommand } from './command.js';
import type { DrivenFilesystem, DrivenStats, FallocateMode, RenameMode } from './driven-filesystem.js';
import { entryType } from './entries.js';
import * as systemCalls from './system-calls.js';
import { FALLOCATE } from './system-calls.js';

const FALLOCATE_FLAGS: Record<FallocateMode, number> = {
  allocate: 0,
  keepSize: FALLOCATE.KEEP_SIZE,
  punchHole: FALLOCATE.PUNCH_HOLE | FALLOCATE.KEEP_SIZE,
  zeroRange: FALLOCATE.ZERO_RANGE,
  zeroRangeKeepSize: FALLOCATE.ZERO_RANGE | FALLOCATE.KEEP_SIZE,
};

/** What `btrfs subvolume` says instead of an errno's name. */
const ERRNO_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/read-only file system/i, 'EROFS'],
  [/directory not empty/i, 'ENOTEMPTY'],
  [/file exists|already exists/i, 'EEXIST'],
  [/no such file|cannot (find|access)/i, 'ENOENT'],
  [/not a subvolume|invalid argument/i, 'EINVAL'],
  [/file name too long/i, 'ENAMETOOLONG'],
  [/not a directory/i, 'ENOTDIR'],
];

export class NativeFilesystem implements DrivenFilesystem {
  private readonly top: string;

  constructor(top: string) {
    this.top = top;
  }

  lstat(path: string): DrivenStats {
    const { mode, uid, gid, nlink, size, mtimeNs, dev, ino } = fs.lstatSync(this.at(path), { bigint: true });
    return {
      type: entryType(Number(mode)),
      mode: Number(mode) & 0o7777,
      uid: Number(uid),
      gid: Number(gid),
      nlink: Number(nlink),
      size: Number(size),
      mtimeNs,
      identity: `${dev}:${ino}`,
    };
  }

  readdir(path: string): string[] {
    return fs.readdirSync(this.at(path));
  }

  readFile(path: string): Uint8Array {
    return fs.readFileSync(this.at(path));
  }

  readlink(path: string): string {
    return fs.readlinkSync(this.at(path));
  }

  xattrs(path: string): Record<string, Uint8Array> {
    const found = Object.entries(systemCalls.readXattrs(this.at(path)));
    return Object.fromEntries(found.map(([name, hex]) => [name, Buffer.from(hex, 'hex')]));
  }

  create(path: string, mode: number): void {
    fs.closeSync(fs.openSync(this.at(path), 'wx', mode));
    fs.chmodSync(this.at(path), mode);
  }

  mkdir(path: string, mode: number): void {
    fs.mkdirSync(this.at(path));
    fs.chmodSync(this.at(path), mode);
  }

  symlink(target: string, path: string): void {
    fs.symlinkSync(target, this.at(path));
  }

  mkfifo(path: string, mode: number): void {
    systemCalls.mkfifo(this.at(path), mode);
    fs.chmodSync(this.at(path), mode);
  }

  link(existing: string, path: string): void {
    fs.linkSync(this.at(existing), this.at(path));
  }

  unlink(path: string): void {
    fs.unlinkSync(this.at(path));
  }

  rmdir(path: string): void {
    fs.rmdirSync(this.at(path));
  }

  rename(from: string, to: string, mode: RenameMode): void {
    systemCalls.rename(this.at(from), this.at(to), { replace: 0, noreplace: 1, exchange: 2 }[mode]);
  }

  write(path: string, position: number, bytes: Uint8Array): void {
    this.withFile(path, fs.constants.O_WRONLY, (fd) => {
      if (bytes.length > 0) fs.writeSync(fd, bytes, 0, bytes.length, position);
    });
  }

  truncate(path: string, size: number): void {
    this.withFile(path, fs.constants.O_WRONLY, (fd) => fs.ftruncateSync(fd, size));
  }

  fallocate(path: string, mode: FallocateMode, offset: number, length: number): void {
    this.withFile(path, fs.constants.O_WRONLY, (fd) => {
      systemCalls.fallocate(fd, FALLOCATE_FLAGS[mode], offset, length);
    });
  }

  cloneRange(from: string, offset: number, length: number, to: string, position: number): void {
    this.withFile(from, fs.constants.O_RDONLY, (source) => {
      this.withFile(to, fs.constants.O_WRONLY, (target) => {
        systemCalls.cloneRange(source, offset, length, target, position);
      });
    });
  }

  chmod(path: string, mode: number): void {
    fs.chmodSync(this.at(path), mode);
  }

  chown(path: string, uid: number, gid: number): void {
    fs.lchownSync(this.at(path), uid, gid);
  }

  utimes(path: string, mtimeNs: bigint): void {
    systemCalls.setModificationTime(this.at(path), mtimeNs);
  }

  setXattr(path: string, name: string, value: Uint8Array): void {
    systemCalls.setXattr(this.at(path), name, value);
  }

  removeXattr(path: string, name: string): void {
    systemCalls.removeXattr(this.at(path), name);
  }

  createSubvolume(path: string): void {
    if (isThere(this.at(path))) throw Object.assign(new Error(path), { code: 'EEXIST' });
    btrfs('create', this.at(path));
  }

  snapshot(source: string, path: string, readOnly: boolean): void {
    fs.lstatSync(this.at(source));
    // The tool would make the snapshot inside a directory that exists.
    if (isThere(this.at(path))) throw Object.assign(new Error(path), { code: 'EEXIST' });
    btrfs('snapshot', ...(readOnly ? ['-r'] : []), this.at(source), this.at(path));
  }

  deleteSubvolume(path: string): void {
    fs.lstatSync(this.at(path));
    btrfs('delete', this.at(path));
  }

  sync(): void {
    runCommand('sync', '-f', this.top);
  }

  private at(path: string): string {
    return `${this.top}${path}`;
  }

  private withFile(path: string, flags: number, use: (fd: number) => void): void {
    const fd = fs.openSync(this.at(path), flags);
    try {
      use(fd);
    } finally {
      fs.closeSync(fd);
    }
  }
}

function isThere(path: string): boolean {
  return fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function btrfs(...words: string[]): void {
  const { status, stderr } = runCommand('btrfs', 'subvolume', ...words);
  if (status === 0) return;
  const code = ERRNO_TEXTS.find(([text]) => text.test(stderr))?.[1] ?? 'EIO';
  throw Object.assign(new Error(stderr.trim()), { code });
}
