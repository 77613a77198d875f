/**
 * Little-endian integer fields of on-disk structures, read and written over one DataView per block.
 *
 * Three readers for 64-bit fields: {@link readU53} for quantities (addresses, lengths,
 * generations, counts), {@link readId} for object ids and tree ids, of which the "negative" ones
 * are ordinary, and {@link readU64} where all 64 bits carry meaning (hashes, flags, wrapped offsets).
 */
import { corrupt, invariant } from './errors.js';

const TWO_32 = 0x1_0000_0000;
const MAX_HIGH = 0x1f_ffff;

/** Reads an unsigned 64-bit quantity. @throws FsError EUCLEAN above 2^53 - 1 */
export function readU53(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  if (high > MAX_HIGH) {
    throw corrupt(`field at byte ${at}`, `${readU64(view, at)} is larger than any quantity a volume can hold`);
  }
  return high * TWO_32 + view.getUint32(at, true);
}

export function writeU53(view: DataView, at: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) invariant(false, `${value} is no unsigned quantity`);
  // Takes the lower 32 bits by itself.
  view.setUint32(at, value, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}

export function readU64(view: DataView, at: number): bigint {
  return view.getBigUint64(at, true);
}

/** Writes the low 64 bits of `value`, so that wrapped (negative) values need no care. */
export function writeU64(view: DataView, at: number, value: bigint): void {
  view.setBigUint64(at, BigInt.asUintN(64, value), true);
}

/** Reads an object id as a signed number: -9 reads as -9. @throws FsError EUCLEAN beyond ±2^53 */
export function readId(view: DataView, at: number): number {
  const high = view.getInt32(at + 4, true);
  if (high > MAX_HIGH || high < -MAX_HIGH) {
    throw corrupt(`field at byte ${at}`, `${readU64(view, at)} is no object id`);
  }
  return high * TWO_32 + view.getUint32(at, true);
}

export function writeId(view: DataView, at: number, value: number): void {
  if (!Number.isSafeInteger(value)) invariant(false, `${value} is no object id`);
  view.setUint32(at, value, true);
  view.setInt32(at + 4, Math.floor(value / TWO_32), true);
}

/** A DataView over exactly the bytes of `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Up to this many bytes a loop compares faster than a call into Node. */
const SHORT = 64;

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  const { length } = a;
  if (length !== b.length) return false;
  if (length > SHORT) return Buffer.compare(a, b) === 0;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Rounds up to a multiple of `unit`, exact for every quantity below 2^53. */
export function roundUp(value: number, unit: number): number {
  const rest = value % unit;
  return rest === 0 ? value : value + (unit - rest);
}

export function roundDown(value: number, unit: number): number {
  return value - (value % unit);
}
