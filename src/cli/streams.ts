/** Where a command reads and writes: the streams of the process, or those of a test. */
import { readSync, writeSync } from 'node:fs';

export interface Streams {
  /** Fills the front of `into` from standard input. @returns bytes read, 0 at the end */
  read(into: Uint8Array): number;
  /** Standard output. @throws OutputClosed */
  write(bytes: Uint8Array): void;
  /** Standard error. */
  error(text: string): void;
}

/** Whoever read the output has gone, as `head` does. No failure: there is nobody to tell. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

const STDIN = 0;
const STDOUT = 1;
const RETRY_MS = 5;

export const processStreams: Streams = {
  read(into) {
    for (;;) {
      try {
        return readSync(STDIN, into);
      } catch (error) {
        if (codeOf(error) === 'EOF') return 0;
        waitOrThrow(error);
      }
    }
  },
  write(bytes) {
    for (let done = 0; done < bytes.length; ) {
      try {
        done += writeSync(STDOUT, bytes, done);
      } catch (error) {
        if (codeOf(error) === 'EPIPE') throw new OutputClosed();
        waitOrThrow(error);
      }
    }
  },
  error(text) {
    process.stderr.write(text);
  },
};

/** A stream that does not block is waited for. */
function waitOrThrow(error: unknown): void {
  if (codeOf(error) !== 'EAGAIN') throw error;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
