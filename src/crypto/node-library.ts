/** Block ciphers through node:crypto: works everywhere, at some microseconds of set-up per IV. */
import { createCipheriv, createDecipheriv, createHmac, getCiphers } from 'node:crypto';
import { FsError, invariant } from '../bytes/index.js';
import type { Hmac } from './digest.js';
import { copyOfKey } from './key-memory.js';
import { type CipherLibrary, RAW_CIPHERS, type RawCipher, type RawCipherName } from './library.js';

class NodeCipher implements RawCipher {
  readonly #cipher: RawCipherName;
  #key: Uint8Array | undefined;

  constructor(cipher: RawCipherName, key: Uint8Array) {
    this.#cipher = cipher;
    this.#key = copyOfKey(key);
  }

  encrypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    this.#crypt(createCipheriv, ivs, from, into);
  }

  decrypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    this.#crypt(createDecipheriv, ivs, from, into);
  }

  wipe(): void {
    this.#key?.fill(0);
    this.#key = undefined;
  }

  #crypt(
    create: typeof createCipheriv | typeof createDecipheriv,
    ivs: Uint8Array,
    from: Uint8Array,
    into: Uint8Array,
  ): void {
    invariant(this.#key !== undefined, 'a wiped cipher is used');
    const parts = ivs.length / 16;
    const size = from.length / parts;
    const takesIv = RAW_CIPHERS[this.#cipher].ivSize > 0;
    for (let part = 0; part < parts; part++) {
      const iv = takesIv ? ivs.subarray(part * 16, part * 16 + 16) : null;
      const run = create(this.#cipher, this.#key, iv);
      run.setAutoPadding(false);
      into.set(run.update(from.subarray(part * size, (part + 1) * size)), part * size);
    }
  }
}

class NodeHmac implements Hmac {
  #key: Uint8Array | undefined;

  constructor(key: Uint8Array) {
    this.#key = copyOfKey(key);
  }

  digest(message: Uint8Array, into: Uint8Array): void {
    invariant(this.#key !== undefined, 'a wiped key is used');
    const mac = createHmac('sha512', this.#key).update(message).digest();
    into.set(mac);
    mac.fill(0);
  }

  wipe(): void {
    this.#key?.fill(0);
    this.#key = undefined;
  }
}

export const nodeLibrary: CipherLibrary = {
  name: 'portable',
  hmacSha512: (key) => new NodeHmac(key),
  open(cipher, key) {
    invariant(key.length === RAW_CIPHERS[cipher].keySize, `${cipher} takes no key of ${key.length} bytes`);
    if (!getCiphers().includes(cipher)) throw new FsError('EOPNOTSUPP', `this Node.js has no ${cipher}`);
    return new NodeCipher(cipher, key);
  },
};
