/**
 * The fields of one structure for printing: every value exact, whatever it is.
 *
 * A dump shows what the codecs would refuse, such as quantities beyond 2^53.
 */
import { corrupt, formatUuid, readU64, toHex, viewOf } from '../../bytes/index.js';
import { bytesAt, decodeKey, KEY, type Key, TIMESPEC, UUID_SIZE } from '../../format/index.js';
import { keyText } from './key-text.js';

/** An item of a leaf, as its printer takes it. */
export interface PrintedItem {
  readonly key: Key;
  readonly fields: ItemFields;
  /** The same bytes for the codecs: `size` bytes of `view` from `at` on. */
  readonly view: DataView;
  readonly at: number;
  readonly size: number;
  readonly sectorsize: number;
  readonly csumSize: number;
}

export class ItemFields {
  readonly size: number;
  readonly #view: DataView;
  readonly #at: number;

  /** Offsets count from `at`; none may pass `size`. */
  constructor(view: DataView, at: number, size: number) {
    this.#view = view;
    this.#at = at;
    this.size = size;
  }

  u8(offset: number): number {
    return this.#view.getUint8(this.#place(offset, 1));
  }

  u16(offset: number): number {
    return this.#view.getUint16(this.#place(offset, 2), true);
  }

  u32(offset: number): number {
    return this.#view.getUint32(this.#place(offset, 4), true);
  }

  u64(offset: number): bigint {
    return readU64(this.#view, this.#place(offset, 8));
  }

  signed64(offset: number): bigint {
    return BigInt.asIntN(64, this.u64(offset));
  }

  /** A borrowed view of the bytes. */
  bytes(offset: number, length: number): Uint8Array {
    return bytesAt(this.#view, this.#place(offset, length), length);
  }

  hex(offset: number, length: number): string {
    return toHex(this.bytes(offset, length));
  }

  uuid(offset: number): string {
    return formatUuid(this.bytes(offset, UUID_SIZE));
  }

  key(offset: number): string {
    return keyText(decodeKey(this.#view, this.#place(offset, KEY.SIZE)));
  }

  /** Seconds and nanoseconds, then the local time. */
  time(offset: number): string {
    const seconds = this.u64(offset + TIMESPEC.sec);
    return `${seconds}.${this.u32(offset + TIMESPEC.nsec)} (${localTime(BigInt.asIntN(64, seconds))})`;
  }

  /** A structure inside this one. */
  part(offset: number, size: number): ItemFields {
    return new ItemFields(this.#view, this.#place(offset, size), size);
  }

  /** The same structure in `size` bytes, those beyond its own zero. */
  padded(size: number): ItemFields {
    if (this.size >= size) return this;
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes(0, this.size));
    return new ItemFields(viewOf(bytes), 0, size);
  }

  /** @throws FsError EUCLEAN when the item ends before the field does */
  #place(offset: number, length: number): number {
    if (offset + length > this.size)
      throw corrupt('item', `${this.size} bytes, cut off before byte ${offset + length}`);
    return this.#at + offset;
  }
}

function localTime(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return 'beyond any calendar';
  const two = (part: number): string => String(part).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
