/**
 * Block ciphers by calling the OpenSSL inside the running process through koffi.
 *
 * Two calls per data unit (a new IV, then the bytes) take about a tenth of what `createCipheriv`
 * needs. Addresses go over as integers; koffi's own handling of Buffers costs more than the call.
 * There are few EVP contexts for the whole process, and each remembers whose key it holds.
 */
import { createRequire } from 'node:module';
import { FsError, invariant } from '../bytes/index.js';
import type { Hmac } from './digest.js';
import { copyOfKey, keyMemory } from './key-memory.js';
import { type CipherLibrary, RAW_CIPHERS, type RawCipher, type RawCipherName } from './library.js';

const IV_SIZE = 16;
/** Names fit, and so do the blocks that other modes encrypt one by one. */
const SHORT_TEXT = 512;
/** Keys that stay loaded, per cipher and direction. */
const POOL_SIZE = 16;
const HMAC_SIZE = 64;
/** What key derivation needs: the last output, info and a counter. Typed arrays refuse more. */
const HMAC_MESSAGE_ROOM = 256;

/** A pointer as an integer; 0 is NULL. User-space addresses fit a double. */
type Address = number;

interface Evp {
  addressOf(bytes: Uint8Array): Address;
  /** 0 if there is no such cipher. */
  fetchCipher(name: string): Address;
  newContext(): Address;
  reset(context: Address): number;
  init(context: Address, cipher: Address, engine: 0, key: Address, iv: Address, encrypt: number): number;
  setPadding(context: Address, padding: number): number;
  /** Fewer arguments than {@link init} make a cheaper call, and this one is made for every unit. */
  encryptInit(context: Address, cipher: Address, key: Address, iv: Address): number;
  decryptInit(context: Address, cipher: Address, key: Address, iv: Address): number;
  update(context: Address, into: Address, written: Address, from: Address, length: number): number;
  /** The digest's description, which lives as long as the process. */
  sha512(): Address;
  newHmac(): Address;
  freeHmac(context: Address): void;
  /** Without key and digest it begins anew under the key it has. */
  hmacInit(context: Address, key: Address, length: number, digest: Address, engine: 0): number;
  hmacUpdate(context: Address, message: Address, length: number): number;
  hmacFinal(context: Address, into: Address, written: 0): number;
  clearErrors(): void;
}

/** Binds the calls. @throws Error if koffi does not load or the process has no OpenSSL 3 */
function bindEvp(): Evp {
  const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
  const ownProcess = koffi.load(null);
  const fetch: (context: 0, name: string, properties: 0) => Address = ownProcess.func('EVP_CIPHER_fetch', 'uintptr_t', [
    'uintptr_t',
    'str',
    'uintptr_t',
  ]);
  return {
    addressOf: (bytes) => Number(koffi.address(bytes)),
    fetchCipher: (name) => fetch(0, name, 0),
    newContext: ownProcess.func('EVP_CIPHER_CTX_new', 'uintptr_t', []),
    reset: ownProcess.func('EVP_CIPHER_CTX_reset', 'int', ['uintptr_t']),
    init: ownProcess.func('EVP_CipherInit_ex', 'int', [
      'uintptr_t',
      'uintptr_t',
      'uintptr_t',
      'uintptr_t',
      'uintptr_t',
      'int',
    ]),
    encryptInit: ownProcess.func('EVP_EncryptInit', 'int', ['uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t']),
    decryptInit: ownProcess.func('EVP_DecryptInit', 'int', ['uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t']),
    setPadding: ownProcess.func('EVP_CIPHER_CTX_set_padding', 'int', ['uintptr_t', 'int']),
    update: ownProcess.func('EVP_CipherUpdate', 'int', ['uintptr_t', 'uintptr_t', 'uintptr_t', 'uintptr_t', 'int']),
    sha512: ownProcess.func('EVP_sha512', 'uintptr_t', []),
    newHmac: ownProcess.func('HMAC_CTX_new', 'uintptr_t', []),
    freeHmac: ownProcess.func('HMAC_CTX_free', 'void', ['uintptr_t']),
    hmacInit: ownProcess.func('HMAC_Init_ex', 'int', ['uintptr_t', 'uintptr_t', 'int', 'uintptr_t', 'uintptr_t']),
    hmacUpdate: ownProcess.func('HMAC_Update', 'int', ['uintptr_t', 'uintptr_t', 'size_t']),
    hmacFinal: ownProcess.func('HMAC_Final', 'int', ['uintptr_t', 'uintptr_t', 'uintptr_t']),
    clearErrors: ownProcess.func('ERR_clear_error', 'void', []),
  };
}

