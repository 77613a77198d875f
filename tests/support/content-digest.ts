/** The SHA-256 of a file's contents, however it is read; of very large files a sample that listings agree on. */
import { createHash } from 'node:crypto';

/** Reads into all of the buffer from a position, in bytes. */
export type ReadAt = (into: Uint8Array, position: number) => void;

const PIECE = 2 ** 20;
const WHOLE_BYTES = 64 * 2 ** 20;
/** Of a larger file, one piece is read at every multiple of this, and the last piece. */
const SAMPLE_DISTANCE = 2 ** 29;

export function contentDigest(size: number, readAt: ReadAt): string {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(Math.min(size, PIECE));
  for (const position of size <= WHOLE_BYTES ? allPieces(size) : samples(size)) {
    const part = piece.subarray(0, Math.min(PIECE, size - position));
    readAt(part, position);
    hash.update(part);
  }
  return hash.digest('hex');
}

function* allPieces(size: number): Generator<number> {
  for (let position = 0; position < size; position += PIECE) yield position;
}

function* samples(size: number): Generator<number> {
  for (let position = 0; position < size - PIECE; position += SAMPLE_DISTANCE) yield position;
  yield size - PIECE;
}
