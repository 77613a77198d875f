/** Standard output, written in large pieces; text and JSON. */
import { isUtf8 } from 'node:buffer';
import { writeSync } from 'node:fs';

/** Whoever read the output has gone, as `head` does. No failure: there is nobody to tell. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

const STDOUT = 1;
const PIECE = 64 * 1024;
const RETRY_MS = 5;

class Output {
  private pending: Buffer[] = [];
  private pendingBytes = 0;

  /** @throws OutputClosed */
  line(text = ''): void {
    this.bytes(Buffer.from(`${text}\n`));
  }

  json(value: unknown): void {
    this.line(toJson(value));
  }

  /** Does not keep `bytes` if they are many. */
  bytes(bytes: Uint8Array): void {
    if (bytes.length >= PIECE) {
      this.flush();
      writeAll(bytes);
      return;
    }
    this.pending.push(Buffer.from(bytes));
    this.pendingBytes += bytes.length;
    if (this.pendingBytes >= PIECE) this.flush();
  }

  flush(): void {
    const all = Buffer.concat(this.pending);
    this.pending = [];
    this.pendingBytes = 0;
    writeAll(all);
  }
}

export const output = new Output();

function writeAll(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(STDOUT, bytes, done);
    } catch (error) {
      waitOrThrow(error);
    }
  }
}

/** A pipe that does not block is waited for. */
function waitOrThrow(error: unknown): void {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EPIPE') throw new OutputClosed();
  if (code !== 'EAGAIN') throw error;
  sleep(RETRY_MS);
}

export function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** As JSON.stringify, with bigints as plain integers and bytes as hexadecimal text. */
export function toJson(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('hex'));
  if (Array.isArray(value)) return `[${value.map(toJson).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}: ${toJson(field)}`).join(', ')}}`;
}

/** A name or path as text: bytes that are no UTF-8, and control characters, as `\xNN`. */
export function shown(name: Uint8Array): string {
  const bytes = Buffer.from(name);
  if (!isUtf8(bytes))
    return [...bytes].map((byte) => (byte < 0x20 || byte >= 0x7f ? hexByte(byte) : String.fromCharCode(byte))).join('');
  return bytes.toString().replaceAll(/\p{Cc}/gu, (character) => [...Buffer.from(character)].map(hexByte).join(''));
}

function hexByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** A warning on standard error. */
export function warn(message: string): void {
  process.stderr.write(`butterlock: warning: ${message.replaceAll(/\p{Cc}/gu, '?')}\n`);
}
