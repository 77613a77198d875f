/**
 * One master key and everything derived from it, so that dropping it leaves nothing behind.
 *
 * Key derivation is fscrypt's (linux fs/crypto/hkdf.c): HKDF-SHA512 without salt over the master
 * key; info is "fscrypt\0", a context byte, and for the keys of inodes and extents a nonce.
 */
import { FsError, toHex } from '../bytes/index.js';
import {
  type CipherEngine,
  type ContentsCipher,
  ENCRYPTION_MODES,
  type FilenamesCipher,
  hkdfSha512,
} from '../crypto/index.js';
import { CipherCache } from './cipherCache.js';
import type { ExtentContext, ExtentContextForm, InodeContext } from './context.js';
import { checkPolicy, IDENTIFIER_SIZE, modeName } from './policy.js';

const MIN_MASTER_KEY_SIZE = 16;
const MAX_MASTER_KEY_SIZE = 64;

/** Context bytes of HKDF. */
const HKDF_KEY_IDENTIFIER = 1;
const HKDF_PER_FILE_KEY = 2;
const HKDF_EXTENT_KEY: Readonly<Record<ExtentContextForm, number>> = {
  item: 9,
  trailing: HKDF_PER_FILE_KEY,
  interim: 8,
};
const HKDF_PREFIX = Buffer.from('fscrypt\0', 'ascii');

export interface MasterKeyOptions {
  readonly engine: CipherEngine;
  /** How many ciphers of each kind are kept ready. */
  readonly maxCiphers: number;
  /** Told of every buffer that comes to hold key bytes; tests look there for leftovers. */
  readonly watch: (keyBytes: Uint8Array) => void;
}

export class MasterKey {
  readonly identifier: Uint8Array;
  private readonly raw: Uint8Array;
  private readonly options: MasterKeyOptions;
  private readonly contents: CipherCache<ContentsCipher>;
  private readonly filenames: CipherCache<FilenamesCipher>;
  private isWiped = false;

  /** Copies `raw`, which stays the caller's to wipe. @throws FsError EINVAL unless it has 16 to 64 bytes */
  constructor(raw: Uint8Array, options: MasterKeyOptions) {
    if (raw.length < MIN_MASTER_KEY_SIZE || raw.length > MAX_MASTER_KEY_SIZE) {
      throw new FsError(
        'EINVAL',
        `a master key has ${MIN_MASTER_KEY_SIZE} to ${MAX_MASTER_KEY_SIZE} bytes, not ${raw.length}`,
      );
    }
    this.raw = secretBytes(raw.length);
    this.raw.set(raw);
    this.options = options;
    this.contents = new CipherCache(options.maxCiphers);
    this.filenames = new CipherCache(options.maxCiphers);
    options.watch(this.raw);
    this.identifier = hkdfSha512(this.raw, hkdfInfo(HKDF_KEY_IDENTIFIER), IDENTIFIER_SIZE);
  }

  /** @throws FsError EINVAL for a policy we do not accept, ENOKEY if the key is too short for its mode */
  filenamesCipher({ policy, nonce }: InodeContext): FilenamesCipher {
    const mode = policy.filenamesMode;
    return this.filenames.get(cipherName(mode, HKDF_PER_FILE_KEY, nonce), () => {
      checkPolicy(policy);
      return this.withDerivedKey(mode, HKDF_PER_FILE_KEY, nonce, (key) =>
        this.options.engine.filenamesCipher(mode, key),
      );
    });
  }

  /** @throws FsError EINVAL for a mode that is none for contents, ENOKEY if the key is too short for it */
  contentsCipher({ form, contentsMode: mode, nonce }: ExtentContext): ContentsCipher {
    const hkdfContext = HKDF_EXTENT_KEY[form];
    return this.contents.get(cipherName(mode, hkdfContext, nonce), () =>
      this.withDerivedKey(mode, hkdfContext, nonce, (key) => this.options.engine.contentsCipher(mode, key)),
    );
  }

  /** Overwrites the key and every key made from it. Ciphers handed out before no longer work. */
  wipe(): void {
    this.isWiped = true;
    this.raw.fill(0);
    this.contents.wipe();
    this.filenames.wipe();
  }

  /** Runs `use` with the key derived for `nonce` and wipes the key after it. */
  private withDerivedKey<C>(
    modeNumber: number,
    hkdfContext: number,
    nonce: Uint8Array,
    use: (key: Uint8Array) => C,
  ): C {
    // Zeros would derive a key too, one that everybody knows.
    if (this.isWiped) throw new FsError('ENOKEY', `the master key ${toHex(this.identifier)} has been removed`);
    const mode = ENCRYPTION_MODES.find(({ number }) => number === modeNumber);
    if (mode === undefined) throw new FsError('EINVAL', `${modeName(modeNumber)} is no known encryption mode`);
    if (this.raw.length < mode.securityStrength) {
      const needed = `${mode.name} needs ${mode.securityStrength} bytes`;
      throw new FsError('ENOKEY', `master key ${toHex(this.identifier)} has ${this.raw.length} bytes, ${needed}`);
    }
    const key = hkdfSha512(this.raw, hkdfInfo(hkdfContext, nonce), mode.keySize);
    this.options.watch(key);
    try {
      return use(key);
    } finally {
      key.fill(0);
    }
  }
}

function hkdfInfo(context: number, nonce: Uint8Array = new Uint8Array(0)): Uint8Array {
  const info = new Uint8Array(HKDF_PREFIX.length + 1 + nonce.length);
  info.set(HKDF_PREFIX);
  info[HKDF_PREFIX.length] = context;
  info.set(nonce, HKDF_PREFIX.length + 1);
  return info;
}

/** The nonce is no secret: it stands on disk in plain. */
function cipherName(mode: number, hkdfContext: number, nonce: Uint8Array): string {
  return `${mode} ${hkdfContext} ${toHex(nonce)}`;
}

/**
 * Memory for key bytes. V8 keeps short arrays in its own heap and moves them about, leaving
 * copies; an ArrayBuffer made first stays where it is.
 */
function secretBytes(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length));
}
