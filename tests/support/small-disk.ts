/** A filesystem too small for what is put on it, and a device that loses its end. */
import { mkdirSync, truncateSync } from 'node:fs';
import { mustRun, runCommand } from './command.js';
import { temporaryPath } from './temporary.js';

/** Runs `use` in a filesystem of so many MiB in memory. */
export function withSmallDisk(megabytes: number, use: (directory: string) => void): void {
  const directory = temporaryPath('-disk');
  mkdirSync(directory);
  mustRun('mount', '-t', 'tmpfs', '-o', `size=${megabytes}M`, 'butterlock-test', directory);
  try {
    use(directory);
  } finally {
    runCommand('umount', '-l', directory);
  }
}

/** A block device over a file, which can lose the rest of it: reading there then fails with EIO. */
export class LoopDevice {
  readonly path: string;
  private readonly file: string;

  constructor(file: string) {
    this.file = file;
    this.path = mustRun('losetup', '--find', '--show', file).trim();
  }

  loseFrom(offset: number): void {
    truncateSync(this.file, offset);
    mustRun('blockdev', '--flushbufs', this.path);
  }

  detach(): void {
    mustRun('losetup', '--detach', this.path);
  }
}
