/**
 * Master keys with the users who added them, as the kernel keeps them (linux fs/crypto/keyring.c):
 * a key stays until the last user who added it has removed it.
 */
import { FsError, toHex } from '../bytes/index.js';
import type { Filesystem } from '../filesystem/index.js';
import type { Keyring, KeyStatus } from '../fscrypt/index.js';

export interface KeyRemoval {
  /** Other users have added the key too: it stays. */
  readonly hasOtherUsers: boolean;
  readonly status: KeyStatus;
}

/** One key, as a user is told of it. */
export interface KeyClaims {
  readonly identifier: Uint8Array;
  readonly status: KeyStatus;
  /** How many users have added it. */
  readonly userCount: number;
  /** Whether the user who asks has. */
  readonly isOwn: boolean;
}

export class ClaimedKeys {
  readonly keyring: Keyring;
  private readonly claims = new Map<string, Set<number>>();

  constructor(keyring: Keyring) {
    this.keyring = keyring;
  }

  /** @returns the key's identifier. @throws FsError EINVAL for a length that no key has */
  add(raw: Uint8Array, uid: number): Uint8Array {
    const identifier = this.keyring.add(raw);
    const name = toHex(identifier);
    const users = this.claims.get(name) ?? new Set();
    this.claims.set(name, users.add(uid));
    return identifier;
  }

  isClaimed(identifier: Uint8Array, uid: number): boolean {
    return this.claims.get(toHex(identifier))?.has(uid) ?? false;
  }

  userCount(identifier: Uint8Array): number {
    return this.claims.get(toHex(identifier))?.size ?? 0;
  }

  /** Every key that can be used, and those that open files still use. @param uid - of the user who asks */
  *list(uid: number): Generator<KeyClaims> {
    for (const identifier of this.keyring.allIdentifiers()) {
      yield {
        identifier,
        status: this.keyring.status(identifier),
        userCount: this.userCount(identifier),
        isOwn: this.isClaimed(identifier, uid),
      };
    }
  }

  /**
   * Takes back one user's claim, or all; without any left the key is removed.
   *
   * @throws FsError ENOKEY if there is no such key, or none that this user added
   */
  remove(filesystem: Filesystem, identifier: Uint8Array, uid: number | 'all'): KeyRemoval {
    const name = toHex(identifier);
    const before = this.keyring.status(identifier);
    if (before === 'absent') throw new FsError('ENOKEY', `the master key ${name} is not there`);
    const users = this.claims.get(name) ?? new Set();
    if (uid !== 'all' && users.size > 0 && !users.delete(uid)) {
      throw new FsError('ENOKEY', `user ${uid} has not added the master key ${name}`);
    }
    if (uid !== 'all' && users.size > 0) return { hasOtherUsers: true, status: before };
    this.claims.delete(name);
    return { hasOtherUsers: false, status: filesystem.removeKey(identifier) };
  }
}
