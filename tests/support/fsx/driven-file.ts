/** A file of a mount, open in several ways, beside a model of its contents. */
import * as fs from 'node:fs';
import { MappedFile } from '../file-calls.js';

/** Files stay within this size. */
export const MAX_SIZE = 2 * 2 ** 20;

const { O_RDWR, O_CREAT, O_APPEND, O_DIRECT } = fs.constants;

interface Opened {
  readonly fd: number;
  readonly appending: number;
  readonly direct: number;
  readonly mapped: MappedFile;
}

export class DrivenFile {
  readonly number: number;
  /** What the file must hold; zeros behind its size. */
  readonly wanted = Buffer.alloc(MAX_SIZE);
  size = 0;
  private readonly path: string;
  private opened: Opened | undefined;

  constructor(path: string, number: number) {
    this.path = path;
    this.number = number;
  }

  get open(): Opened {
    if (this.opened === undefined) {
      const fd = fs.openSync(this.path, O_RDWR | O_CREAT);
      this.opened = {
        fd,
        appending: fs.openSync(this.path, O_RDWR | O_APPEND),
        direct: fs.openSync(this.path, O_RDWR | O_DIRECT),
        mapped: new MappedFile(fd, MAX_SIZE),
      };
    }
    return this.opened;
  }

  close(): void {
    if (this.opened === undefined) return;
    const { fd, appending, direct, mapped } = this.opened;
    mapped.close();
    for (const each of [fd, appending, direct]) fs.closeSync(each);
    this.opened = undefined;
  }

  /** Notes that `bytes` were written. */
  put(offset: number, bytes: Uint8Array): void {
    this.wanted.set(bytes, offset);
    this.size = Math.max(this.size, offset + bytes.length);
  }

  /** Notes that bytes became zeros, as far as the file goes. */
  zero(start: number, end: number): void {
    this.wanted.fill(0, start, Math.max(start, Math.min(end, this.size)));
  }

  resize(size: number): void {
    this.wanted.fill(0, size);
    this.size = size;
  }
}
