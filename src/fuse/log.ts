/** The log of a mount: a file of bounded size, and the one before it. */
import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Bytes after which a new file is begun. */
const MAX_SIZE = 1024 * 1024;
const LOG_MODE = 0o600;

export class Log {
  readonly path: string;

  /** Makes the directory of the file if need be. @throws the host's errors */
  constructor(path: string) {
    // Whoever serves a mount leaves the directory it was started in.
    this.path = resolve(path);
    mkdirSync(dirname(this.path), { recursive: true });
    this.write(`--- process ${process.pid}`);
  }

  /** Appends a line with the time. A full disk must not end the mount: what cannot be written is lost. */
  write(line: string): void {
    try {
      if ((statSync(this.path, { throwIfNoEntry: false })?.size ?? 0) > MAX_SIZE)
        renameSync(this.path, `${this.path}.1`);
      appendFileSync(this.path, `${new Date().toISOString()} ${line}\n`, { mode: LOG_MODE });
    } catch (error) {
      if (!(error instanceof Error) || !('syscall' in error)) throw error;
    }
  }
}
