/** Image files with holes: written and copied without their zeros. */
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

const PIECE = 2 ** 20;
const BLOCK = 4096;
const ZEROS = Buffer.alloc(BLOCK);

/** Writes `bytes` at `position` but for the blocks that hold only zeros; the file must read as zeros there. */
function writeWithoutZeros(fd: number, bytes: Uint8Array, position: number): void {
  let start = -1;
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const block = bytes.subarray(at, at + BLOCK);
    const zero = ZEROS.compare(block, 0, block.length, 0, block.length) === 0;
    if (!zero && start < 0) start = at;
    if (zero && start >= 0) {
      writeSync(fd, bytes, start, at - start, position + start);
      start = -1;
    }
  }
  if (start >= 0) writeSync(fd, bytes, start, bytes.length - start, position + start);
}

/** Creates or replaces the file at `path`. */
export function writeSparseFile(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, 'w', 0o600);
  try {
    ftruncateSync(fd, bytes.length);
    writeWithoutZeros(fd, bytes, 0);
  } finally {
    closeSync(fd);
  }
}

/** Copies a file, leaving holes where it reads as zeros. */
export function copySparseFile(from: string, to: string): void {
  const source = openSync(from, 'r');
  const target = openSync(to, 'w', 0o600);
  try {
    const piece = Buffer.alloc(PIECE);
    let position = 0;
    for (;;) {
      const length = readSync(source, piece, 0, PIECE, position);
      if (length === 0) break;
      writeWithoutZeros(target, piece.subarray(0, length), position);
      position += length;
    }
    ftruncateSync(target, position);
  } finally {
    closeSync(source);
    closeSync(target);
  }
}
