/**
 * Keys of items: (objectid, type, offset), 17 bytes, ordered as three unsigned integers.
 *
 * Both 64-bit parts use all their bits in ordinary life (hashes of data references, halves of
 * UUIDs, "negative" tree ids), so a key holds each as two unsigned 32-bit halves.
 *
 * On disk: `struct btrfs_disk_key` (linux include/uapi/linux/btrfs_tree.h).
 */
import { corrupt, readId, readU53 } from '../bytes/index.js';

export const KEY = { objectid: 0, type: 8, offset: 9, SIZE: 17 } as const;

const TWO_32 = 0x1_0000_0000;
const MAX_HIGH = 0x1f_ffff;

/** One key. Accepts safe integers (negative ones mean two's complement) or bigints. */
export class Key {
  readonly objectidLow: number;
  readonly objectidHigh: number;
  readonly type: number;
  readonly offsetLow: number;
  readonly offsetHigh: number;

  constructor(objectid: number | bigint, type: number, offset: number | bigint) {
    this.objectidLow = lowHalf(objectid);
    this.objectidHigh = highHalf(objectid);
    this.type = type;
    this.offsetLow = lowHalf(offset);
    this.offsetHigh = highHalf(offset);
  }

  /** The object id as a signed number. @throws FsError EUCLEAN when it needs more than 53 bits */
  get objectid(): number {
    return signed(this.objectidHigh, this.objectidLow, this);
  }

  /** The offset as an unsigned quantity. @throws FsError EUCLEAN when it needs more than 53 bits */
  get offset(): number {
    if (this.offsetHigh > MAX_HIGH)
      throw corrupt(`key ${this}`, 'the offset is larger than any quantity a volume can hold');
    return this.offsetHigh * TWO_32 + this.offsetLow;
  }

  get objectidU64(): bigint {
    return (BigInt(this.objectidHigh) << 32n) | BigInt(this.objectidLow);
  }

  get offsetU64(): bigint {
    return (BigInt(this.offsetHigh) << 32n) | BigInt(this.offsetLow);
  }

  equals(other: Key): boolean {
    return compareKeys(this, other) === 0;
  }

  toString(): string {
    return `(${BigInt.asIntN(64, this.objectidU64)} ${this.type} ${this.offsetU64})`;
  }
}

function lowHalf(value: number | bigint): number {
  if (typeof value === 'bigint') return Number(BigInt.asUintN(32, value));
  return value >>> 0;
}

function highHalf(value: number | bigint): number {
  if (typeof value === 'bigint') return Number(BigInt.asUintN(64, value) >> 32n);
  return Math.floor(value / TWO_32) >>> 0;
}

function signed(high: number, low: number, key: Key): number {
  const signedHigh = high | 0;
  if (signedHigh > MAX_HIGH || signedHigh < -MAX_HIGH)
    throw corrupt(`key ${key}`, 'the object id has more than 53 bits');
  return signedHigh * TWO_32 + low;
}

/** Orders two keys: negative, zero or positive. */
export function compareKeys(a: Key, b: Key): number {
  return (
    a.objectidHigh - b.objectidHigh ||
    a.objectidLow - b.objectidLow ||
    a.type - b.type ||
    a.offsetHigh - b.offsetHigh ||
    a.offsetLow - b.offsetLow
  );
}

/** Orders the on-disk key at `at` against `key`: negative, zero or positive. Allocates nothing. */
export function compareKeyAt(view: DataView, at: number, key: Key): number {
  return (
    view.getUint32(at + 4, true) - key.objectidHigh ||
    view.getUint32(at, true) - key.objectidLow ||
    view.getUint8(at + 8) - key.type ||
    view.getUint32(at + 13, true) - key.offsetHigh ||
    view.getUint32(at + 9, true) - key.offsetLow
  );
}

/** Orders two on-disk keys, of one block or of two. Allocates nothing. */
export function compareKeysAt(view: DataView, at: number, other: number, otherView = view): number {
  return (
    view.getUint32(at + 4, true) - otherView.getUint32(other + 4, true) ||
    view.getUint32(at, true) - otherView.getUint32(other, true) ||
    view.getUint8(at + 8) - otherView.getUint8(other + 8) ||
    view.getUint32(at + 13, true) - otherView.getUint32(other + 13, true) ||
    view.getUint32(at + 9, true) - otherView.getUint32(other + 9, true)
  );
}

export function decodeKey(view: DataView, at: number): Key {
  return new Key(u64At(view, at), view.getUint8(at + KEY.type), u64At(view, at + KEY.offset));
}

/** A number where one holds the value (the usual case, four times faster), else a bigint. */
function u64At(view: DataView, at: number): number | bigint {
  const high = view.getUint32(at + 4, true);
  return high > MAX_HIGH ? view.getBigUint64(at, true) : high * TWO_32 + view.getUint32(at, true);
}

export function encodeKey(view: DataView, at: number, key: Key): void {
  view.setUint32(at, key.objectidLow, true);
  view.setUint32(at + 4, key.objectidHigh, true);
  view.setUint8(at + KEY.type, key.type);
  view.setUint32(at + KEY.offset, key.offsetLow, true);
  view.setUint32(at + KEY.offset + 4, key.offsetHigh, true);
}

/** The object id of the on-disk key at `at`, signed. @throws FsError EUCLEAN beyond 53 bits */
export function keyObjectidAt(view: DataView, at: number): number {
  return readId(view, at);
}

export function keyTypeAt(view: DataView, at: number): number {
  return view.getUint8(at + KEY.type);
}

/** The offset of the on-disk key at `at`. @throws FsError EUCLEAN beyond 53 bits */
export function keyOffsetAt(view: DataView, at: number): number {
  return readU53(view, at + KEY.offset);
}

/** The largest possible offset, for searches that want the last key of an object and type. */
export const MAX_OFFSET = 0xffff_ffff_ffff_ffffn;
