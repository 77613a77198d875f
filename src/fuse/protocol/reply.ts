/** One reply, built in place; the next one overwrites it. */
import { IN_HEADER, OUT_HEADER } from './layouts.js';
import type { Request } from './request.js';

const TWO_32 = 0x1_0000_0000;

export class Reply {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Bytes so far, the header included. */
  length: number = OUT_HEADER.SIZE;

  constructor(size: number) {
    this.bytes = Buffer.alloc(size);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, size);
  }

  /** Begins the reply to a request, successful so far. */
  begin(request: Request): void {
    this.length = OUT_HEADER.SIZE;
    this.view.setInt32(OUT_HEADER.error, 0, true);
    this.view.setUint32(OUT_HEADER.unique, request.view.getUint32(IN_HEADER.unique, true), true);
    this.view.setUint32(OUT_HEADER.unique + 4, request.view.getUint32(IN_HEADER.unique + 4, true), true);
  }

  /** Turns it into a failure. @param errno - negative */
  fail(errno: number): void {
    this.length = OUT_HEADER.SIZE;
    this.view.setInt32(OUT_HEADER.error, errno, true);
  }

  /** Writes the length into the header: ready to be sent. */
  finish(): void {
    this.view.setUint32(OUT_HEADER.len, this.length, true);
  }

  /** Appends a structure of zeros. @returns where it begins */
  append(size: number): number {
    const at = this.length;
    this.bytes.fill(0, at, at + size);
    this.length = at + size;
    return at;
  }

  appendBytes(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Room for up to `size` bytes at the end, which {@link extend} makes part of the reply. */
  room(size: number): Uint8Array {
    return this.bytes.subarray(this.length, this.length + size);
  }

  extend(size: number): void {
    this.length += size;
  }

  u32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }

  u64(at: number, value: number): void {
    this.view.setUint32(at, value % TWO_32, true);
    this.view.setUint32(at + 4, Math.floor(value / TWO_32), true);
  }
}
