/**
 * The keyring: which master keys are there, and the ciphers they give.
 *
 * A cipher handed out is borrowed. It may be wiped when its key is removed, or after many others
 * have been asked for: use it at once and ask again next time, which is cheap.
 */
import { equalBytes, FsError, toHex } from '../bytes/index.js';
import { type CipherEngine, type ContentsCipher, chooseEngine, type FilenamesCipher } from '../crypto/index.js';
import type { ExtentContext, InodeContext } from './context.js';
import { MasterKey, type MasterKeyOptions } from './master-key.js';

/** Ciphers of each kind kept ready per master key: those of the directories and extents in use. */
const DEFAULT_MAX_CIPHERS = 256;

export interface KeyringOptions {
  /** The one chosen at start by default. */
  readonly engine?: CipherEngine;
  readonly maxCiphers?: number;
  /** Told of every buffer that comes to hold key bytes, so that a test can prove them wiped. */
  readonly watch?: (keyBytes: Uint8Array) => void;
}

/** `incompletelyRemoved`: the key was removed, but open files still hold it. */
export type KeyStatus = 'present' | 'incompletelyRemoved' | 'absent';

/** The use of a key by an open file, which outlives the key's removal. */
export interface KeyHold extends Disposable {
  /** As {@link Keyring.contentsCipher}, also after the held key's removal. */
  contentsCipher(context: ExtentContext): ContentsCipher;
  /** As {@link Keyring.assertCanEncrypt}, also after the held key's removal. */
  assertCanEncrypt(context: ExtentContext): void;
  /** As {@link Keyring.filenamesCipher}, also after the held key's removal. */
  filenamesCipher(context: InodeContext): FilenamesCipher;
  /** Ends the hold; the last one of a removed key wipes it. Harmless when called again. */
  release(): void;
}

interface Entry {
  readonly key: MasterKey;
  holds: number;
  isRemoved: boolean;
}

export class Keyring implements Disposable {
  private readonly entries = new Map<string, Entry>();
  /** The one asked for last. */
  private lastEntry: Entry | undefined;
  private readonly options: MasterKeyOptions;
  private changes = 0;

  constructor(options: KeyringOptions = {}) {
    this.options = {
      engine: options.engine ?? chooseEngine(),
      maxCiphers: Math.max(1, options.maxCiphers ?? DEFAULT_MAX_CIPHERS),
      watch: options.watch ?? (() => {}),
    };
  }

  /** Grows whenever a key comes or goes: whatever was decrypted under another generation is stale. */
  get generation(): number {
    return this.changes;
  }

  /**
   * Adds a master key; adding it again changes nothing, or undoes an incomplete removal.
   *
   * @param raw - 16 to 64 bytes; not kept, and still the caller's to wipe
   * @returns its identifier, 16 bytes
   * @throws FsError EINVAL for another length
   */
  add(raw: Uint8Array): Uint8Array {
    const key = new MasterKey(raw, this.options);
    const name = toHex(key.identifier);
    const known = this.entries.get(name);
    if (known === undefined) {
      this.entries.set(name, { key, holds: 0, isRemoved: false });
      this.changes += 1;
    } else {
      key.wipe();
      if (known.isRemoved) this.changes += 1;
      known.isRemoved = false;
    }
    return key.identifier.slice();
  }

  /**
   * Removes a key. It is wiped at once with all that was made from it, or, while open files hold
   * it, when the last of them closes ({@link status} tells which).
   *
   * @returns false if it was not there
   */
  remove(identifier: Uint8Array): boolean {
    const entry = this.entries.get(toHex(identifier));
    if (entry === undefined) return false;
    if (!entry.isRemoved) this.changes += 1;
    entry.isRemoved = true;
    if (entry.holds === 0) this.wipe(entry);
    return true;
  }

  has(identifier: Uint8Array): boolean {
    return this.status(identifier) === 'present';
  }

  status(identifier: Uint8Array): KeyStatus {
    const entry = this.entries.get(toHex(identifier));
    if (entry === undefined) return 'absent';
    return entry.isRemoved ? 'incompletelyRemoved' : 'present';
  }

  /** Identifiers of the keys that are present, in the order of adding. */
  identifiers(): Uint8Array[] {
    return this.allIdentifiers().filter((identifier) => this.has(identifier));
  }

  /** As {@link identifiers}, with the keys that are removed incompletely. */
  allIdentifiers(): Uint8Array[] {
    return [...this.entries.values()].map(({ key }) => key.identifier.slice());
  }

  /**
   * The cipher for the names in a directory, or for the target of a symlink.
   *
   * @throws FsError ENOKEY if the master key is absent or too short, EINVAL for a policy we do not accept
   */
  filenamesCipher(context: InodeContext): FilenamesCipher {
    return this.present(context.policy.masterKeyIdentifier).key.filenamesCipher(context);
  }

  /**
   * The cipher for the contents of an extent.
   *
   * @throws FsError ENOKEY if the master key is absent or too short, EINVAL for a mode that is none for contents
   */
  contentsCipher(context: ExtentContext): ContentsCipher {
    return this.present(context.masterKeyIdentifier).key.contentsCipher(context);
  }

  /** @throws FsError as {@link contentsCipher}, for whoever will need the cipher later */
  assertCanEncrypt({ masterKeyIdentifier, contentsMode }: ExtentContext): void {
    this.present(masterKeyIdentifier).key.assertContentsMode(contentsMode);
  }

  /** Keeps a key usable for one open file until released. @throws FsError ENOKEY if it is absent */
  hold(identifier: Uint8Array): KeyHold {
    const entry = this.present(identifier);
    entry.holds += 1;
    let isHeld = true;
    const holds = (wanted: Uint8Array): boolean => isHeld && equalBytes(wanted, entry.key.identifier);
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      entry.holds -= 1;
      if (entry.holds === 0 && entry.isRemoved) this.wipe(entry);
    };
    return {
      contentsCipher: (context) =>
        holds(context.masterKeyIdentifier) ? entry.key.contentsCipher(context) : this.contentsCipher(context),
      assertCanEncrypt: (context) =>
        holds(context.masterKeyIdentifier)
          ? entry.key.assertContentsMode(context.contentsMode)
          : this.assertCanEncrypt(context),
      filenamesCipher: (context) =>
        holds(context.policy.masterKeyIdentifier) ? entry.key.filenamesCipher(context) : this.filenamesCipher(context),
      release,
      [Symbol.dispose]: release,
    };
  }

  /** Wipes every key, held or not. */
  close(): void {
    for (const entry of [...this.entries.values()]) this.wipe(entry);
    this.changes += 1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private present(identifier: Uint8Array): Entry {
    const { lastEntry } = this;
    const isLast = lastEntry !== undefined && equalBytes(lastEntry.key.identifier, identifier);
    const entry = isLast ? lastEntry : this.entries.get(toHex(identifier));
    if (entry !== undefined && !entry.isRemoved) {
      this.lastEntry = entry;
      return entry;
    }
    throw new FsError('ENOKEY', `the master key ${toHex(identifier)} is not there`);
  }

  private wipe(entry: Entry): void {
    entry.key.wipe();
    if (this.lastEntry === entry) this.lastEntry = undefined;
    const name = toHex(entry.key.identifier);
    // After close() a hold may outlive its entry, and the same key may have been added anew.
    if (this.entries.get(name) === entry) this.entries.delete(name);
  }
}
