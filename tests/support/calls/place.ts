/** One of the directories that the same calls are made in, with the files that they have open. */

import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { roundUp } from '../../../src/bytes/index.js';
import { alignedBuffer } from '../file-calls.js';
import { readNativeTree } from '../native-tree.js';

const { O_DIRECT, O_NONBLOCK } = fs.constants;
/** Files open at a time. */
export const SLOTS = 2;
/** A descriptor that nobody has. */
const CLOSED = 99_999;
const SECTOR = 4096;
/** Times before this one were set, those after it come of the clock. */
const NEVER_NOW = 1_500_000_000_000_000_000n;

interface Slot {
  readonly fd: number;
  readonly isDirect: boolean;
}

export class Place {
  private readonly top: string;
  private readonly slots: (Slot | undefined)[] = new Array(SLOTS).fill(undefined);

  constructor(top: string) {
    this.top = top;
  }

  /** Makes the directory, with a little in it so that calls find something, and a file open. */
  fill(): void {
    fs.mkdirSync(this.at('a/b'), { recursive: true });
    fs.writeFileSync(this.at('c'), 'contents');
    fs.symlinkSync('a', this.at('a/c'));
    this.open(0, 'c', fs.constants.O_RDWR, 0);
    this.open(1, 'a/a', fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
  }

  at(path: string): string {
    return `${this.top}/${path}`;
  }

  open(slot: number, path: string, flags: number, mode: number): void {
    this.close(slot);
    // A fifo is not waited for.
    const fd = fs.openSync(this.at(path), flags | O_NONBLOCK, mode);
    this.slots[slot] = { fd, isDirect: (flags & O_DIRECT) !== 0 };
  }

  close(slot: number): void {
    const open = this.slots[slot];
    this.slots[slot] = undefined;
    if (open !== undefined) fs.closeSync(open.fd);
  }

  fd(slot: number): number {
    return this.slots[slot]?.fd ?? CLOSED;
  }

  isDirect(slot: number): boolean {
    return this.slots[slot]?.isDirect === true;
  }

  read(slot: number, length: number, position: number | null): string {
    const [count, at] = this.fitting(slot, length, position);
    const bytes = alignedBuffer(count);
    return digest(bytes.subarray(0, fs.readSync(this.fd(slot), bytes, 0, count, at)));
  }

  write(slot: number, seed: number, length: number, position: number | null): number {
    const [count, at] = this.fitting(slot, length, position);
    const bytes = alignedBuffer(count);
    for (let i = 0; i < bytes.length; i++) bytes[i] = (seed + i * 7 + (i >> 8)) & 0xff;
    return fs.writeSync(this.fd(slot), bytes, 0, count, at);
  }

  /** Length and position as the slot takes them: O_DIRECT is for whole sectors. */
  private fitting(slot: number, length: number, position: number | null): [number, number | null] {
    if (!this.isDirect(slot)) return [length, position];
    return [roundUp(length, SECTOR), roundUp(position ?? 0, SECTOR)];
  }

  contentsOf(path: string): string {
    const fd = fs.openSync(this.at(path), O_NONBLOCK);
    try {
      return digest(fs.readFileSync(fd));
    } finally {
      fs.closeSync(fd);
    }
  }

  closeAll(): void {
    for (let slot = 0; slot < SLOTS; slot++) this.close(slot);
  }

  /** All that there is, as far as two filesystems must agree on it. */
  contents(): unknown[] {
    const firstPaths = new Map<number, string>();
    return readNativeTree(this.top).map(({ ino, mtimeNs, nlink, size, ...entry }) => {
      const first = firstPaths.get(ino) ?? entry.path;
      firstPaths.set(ino, first);
      const shown = { ...entry, sameAs: first, mtimeNs: timeText(entry.type === 'fifo', mtimeNs) };
      return entry.type === 'dir' ? shown : { ...shown, nlink, size };
    });
  }
}

/** What two filesystems must agree on of an inode. */
export function statText(stats: fs.BigIntStats): string {
  const { mode, uid, gid, nlink, size, rdev, mtimeNs } = stats;
  const shown = { mode, uid, gid, rdev, mtimeNs: timeText(stats.isFIFO(), mtimeNs) };
  return Object.entries(stats.isDirectory() ? shown : { ...shown, nlink, size }).join(' ');
}

/** Whether writing to a fifo counts as a change of it is the filesystem's affair. */
function timeText(isFifo: boolean, timeNs: bigint): string {
  if (isFifo) return 'any';
  return timeNs < NEVER_NOW ? `${timeNs}` : 'now';
}

function digest(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash('md5').update(bytes).digest('hex')}`;
}
