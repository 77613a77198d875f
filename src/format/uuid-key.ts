/**
 * UUID tree: from a subvolume's UUID to its tree id.
 *
 * Key: the UUID's first 8 bytes as object id, UUID_KEY_SUBVOL or UUID_KEY_RECEIVED_SUBVOL, its
 * last 8 bytes as offset, each little-endian. Item: a list of u64 tree ids.
 */
import { readU64, viewOf, writeU64 } from '../bytes/index.js';
import { UUID_SIZE } from './constants.js';
import { Key } from './key.js';

/** Bytes of each tree id in an item. */
export const UUID_ITEM_ENTRY_SIZE = 8;

/** @param type - UUID_KEY_SUBVOL or UUID_KEY_RECEIVED_SUBVOL */
export function uuidKey(uuid: Uint8Array, type: number): Key {
  const view = viewOf(uuid);
  return new Key(readU64(view, 0), type, readU64(view, 8));
}

/** The UUID that a key of the UUID tree stands for. */
export function uuidOfKey(key: Key): Uint8Array {
  const uuid = new Uint8Array(UUID_SIZE);
  const view = viewOf(uuid);
  writeU64(view, 0, key.objectidU64);
  writeU64(view, 8, key.offsetU64);
  return uuid;
}
