/** What a command prints: text and JSON on standard output, in large pieces, and complaints beside it. */
import { isUtf8 } from 'node:buffer';
import { describeFailure, EXIT_OK, exitCodeOf } from './failure.js';
import { processStreams, type Streams } from './streams.js';

const PIECE = 64 * 1024;

class Output {
  private streams: Streams = processStreams;
  private exitCode = EXIT_OK;
  private pending: Buffer[] = [];
  private pendingBytes = 0;

  /** Begins the run of a command. */
  begin(streams: Streams): void {
    this.streams = streams;
    this.exitCode = EXIT_OK;
    this.pending = [];
    this.pendingBytes = 0;
  }

  /** Ends it. @returns its exit code. @throws OutputClosed */
  end(): number {
    this.flush();
    return this.exitCode;
  }

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
      this.streams.write(bytes);
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
    this.streams.write(all);
  }

  /** Tells of a failure at once, on standard error; the first one gives the exit code. */
  failure(error: unknown): void {
    this.flush();
    this.streams.error(`butterlock: ${describeFailure(error)}\n`);
    this.noteExitCode(exitCodeOf(error));
  }

  /** The command goes on, but will not have succeeded. */
  noteExitCode(code: number): void {
    if (this.exitCode === EXIT_OK) this.exitCode = code;
  }

  warning(message: string): void {
    this.streams.error(`butterlock: warning: ${message.replaceAll(/\p{Cc}/gu, '?')}\n`);
  }

  /** Standard input. @returns bytes read, 0 at the end */
  readInput(into: Uint8Array): number {
    return this.streams.read(into);
  }

  /** Text as it is, such as help. */
  text(text: string): void {
    this.bytes(Buffer.from(text));
  }

  /** The same, on standard error. */
  errorText(text: string): void {
    this.streams.error(text);
  }
}

export const output = new Output();

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
  output.warning(message);
}