/** Memory whose address is known; allocated once, so that calls need not ask for addresses. */
class Scratch {
  readonly bytes: Uint8Array;
  readonly address: Address;

  constructor(evp: Evp, size: number) {
    this.bytes = keyMemory(size);
    this.address = evp.addressOf(this.bytes);
  }
}

/** Memory of all ciphers for a key, an IV, a short text and a count. It holds secrets during a call only. */
interface CipherRoom {
  readonly key: Scratch;
  readonly iv: Scratch;
  readonly text: Scratch;
  readonly written: Scratch;
}

/** What is being worked on: the collector must not take it while only its address is in use. */
const borrowed: Uint8Array[] = [];

/** One EVP context: one cipher, one direction, and the key that was used last. */
class CipherContext {
  readonly #evp: Evp;
  readonly #cipher: Address;
  readonly #context: Address;
  readonly #direction: 0 | 1;
  readonly #room: CipherRoom;
  #keyInside: Uint8Array | undefined;

  constructor(evp: Evp, cipher: Address, direction: 0 | 1, room: CipherRoom) {
    this.#evp = evp;
    this.#cipher = cipher;
    this.#direction = direction;
    this.#room = room;
    this.#context = evp.newContext();
    invariant(this.#context !== 0, 'OpenSSL gives no cipher context');
  }

  holds(key: Uint8Array): boolean {
    return this.#keyInside === key;
  }

  load(key: Uint8Array): void {
    const { bytes, address } = this.#room.key;
    bytes.set(key);
    const sound = this.#evp.init(this.#context, this.#cipher, 0, address, 0, this.#direction);
    bytes.fill(0);
    if (sound !== 1) this.#fail();
    this.#evp.setPadding(this.#context, 0);
    this.#keyInside = key;
  }

  /** Under the key inside. Short texts go through memory whose address is known. */
  crypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    const { text } = this.#room;
    if (from.length > text.bytes.length || ivs.length !== IV_SIZE) {
      borrowed.push(ivs, from, into);
      const { addressOf } = this.#evp;
      this.#run(addressOf(ivs), addressOf(from), addressOf(into), from.length, ivs.length / IV_SIZE);
      borrowed.length = 0;
      return;
    }
    const { iv } = this.#room;
    iv.bytes.set(ivs);
    text.bytes.set(from);
    this.#run(iv.address, text.address, text.address, from.length, 1);
    into.set(text.bytes.subarray(0, from.length));
    text.bytes.fill(0, 0, from.length);
  }

  forget(): void {
    this.#evp.reset(this.#context);
    this.#keyInside = undefined;
  }

  #run(ivs: Address, from: Address, into: Address, length: number, parts: number): void {
    const { update } = this.#evp;
    const setIv = this.#direction === 1 ? this.#evp.encryptInit : this.#evp.decryptInit;
    const context = this.#context;
    const written = this.#room.written.address;
    // As a 32-bit integer: calls with doubles in their place are slower.
    const size = (length / parts) | 0;
    let sound = 1;
    for (let at = 0, iv = ivs; at < length; at += size, iv += IV_SIZE) {
      sound &= setIv(context, 0, 0, iv);
      sound &= update(context, into + at, written, from + at, size);
    }
    if (sound !== 1) this.#fail();
  }

  #fail(): never {
    this.forget();
    this.#evp.clearErrors();
    throw new FsError('EIO', 'OpenSSL refused to encrypt or decrypt');
  }
}

/**
 * The contexts of one cipher and direction. Loading a key costs more than encrypting a name, so the
 * keys used last stay loaded; their number is fixed, so that nothing outside JavaScript has to be
 * freed when a cipher is dropped.
 */
class ContextPool {
  readonly #make: () => CipherContext;
  readonly #contexts: CipherContext[] = [];
  #next = 0;

  constructor(make: () => CipherContext) {
    this.#make = make;
  }

  /** A context with this key loaded. */
  take(key: Uint8Array): CipherContext {
    const context = this.#contexts[this.#next] ?? this.#make();
    this.#contexts[this.#next] = context;
    this.#next = (this.#next + 1) % POOL_SIZE;
    context.load(key);
    return context;
  }
}

class OpensslCipher implements RawCipher {
  readonly #encryptions: ContextPool;
  readonly #decryptions: ContextPool;
  #key: Uint8Array | undefined;
  #encryption: CipherContext | undefined;
  #decryption: CipherContext | undefined;

