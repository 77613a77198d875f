/** Ciphers kept ready by nonce, bounded: each holds a key, so dropping one wipes it. */

export class CipherCache<C extends { wipe(): void }> {
  private readonly limit: number;
  /** In order of use, the one unused longest first. */
  private readonly ciphers = new Map<string, C>();

  /** @param limit - how many ciphers are kept, at least 1 */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** The cipher of `name`, made by `make` if it is not there. */
  get(name: string, make: () => C): C {
    const known = this.ciphers.get(name);
    if (known !== undefined) {
      this.ciphers.delete(name);
      this.ciphers.set(name, known);
      return known;
    }
    const made = make();
    this.ciphers.set(name, made);
    if (this.ciphers.size > this.limit) this.wipeOldest();
    return made;
  }

  wipe(): void {
    for (const cipher of this.ciphers.values()) cipher.wipe();
    this.ciphers.clear();
  }

  private wipeOldest(): void {
    for (const [name, cipher] of this.ciphers) {
      cipher.wipe();
      this.ciphers.delete(name);
      return;
    }
  }
}
