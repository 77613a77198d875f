/** Errors as one line for a person, and as an exit code for a program. docs/CLI.md has the table. */
import { type ErrorCode, FsError, systemText } from '../bytes/index.js';

export const EXIT_OK = 0;
/** The operation failed: no such file, no permission, not a btrfs volume… */
export const EXIT_FAILED = 1;
/** The command was called wrongly. Nothing was done. */
export const EXIT_USAGE = 2;
/** The volume is damaged, or its medium cannot be read. */
export const EXIT_DAMAGED = 3;
/** The key of an encrypted directory is missing. */
export const EXIT_NO_KEY = 4;
/** Somebody else writes to the image, or the kernel has it mounted. */
export const EXIT_BUSY = 5;
/** The volume is full. */
export const EXIT_NO_SPACE = 6;

/** A call of the command that cannot be meant. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const EXIT_CODES: Partial<Record<ErrorCode, number>> = {
  EUCLEAN: EXIT_DAMAGED,
  EIO: EXIT_DAMAGED,
  ENOKEY: EXIT_NO_KEY,
  EBUSY: EXIT_BUSY,
  ENOSPC: EXIT_NO_SPACE,
};

const ADVICE: Partial<Record<ErrorCode, string>> = {
  ENOKEY: "give the key with --key-file, or to a mount with 'butterlock key add'",
  ENOSPC: 'delete something first',
  EXDEV: 'copy it instead',
};

/** Of these the system's words say all there is to say of a path. */
const PLAIN_CODES: ReadonlySet<ErrorCode> = new Set([
  'ENOENT',
  'EEXIST',
  'ENOTDIR',
  'EISDIR',
  'ENOTEMPTY',
  'ELOOP',
  'ENAMETOOLONG',
  'ENODATA',
]);

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT_USAGE;
  if (!(error instanceof FsError)) return EXIT_FAILED;
  // Inside a volume EBUSY is about one of its directories.
  if (error.code === 'EBUSY' && error.cause instanceof FsError) return EXIT_FAILED;
  return EXIT_CODES[error.code] ?? EXIT_FAILED;
}

/** One line, without the program's name. */
export function describeFailure(error: unknown): string {
  const text = error instanceof FsError ? describeFsError(error) : describeOther(error);
  return printable(text.replaceAll(/\s*\n\s*/g, '; '));
}

function describeFsError(error: FsError): string {
  const inner = error.cause instanceof FsError ? error.cause : error;
  const detail = inner.message.slice(inner.code.length + 2);
  const isCall = inner !== error;
  const isPlain = isCall && PLAIN_CODES.has(error.code) && hasPath(error) && error.syscall !== 'set policy';
  const text = isPlain ? (systemText(error.code) ?? detail) : detail;
  const advice = ADVICE[error.code];
  const end = advice === undefined ? text : `${text}; ${advice}`;
  if (!hasPath(error) || (!isCall && end.startsWith(`${error.path}: `))) return end;
  const paths = error.dest === undefined ? error.path : `${error.path} -> ${error.dest}`;
  return `${paths}: ${end}`;
}

function hasPath(error: FsError): error is FsError & { readonly path: string } {
  return error.path !== undefined && error.path !== '';
}

/** Errors of `node:fs` about the host's files, and our own mistakes. */
function describeOther(error: unknown): string {
  if (error instanceof UsageError) return error.message;
  if (!(error instanceof Error)) return String(error);
  if (!('syscall' in error) || !('code' in error)) return `internal error: ${error.message}`;
  const words = error.message.replace(/^[A-Z0-9]+: /, '').replace(/, [a-z]+( '.*)?$/s, '');
  const path = 'path' in error && typeof error.path === 'string' ? `${error.path}: ` : '';
  return `${path}${words}`;
}

function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}]/gu, '?');
}
