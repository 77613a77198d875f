/** One request of the kernel, read in place: the next one overwrites it. */
import { FsError, readId } from '../../bytes/index.js';
import { IN_HEADER } from './layouts.js';

const TWO_32 = 0x1_0000_0000;

export class Request {
  /** What the kernel's message is read into. */
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Bytes of the message. */
  length = 0;

  /** @param size - of the largest message, at least 8 KiB */
  constructor(size: number) {
    this.bytes = Buffer.alloc(size);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, size);
  }

  /** A copy of the message, for {@link take}. */
  copy(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.bytes, 0, this.length);
  }

  /** Becomes the request that was copied. */
  take(message: Uint8Array): void {
    this.bytes.set(message);
    this.length = message.length;
  }

  get opcode(): number {
    return this.view.getUint32(IN_HEADER.opcode, true);
  }

  get nodeid(): number {
    return this.view.getUint32(IN_HEADER.nodeid + 4, true) * TWO_32 + this.view.getUint32(IN_HEADER.nodeid, true);
  }

  get uid(): number {
    return this.view.getUint32(IN_HEADER.uid, true);
  }

  get gid(): number {
    return this.view.getUint32(IN_HEADER.gid, true);
  }

  /** The thread that asks; 0 if it cannot be seen from here. */
  get pid(): number {
    return this.view.getUint32(IN_HEADER.pid, true);
  }

  /** A field of the structure behind the header. */
  u32(at: number): number {
    return this.view.getUint32(IN_HEADER.SIZE + at, true);
  }

  /** A quantity or an address: what is beyond 2^53 comes out as a number beyond it. */
  u64(at: number): number {
    return this.view.getUint32(IN_HEADER.SIZE + at + 4, true) * TWO_32 + this.view.getUint32(IN_HEADER.SIZE + at, true);
  }

  /** Seconds since 1970. */
  seconds(at: number): number {
    return readId(this.view, IN_HEADER.SIZE + at);
  }

  /** Bytes behind the structure, in place. */
  payload(at: number, size: number): Buffer {
    const start = IN_HEADER.SIZE + at;
    if (start + size > this.length) throw new FsError('EINVAL', 'a message of the kernel is shorter than it says');
    return this.bytes.subarray(start, start + size);
  }

  /** A copy of the name that ends with NUL. */
  name(at: number): Buffer {
    const start = IN_HEADER.SIZE + at;
    const end = this.bytes.indexOf(0, start);
    if (end < 0 || end >= this.length) throw new FsError('EINVAL', 'a name in a message of the kernel has no end');
    return Buffer.from(this.bytes.subarray(start, end));
  }
}
