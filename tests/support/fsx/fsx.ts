/**
 * Random operations on two files of a mount, compared with what the files must hold after every
 * read; after fsx, the file system exerciser of Apple and of xfstests.
 */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { Random } from '../random.js';
import { DrivenFile, MAX_SIZE } from './driven-file.js';
import { type Done, History } from './history.js';
import { nextOperation } from './operations.js';

/** Bytes that operations write are taken from here: random, but made once. */
const POOL_SIZE = 2 ** 20;

export class Fsx {
  readonly random: Random;
  readonly files: readonly DrivenFile[];
  private readonly history = new History();
  private readonly pool: Buffer;

  constructor(directory: string, seed: number) {
    this.random = new Random(seed);
    this.pool = this.random.bytes(POOL_SIZE);
    this.files = [0, 1].map((number) => new DrivenFile(`${directory}/${number}`, number));
  }

  /** Does `count` operations. @throws Error with the operations that led to a mismatch */
  run(count: number): void {
    for (let done = 0; done < count; done++) {
      // Most on one file, so that they overlap.
      const file = this.files[this.random.oneIn(4) ? 1 : 0];
      assert.ok(file);
      try {
        nextOperation(this)(this, file);
        assert.equal(fs.fstatSync(file.open.fd).size, file.size, `size of file ${file.number}`);
      } catch (error) {
        if (error instanceof Mismatch) throw error;
        throw new Error(`${error}\n${this.history.concerning(file.number, file.size)}`, { cause: error });
      }
    }
  }

  /** Closes the files, hands over to `work`, and looks at all of both files afterwards. */
  whileClosed(text: string, work: () => void): void {
    for (const file of this.files) {
      this.did(text, file, 0, Number.POSITIVE_INFINITY);
      file.close();
    }
    work();
    this.compareAll();
  }

  compareAll(): void {
    for (const file of this.files) {
      const bytes = Buffer.alloc(MAX_SIZE);
      const count = fs.readSync(file.open.fd, bytes, 0, MAX_SIZE, 0);
      this.compare('read all', file, 0, bytes.subarray(0, count), file.size);
    }
  }

  close(): void {
    for (const file of this.files) file.close();
  }

  /** Notes an operation that is about to be done. */
  did(what: string, file: DrivenFile, start: number, end: number, source?: Done['source']): void {
    const range = end === Number.POSITIVE_INFINITY ? '' : ` ${start}+${end - start}`;
    const text = `${what} file ${file.number}${range}`;
    this.history.add({ text, file: file.number, start, end, ...(source && { source }) });
  }

  someBytes(length: number): Buffer {
    const at = this.random.below(POOL_SIZE - length);
    return this.pool.subarray(at, at + length);
  }

  /** Fails unless `bytes`, read at `start`, are the `length` bytes that the file must hold there. */
  compare(what: string, file: DrivenFile, start: number, bytes: Buffer, length: number): void {
    this.did(what, file, start, start + length);
    if (bytes.equals(file.wanted.subarray(start, start + length))) return;
    const at = bytes.findIndex((byte, index) => byte !== file.wanted[start + index]);
    const offset = start + (at < 0 ? Math.min(bytes.length, length) : at);
    const last = bytes.findLastIndex((byte, index) => byte !== file.wanted[start + index]);
    throw new Mismatch(
      `${what} file ${file.number} ${start}+${length}: ${bytes.length} bytes, wrong from ${offset} to ${start + last}: ` +
        `${bytes.subarray(at, at + 8).toString('hex')}, not ${file.wanted.subarray(offset, offset + 8).toString('hex')}\n` +
        this.history.concerning(file.number, offset),
    );
  }

  /** Fails unless the file must hold zeros in [start, end). */
  compareZeros(what: string, file: DrivenFile, start: number, end: number): void {
    this.compare(what, file, start, Buffer.alloc(end - start), end - start);
  }
}

class Mismatch extends Error {}
