/** Image files with holes: written and copied without their zeros. */
import { chmodSync, closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { mustRun } from './command.js';

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

/** Copies a file with its holes. */
export function copySparseFile(from: string, to: string): void {
  mustRun('cp', '--sparse=auto', '--reflink=auto', from, to);
  chmodSync(to, 0o600);
}