  constructor(encryptions: ContextPool, decryptions: ContextPool, key: Uint8Array) {
    this.#encryptions = encryptions;
    this.#decryptions = decryptions;
    this.#key = copyOfKey(key);
  }

  encrypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    const key = this.#ownKey();
    if (!this.#encryption?.holds(key)) this.#encryption = this.#encryptions.take(key);
    this.#encryption.crypt(ivs, from, into);
  }

  decrypt(ivs: Uint8Array, from: Uint8Array, into: Uint8Array): void {
    const key = this.#ownKey();
    if (!this.#decryption?.holds(key)) this.#decryption = this.#decryptions.take(key);
    this.#decryption.crypt(ivs, from, into);
  }

  wipe(): void {
    if (this.#key === undefined) return;
    if (this.#encryption?.holds(this.#key)) this.#encryption.forget();
    if (this.#decryption?.holds(this.#key)) this.#decryption.forget();
    this.#key.fill(0);
    this.#key = undefined;
  }

  #ownKey(): Uint8Array {
    invariant(this.#key !== undefined, 'a wiped cipher is used');
    return this.#key;
  }
}

/** Memory of all HMACs for a message and its digest. */
interface HmacRoom {
  readonly message: Scratch;
  readonly digest: Scratch;
}

class OpensslHmac implements Hmac {
  readonly #evp: Evp;
  readonly #room: HmacRoom;
  #context: Address;

  constructor(evp: Evp, room: HmacRoom, key: Uint8Array) {
    this.#evp = evp;
    this.#room = room;
    this.#context = evp.newHmac();
    room.message.bytes.set(key);
    const done = evp.hmacInit(this.#context, room.message.address, key.length, evp.sha512(), 0);
    room.message.bytes.fill(0);
    if (done !== 1) this.#fail();
  }

  digest(text: Uint8Array, into: Uint8Array): void {
    invariant(this.#context !== 0, 'a wiped key is used');
    const { message, digest } = this.#room;
    message.bytes.set(text);
    let done = this.#evp.hmacInit(this.#context, 0, 0, 0, 0);
    done &= this.#evp.hmacUpdate(this.#context, message.address, text.length);
    done &= this.#evp.hmacFinal(this.#context, digest.address, 0);
    into.set(digest.bytes);
    message.bytes.fill(0, 0, text.length);
    digest.bytes.fill(0);
    if (done !== 1) this.#fail();
  }

  wipe(): void {
    if (this.#context !== 0) this.#evp.freeHmac(this.#context);
    this.#context = 0;
  }

  #fail(): never {
    this.wipe();
    this.#evp.clearErrors();
    throw new FsError('EIO', 'OpenSSL refused to compute an HMAC');
  }
}

/** OpenSSL as this process has it. @throws Error if it has none that can be called */
export function opensslLibrary(): CipherLibrary {
  const evp = bindEvp();
  const hmacRoom = { message: new Scratch(evp, HMAC_MESSAGE_ROOM), digest: new Scratch(evp, HMAC_SIZE) };
  const cipherRoom: CipherRoom = {
    key: new Scratch(evp, 64),
    iv: new Scratch(evp, IV_SIZE),
    text: new Scratch(evp, SHORT_TEXT),
    written: new Scratch(evp, 4),
  };
  const pools = new Map<RawCipherName, readonly [ContextPool, ContextPool]>();
  const poolsOf = (cipher: RawCipherName) => {
    const known = pools.get(cipher);
    if (known !== undefined) return known;
    const fetched = evp.fetchCipher(cipher);
    if (fetched === 0) {
      evp.clearErrors();
      throw new FsError('EOPNOTSUPP', `this OpenSSL has no ${cipher}`);
    }
    const poolFor = (direction: 0 | 1) => new ContextPool(() => new CipherContext(evp, fetched, direction, cipherRoom));
    const made = [poolFor(1), poolFor(0)] as const;
    pools.set(cipher, made);
    return made;
  };
  return {
    name: 'openssl',
    hmacSha512: (key) => new OpensslHmac(evp, hmacRoom, key),
    open(cipher, key) {
      if (key.length !== RAW_CIPHERS[cipher].keySize) invariant(false, `${cipher} takes no key of ${key.length} bytes`);
      const [encryptions, decryptions] = poolsOf(cipher);
      return new OpensslCipher(encryptions, decryptions, key);
    },
  };
}
