/**
 * Memory for keys. V8 keeps short arrays on its own heap, moves them about and leaves copies
 * behind; an array over a buffer that exists from the start stays where it is, so that wiping it
 * wipes the only copy.
 */

/** `size` zero bytes that never move. */
export function keyMemory(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(size));
}

/** `count` zero words of 32 bits that never move. */
export function keyWords(count: number): Uint32Array<ArrayBuffer> {
  return new Uint32Array(new ArrayBuffer(count * 4));
}

export function copyOfKey(key: Uint8Array): Uint8Array {
  const copy = keyMemory(key.length);
  copy.set(key);
  return copy;
}
