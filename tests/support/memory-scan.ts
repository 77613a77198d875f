/** Looks for byte patterns in all writable memory of a process (Linux: /proc/PID/mem). */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const CHUNK = 2 ** 20;

/**
 * Counts the occurrences of a pattern. It is given with every byte inverted, so that the pattern
 * itself is none.
 *
 * @param process - its number; default: the running one
 */
export function countInMemory(inverted: readonly number[], process: number | 'self' = 'self'): number {
  const memory = openSync(`/proc/${process}/mem`, 'r');
  try {
    let count = 0;
    for (const [start, end] of writableRanges(process)) {
      for (let at = start; at < end; at += CHUNK)
        count += countInChunk(memory, at, Math.min(CHUNK, end - at), inverted);
    }
    return count;
  } finally {
    closeSync(memory);
  }
}

/** Counts occurrences that start within `length` bytes of address `at`; they may end behind. */
function countInChunk(memory: number, at: number, length: number, inverted: readonly number[]): number {
  const chunk = Buffer.allocUnsafeSlow(length + inverted.length - 1);
  const size = readable(memory, chunk, at);
  let count = 0;
  for (let from = 0; ; ) {
    const found = chunk.subarray(0, size).indexOf((inverted[0] ?? 0) ^ 0xff, from);
    if (found < 0 || found >= length) break;
    if (inverted.every((byte, index) => chunk[found + index] === (byte ^ 0xff))) count += 1;
    from = found + 1;
  }
  // What was found here must not be found again in this buffer.
  chunk.fill(0);
  return count;
}

/** Some mappings, such as guard pages, cannot be read. */
function readable(memory: number, chunk: Buffer, at: number): number {
  try {
    return readSync(memory, chunk, 0, chunk.length, at);
  } catch {
    return 0;
  }
}

function writableRanges(process: number | 'self'): [number, number][] {
  const lines = readFileSync(`/proc/${process}/maps`, 'latin1').split('\n');
  return lines.flatMap((line) => {
    const range = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (range === null) return [];
    return [[Number.parseInt(range[1] ?? '', 16), Number.parseInt(range[2] ?? '', 16)] as [number, number]];
  });
}
