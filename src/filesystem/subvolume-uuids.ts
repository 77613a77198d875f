/** The UUID tree: from the UUID of a subvolume, or of what it was received from, to its id. */
import { isZero, readU53, viewOf, writeU53 } from '../bytes/index.js';
import { UUID_ITEM_ENTRY_SIZE, UUID_KEY_RECEIVED_SUBVOL, UUID_KEY_SUBVOL, uuidKey } from '../format/index.js';
import type { SubvolumeTree, Transaction } from '../transaction/index.js';

export function addSubvolumeUuid(transaction: Transaction, { id, rootItem }: SubvolumeTree): void {
  addId(transaction, rootItem.uuid, UUID_KEY_SUBVOL, id);
  addId(transaction, rootItem.receivedUuid, UUID_KEY_RECEIVED_SUBVOL, id);
}

export function removeSubvolumeUuid(transaction: Transaction, { id, rootItem }: SubvolumeTree): void {
  removeId(transaction, rootItem.uuid, UUID_KEY_SUBVOL, id);
  removeId(transaction, rootItem.receivedUuid, UUID_KEY_RECEIVED_SUBVOL, id);
}

function idsOf({ uuidTree }: Transaction, uuid: Uint8Array, type: number): number[] {
  const cursor = uuidTree?.get(uuidKey(uuid, type));
  const ids: number[] = [];
  if (cursor === undefined) return ids;
  for (let at = 0; at + UUID_ITEM_ENTRY_SIZE <= cursor.size; at += UUID_ITEM_ENTRY_SIZE) {
    ids.push(readU53(cursor.view, cursor.at + at));
  }
  return ids;
}

function addId(transaction: Transaction, uuid: Uint8Array, type: number, id: number): void {
  if (transaction.uuidTree === undefined || isZero(uuid)) return;
  const ids = idsOf(transaction, uuid, type);
  const key = uuidKey(uuid, type);
  if (ids.length === 0) transaction.uuidTree.insert(key, encodeIds([id]));
  else if (!ids.includes(id)) transaction.uuidTree.replace(key, encodeIds([...ids, id]));
}

function removeId(transaction: Transaction, uuid: Uint8Array, type: number, id: number): void {
  if (transaction.uuidTree === undefined || isZero(uuid)) return;
  const ids = idsOf(transaction, uuid, type);
  const rest = ids.filter((other) => other !== id);
  if (rest.length === ids.length) return;
  if (rest.length === 0) transaction.uuidTree.remove(uuidKey(uuid, type));
  else transaction.uuidTree.replace(uuidKey(uuid, type), encodeIds(rest));
}

function encodeIds(ids: number[]): Uint8Array {
  const bytes = new Uint8Array(ids.length * UUID_ITEM_ENTRY_SIZE);
  ids.forEach((id, i) => {
    writeU53(viewOf(bytes), i * UUID_ITEM_ENTRY_SIZE, id);
  });
  return bytes;
}
