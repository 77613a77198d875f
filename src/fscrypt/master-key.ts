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
  type EncryptionModeInfo,
  encryptionMode,
  type FilenamesCipher,
  type Hmac,
  hkdfExpand,
  hkdfExtract,
  keyMemory,
} from '../crypto/index.js';
import { CipherCache } from './cipher-cache.js';
import type { ExtentContext, ExtentContextForm, InodeContext } from './context.js';
import { checkPolicy, IDENTIFIER_SIZE, modeName } from './policy.js';

const MIN_MASTER_KEY_SIZE = 16;
const MAX_MASTER_KEY_SIZE = 64;
/** The longest that any mode takes. */
const MAX_DERIVED_KEY_SIZE = Math.max(...ENCRYPTION_MODES.map(({ keySize }) => keySize));

/** Context bytes of HKDF. */
const HKDF_KEY_IDENTIFIER = 1;
const HKDF_PER_FILE_KEY = 2;
const HKDF_EXTENT_KEY: Readonly<Record<ExtentContextForm, number>> = {
  item: 9,
  trailing: HKDF_PER_FILE_KEY,
  interim: 8,
};
const CONTENTS_MODES = new Set(ENCRYPTION_MODES.filter(({ contents }) => contents).map(({ number }) => number));
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
  private readonly size: number;
  /** Under what HKDF makes of the master key first; it stands in for the master key, which is not kept. */
  private readonly hmac: Hmac;
  /** Holds a derived key during its use only. */
  private readonly derived = keyMemory(MAX_DERIVED_KEY_SIZE);
  private readonly options: MasterKeyOptions;
  private readonly contents: CipherCache<ContentsCipher>;
  private readonly filenames: CipherCache<FilenamesCipher>;
  private isWiped = false;

  /**
   * Keeps nothing of `raw` itself, which stays the caller's to wipe.
   *
   * @throws FsError EINVAL unless it has 16 to 64 bytes
   */
  constructor(raw: Uint8Array, options: MasterKeyOptions) {
    if (raw.length < MIN_MASTER_KEY_SIZE || raw.length > MAX_MASTER_KEY_SIZE) {
      throw new FsError(
        'EINVAL',
        `a master key has ${MIN_MASTER_KEY_SIZE} to ${MAX_MASTER_KEY_SIZE} bytes, not ${raw.length}`,
      );
    }
    this.size = raw.length;
    const pseudorandomKey = hkdfExtract(raw);
    options.watch(pseudorandomKey);
    this.hmac = options.engine.hmacSha512(pseudorandomKey);
    pseudorandomKey.fill(0);
    this.options = options;
    this.contents = new CipherCache(options.maxCiphers);
    this.filenames = new CipherCache(options.maxCiphers);
    this.identifier = new Uint8Array(IDENTIFIER_SIZE);
    hkdfExpand(this.hmac, hkdfInfo(HKDF_KEY_IDENTIFIER), this.identifier);
  }

  /** @throws FsError EINVAL for a policy we do not accept, ENOKEY if the key is too short for its mode */
  filenamesCipher({ policy, nonce }: InodeContext): FilenamesCipher {
    checkPolicy(policy);
    const { filenamesMode: mode } = policy;
    const kind = kindOf(mode, HKDF_PER_FILE_KEY);
    const known = this.filenames.get(kind, nonce);
    if (known !== undefined) return known;
    const cipher = this.withDerivedKey(mode, HKDF_PER_FILE_KEY, nonce, (key) =>
      this.options.engine.filenamesCipher(mode, key),
    );
    this.filenames.add(kind, nonce, cipher);
    return cipher;
  }

  /** @throws FsError EINVAL for a mode that is none for contents, ENOKEY if the key is too short for it */
  contentsCipher({ form, contentsMode: mode, nonce }: ExtentContext): ContentsCipher {
    const hkdfContext = HKDF_EXTENT_KEY[form];
    const kind = kindOf(mode, hkdfContext);
    const known = this.contents.get(kind, nonce);
    if (known !== undefined) return known;
    this.assertContentsMode(mode);
    const cipher = this.withDerivedKey(mode, hkdfContext, nonce, (key) =>
      this.options.engine.contentsCipher(mode, key),
    );
    this.contents.add(kind, nonce, cipher);
    return cipher;
  }

  /** @throws FsError as {@link contentsCipher} would for any extent of this mode */
  assertContentsMode(mode: number): void {
    if (!CONTENTS_MODES.has(mode)) throw new FsError('EINVAL', `${modeName(mode)} is no encryption mode for contents`);
    this.assertStrength(encryptionMode(mode));
  }

  /** Overwrites the key and every key made from it. Ciphers handed out before no longer work. */
  wipe(): void {
    this.isWiped = true;
    this.hmac.wipe();
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
    const mode = encryptionMode(modeNumber);
    this.assertStrength(mode);
    const key = this.derived.subarray(0, mode.keySize);
    hkdfExpand(this.hmac, hkdfInfo(hkdfContext, nonce), key);
    this.options.watch(key);
    try {
      return use(key);
    } finally {
      key.fill(0);
    }
  }

  /** @throws FsError ENOKEY */
  private assertStrength({ name, securityStrength }: EncryptionModeInfo): void {
    // Zeros would derive a key too, one that everybody knows.
    if (this.isWiped) throw new FsError('ENOKEY', `the master key ${toHex(this.identifier)} has been removed`);
    if (this.size >= securityStrength) return;
    const needed = `${name} needs ${securityStrength} bytes`;
    throw new FsError('ENOKEY', `master key ${toHex(this.identifier)} has ${this.size} bytes, ${needed}`);
  }
}

function hkdfInfo(context: number, nonce: Uint8Array = new Uint8Array(0)): Uint8Array {
  const info = new Uint8Array(HKDF_PREFIX.length + 1 + nonce.length);
  info.set(HKDF_PREFIX);
  info[HKDF_PREFIX.length] = context;
  info.set(nonce, HKDF_PREFIX.length + 1);
  return info;
}

/** Tells apart the ciphers that one nonce may give. */
function kindOf(mode: number, hkdfContext: number): number {
  return hkdfContext * 256 + mode;
}
