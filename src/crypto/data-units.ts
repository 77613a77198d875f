/** Contents of files under a raw cipher: an IV for each data unit. */
import { invariant } from '../bytes/index.js';
import type { ContentsCipher } from './ciphers.js';
import type { RawCipher } from './library.js';
import { DATA_UNIT_SIZE } from './modes.js';

const TWO_32 = 0x1_0000_0000;

/** The most data units that go to a raw cipher in one call. */
export const UNIT_RUN = 256;
const RUN_BYTES = UNIT_RUN * DATA_UNIT_SIZE;

const ivWords = new Uint32Array(UNIT_RUN * 4);
const ivBytes = new Uint8Array(ivWords.buffer);

/**
 * The IVs of `count` ≤ {@link UNIT_RUN} units: the unit's number as little-endian 64 bits, then
 * zeros. The memory is lent for reading, until the next call.
 */
function unitIvs(firstUnit: number, count: number): Uint8Array {
  for (let i = 0; i < count; i++) {
    ivWords[i * 4] = firstUnit + i;
    ivWords[i * 4 + 1] = (firstUnit + i) / TWO_32;
  }
  return ivBytes.subarray(0, count * 16);
}

/** @throws InvariantError unless `from` and `into` are equally many whole data units */
export function checkDataUnits(firstUnit: number, from: Uint8Array, into: Uint8Array): void {
  invariant(from.length === into.length, 'ciphertext is as long as plaintext');
  if (from.length % DATA_UNIT_SIZE !== 0) invariant(false, `${from.length} bytes are not whole data units`);
  if (!Number.isSafeInteger(firstUnit) || firstUnit < 0) invariant(false, `${firstUnit} is no data unit number`);
}

export class DataUnitCipher implements ContentsCipher {
  readonly #cipher: RawCipher;

  constructor(cipher: RawCipher) {
    this.#cipher = cipher;
  }

  encrypt(firstUnit: number, from: Uint8Array, into: Uint8Array): void {
    checkDataUnits(firstUnit, from, into);
    for (let at = 0; at < from.length; at += RUN_BYTES) {
      const run = runAt(firstUnit, from, into, at);
      this.#cipher.encrypt(run.ivs, run.from, run.into);
    }
  }

  decrypt(firstUnit: number, from: Uint8Array, into: Uint8Array): void {
    checkDataUnits(firstUnit, from, into);
    for (let at = 0; at < from.length; at += RUN_BYTES) {
      const run = runAt(firstUnit, from, into, at);
      this.#cipher.decrypt(run.ivs, run.from, run.into);
    }
  }

  wipe(): void {
    this.#cipher.wipe();
  }
}

function runAt(firstUnit: number, from: Uint8Array, into: Uint8Array, at: number) {
  const end = Math.min(at + RUN_BYTES, from.length);
  const ivs = unitIvs(firstUnit + at / DATA_UNIT_SIZE, (end - at) / DATA_UNIT_SIZE);
  return { ivs, from: from.subarray(at, end), into: into.subarray(at, end) };
}
