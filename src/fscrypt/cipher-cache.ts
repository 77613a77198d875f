/** Ciphers kept ready by nonce, bounded: each holds a key, so dropping one wipes it. */
import { equalBytes } from '../bytes/index.js';

interface Entry<C> {
  readonly kind: number;
  readonly nonce: Uint8Array;
  readonly cipher: C;
}

export class CipherCache<C extends { wipe(): void }> {
  private readonly limit: number;
  /** By the beginning of the nonce, in order of use, the one unused longest first. */
  private readonly ciphers = new Map<number, Entry<C>>();

  /** @param limit - how many ciphers are kept, at least 1 */
  constructor(limit: number) {
    this.limit = limit;
  }

  /**
   * The cipher for a nonce, undefined if it is not there.
   *
   * @param kind - tells ciphers of the same nonce apart
   */
  get(kind: number, nonce: Uint8Array): C | undefined {
    const place = placeOf(nonce);
    const known = this.ciphers.get(place);
    if (known === undefined || known.kind !== kind || !equalBytes(known.nonce, nonce)) return undefined;
    this.ciphers.delete(place);
    this.ciphers.set(place, known);
    return known.cipher;
  }

  /** Takes over a cipher that was made for a nonce. The one that stood in its place is wiped. */
  add(kind: number, nonce: Uint8Array, cipher: C): void {
    const place = placeOf(nonce);
    this.drop(place);
    this.ciphers.set(place, { kind, nonce, cipher });
    if (this.ciphers.size <= this.limit) return;
    for (const oldest of this.ciphers.keys()) {
      this.drop(oldest);
      return;
    }
  }

  wipe(): void {
    for (const { cipher } of this.ciphers.values()) cipher.wipe();
    this.ciphers.clear();
  }

  private drop(place: number): void {
    this.ciphers.get(place)?.cipher.wipe();
    this.ciphers.delete(place);
  }
}

/** Nonces are random: 30 bits, a small integer, tell those in use apart nearly always. */
function placeOf(nonce: Uint8Array): number {
  return (nonce[0] ?? 0) | ((nonce[1] ?? 0) << 8) | ((nonce[2] ?? 0) << 16) | (((nonce[3] ?? 0) & 0x3f) << 24);
}
