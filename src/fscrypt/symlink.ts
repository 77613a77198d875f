/**
 * Targets of encrypted symlinks: stored as a 16-bit length and the ciphertext, encrypted like a
 * name but with the symlink's own key. Mirrors `fscrypt_symlink_data` in linux fs/crypto/hooks.c.
 */
import { corrupt, FsError, viewOf } from '../bytes/index.js';
import type { FilenamesCipher } from '../crypto/index.js';
import { noKeyName, padded, withoutTrailingNuls } from './names.js';

const LENGTH_SIZE = 2;
const MIN_CIPHER_LENGTH = 16;
/** Longest ciphertext, in bytes, where a node has room for it: a page less the length field. */
export const MAX_CIPHER_TARGET = 4094;

/**
 * Encrypts a target to the bytes its inline extent holds.
 *
 * @param padding - of the symlink's policy: 4, 8, 16 or 32 bytes
 * @param longest - longest ciphertext (bytes) an inline extent of the volume holds beside the length field
 * @throws FsError ENAMETOOLONG if the target is longer than `longest`, ENOENT if it is empty
 */
export function encryptTarget(
  cipher: FilenamesCipher,
  padding: number,
  target: Uint8Array,
  longest = MAX_CIPHER_TARGET,
): Uint8Array {
  if (target.length === 0) throw new FsError('ENOENT', 'a symlink needs a target');
  const cipherTarget = cipher.encrypt(padded(target, padding, Math.min(longest, MAX_CIPHER_TARGET)));
  const stored = new Uint8Array(LENGTH_SIZE + cipherTarget.length);
  viewOf(stored).setUint16(0, cipherTarget.length, true);
  stored.set(cipherTarget, LENGTH_SIZE);
  return stored;
}

/** @throws FsError EUCLEAN if `stored` cannot be an encrypted target, or decrypts to none */
export function decryptTarget(cipher: FilenamesCipher, stored: Uint8Array): Uint8Array {
  const target = withoutTrailingNuls(cipher.decrypt(cipherTargetOf(stored)));
  if (target.length === 0 || target.includes(0)) throw corrupt('encrypted symlink', 'decrypts to no target');
  return target;
}

/** How a stored target is shown when the key is not there. @throws FsError EUCLEAN */
export function noKeyTarget(stored: Uint8Array): Uint8Array {
  return noKeyName(0, cipherTargetOf(stored));
}

function cipherTargetOf(stored: Uint8Array): Uint8Array {
  const length = stored.length < LENGTH_SIZE ? 0 : viewOf(stored).getUint16(0, true);
  const room = stored.length - LENGTH_SIZE;
  if (length < MIN_CIPHER_LENGTH || length > room) {
    throw corrupt('encrypted symlink', `says ${length} bytes of ciphertext, there are ${room}`);
  }
  return stored.subarray(LENGTH_SIZE, LENGTH_SIZE + length);
}
