/** The most memory that a process had resident, for several kinds of work, each in a process of its own. */
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { mustRun } from '../tests/support/command.js';
import { temporaryPath } from '../tests/support/temporary.js';
import type { BenchOptions, Measurement } from './measure.js';
import type { MemoryWork } from './memory-work.js';

/** How many files share a directory in a tree that is made of many. */
export const FILES_PER_DIRECTORY = 100;
const PROGRAM = fileURLToPath(new URL('memory-work.js', import.meta.url));
const AIM = { name: 'aim: at most', value: 300 };

export function benchMemory({ megabytes, files }: BenchOptions): Measurement[] {
  const image = temporaryPath('.img');
  const measure = (work: MemoryWork, amount: number, what: string): Measurement => {
    const peak = mustRun(process.execPath, PROGRAM, image, work, String(amount));
    return { what: `resident: ${what}`, unit: 'MiB', value: Number(peak), reference: AIM };
  };
  const directories = Math.ceil((1.5 * files) / FILES_PER_DIRECTORY);
  const more = directories * FILES_PER_DIRECTORY;
  try {
    return [
      measure('nothing', 0, 'nothing but Node and the library'),
      measure('write', megabytes, `write ${megabytes} MiB`),
      measure('read', megabytes, `read ${megabytes} MiB`),
      measure('create', files, `create ${files} files of 4 KiB`),
      measure('spread', directories, `create ${more} files in ${directories} directories`),
      measure('list', files + more, `list and stat a tree of ${files + more} files`),
      measure('remove', 0, 'remove all of it'),
    ];
  } finally {
    rmSync(image, { force: true });
  }
}
