/**
 * What a mount is busy with when its server is killed: a thread that changes files until the mount
 * is gone. It tells of each change before it makes it, and again when fsync has returned.
 *
 * Every file is a row of blocks, each filled with the number of the change that wrote it.
 */
import * as fs from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { Random } from './random.js';

export const BLOCK = 4096;
export const MAX_BLOCKS = 64;
/** Files that are overwritten, and those that others are renamed over. */
const FILES = 6;

export interface LoadOptions {
  readonly directory: string;
  readonly seed: number;
}

/** Change `number` is about to write these blocks of a file, or it has become durable. */
export interface Change {
  readonly kind: 'begun' | 'durable';
  readonly number: number;
  readonly file: string;
  /** `replace`: there is nothing of the file before. `remove`: it has no name any more. */
  readonly what: 'overwrite' | 'replace' | 'remove';
  readonly first: number;
  readonly end: number;
}

function blocks(number: number, count: number): Buffer {
  const bytes = Buffer.alloc(count * BLOCK);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(number, at);
  return bytes;
}

class Load {
  private readonly directory: string;
  private readonly random: Random;
  private number = 0;

  constructor({ directory, seed }: LoadOptions) {
    this.directory = directory;
    this.random = new Random(seed);
  }

  /** @throws the host's error when the mount is gone */
  run(): never {
    for (;;) {
      this.number += 1;
      const change = this.random.pick([this.create, this.overwrite, this.overwrite, this.replace, this.removeAndMake]);
      change.call(this);
    }
  }

  private tell(kind: Change['kind'], file: string, what: Change['what'], first: number, end: number): void {
    parentPort?.postMessage({ kind, number: this.number, file, what, first, end } satisfies Change);
  }

  private at(name: string): string {
    return `${this.directory}/${name}`;
  }

  private write(name: string, flags: string, first: number, count: number, isSynced: boolean): void {
    const fd = fs.openSync(this.at(name), flags);
    fs.writeSync(fd, blocks(this.number, count), 0, count * BLOCK, first * BLOCK);
    if (isSynced) fs.fsyncSync(fd);
    fs.closeSync(fd);
  }

  private syncDirectory(): void {
    const fd = fs.openSync(this.directory, 'r');
    fs.fsyncSync(fd);
    fs.closeSync(fd);
  }

  /** A new file; every third is not synced. */
  private create(): void {
    const name = `new-${this.number}`;
    const count = 1 + this.random.below(MAX_BLOCKS);
    const isSynced = !this.random.oneIn(3);
    this.tell('begun', name, 'replace', 0, count);
    this.write(name, 'wx', 0, count, isSynced);
    if (isSynced) this.tell('durable', name, 'replace', 0, count);
  }

  /** In the middle of a file, or over its end. */
  private overwrite(): void {
    const name = `over-${this.random.below(FILES)}`;
    const first = this.random.below(MAX_BLOCKS);
    const count = 1 + this.random.below(MAX_BLOCKS - first);
    const isSynced = !this.random.oneIn(3);
    if (!fs.existsSync(this.at(name))) fs.writeFileSync(this.at(name), '');
    this.tell('begun', name, 'overwrite', first, first + count);
    this.write(name, 'r+', first, count, isSynced);
    if (isSynced) this.tell('durable', name, 'overwrite', first, first + count);
  }

  /** A file renamed over another: by itself atomic, durable when the directory was synced. */
  private replace(): void {
    const name = `replaced-${this.random.below(FILES)}`;
    const count = 1 + this.random.below(MAX_BLOCKS);
    this.write('temporary', 'w', 0, count, this.random.oneIn(2));
    this.tell('begun', name, 'replace', 0, count);
    fs.renameSync(this.at('temporary'), this.at(name));
    if (this.random.oneIn(3)) return;
    this.syncDirectory();
    this.tell('durable', name, 'replace', 0, count);
  }

  private removeAndMake(): void {
    const name = `gone-${this.random.below(FILES)}`;
    if (fs.existsSync(this.at(name))) {
      this.tell('begun', name, 'remove', 0, 0);
      fs.unlinkSync(this.at(name));
      this.syncDirectory();
      this.tell('durable', name, 'remove', 0, 0);
      return;
    }
    this.tell('begun', name, 'replace', 0, 1);
    this.write(name, 'wx', 0, 1, true);
    this.tell('durable', name, 'replace', 0, 1);
  }
}

/** What the kernel answers once the server is dead. */
const GONE = ['ENOTCONN', 'ECONNABORTED', 'EIO'];

if (parentPort !== null) {
  try {
    new Load(workerData as LoadOptions).run();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (typeof code !== 'string' || !GONE.includes(code)) throw error;
  }
}
