/**
 * The one error type of Butterlock, and the three kinds of failure it keeps apart.
 *
 * - The disk says nonsense: {@link corrupt}, code EUCLEAN.
 * - The world says no (no such file, no space, no key): {@link FsError} with its errno.
 * - We are wrong: {@link invariant}, never used on bytes that came from a disk.
 */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** Error codes that `node:os` does not list on Linux, with their numbers from asm-generic/errno.h. */
const LINUX_ERRNO = {
  ENODATA: 61,
  EUCLEAN: 117,
  ENOKEY: 126,
  EKEYREJECTED: 129,
  EOPNOTSUPP: 95,
} as const;

/** Every error code an {@link FsError} may carry. */
export type ErrorCode = keyof typeof LINUX_ERRNO | keyof typeof constants.errno;

export interface FsErrorDetails {
  readonly syscall?: string;
  readonly path?: string;
  readonly dest?: string;
  readonly cause?: unknown;
}

/** An operation that failed for a reason its caller can act on. Match `code`, never the text. */
export class FsError extends Error {
  override readonly name = 'FsError';
  readonly code: ErrorCode;
  /** Negative errno, as Node's own errors have it. */
  readonly errno: number;
  readonly syscall?: string;
  readonly path?: string;
  readonly dest?: string;

  constructor(code: ErrorCode, message: string, details: FsErrorDetails = {}) {
    super(`${code}: ${message}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.errno = -errnoOf(code);
    if (details.syscall !== undefined) this.syscall = details.syscall;
    if (details.path !== undefined) this.path = details.path;
    if (details.dest !== undefined) this.dest = details.dest;
  }
}

const NUMBERS: Readonly<Record<string, number>> = { ...constants.errno, ...LINUX_ERRNO };

/** The number of a code, positive. */
export function errnoOf(code: ErrorCode): number {
  return NUMBERS[code] ?? 5;
}

/** Of two names for a number the first counts. */
const CODES: ReadonlyMap<number, ErrorCode> = new Map(
  [...Object.entries(LINUX_ERRNO), ...Object.entries(constants.errno)]
    .reverse()
    .map(([code, number]) => [number, code as ErrorCode]),
);

/** The code of a system error's number, of either sign; EIO for one that has no name. */
export function codeOfErrno(errno: number): ErrorCode {
  return CODES.get(Math.abs(errno)) ?? 'EIO';
}

/** The system's own words for a code, such as `no such file or directory`; undefined where it has none. */
export function systemText(code: ErrorCode): string | undefined {
  // Node speaks of sockets here.
  if (code === 'EOPNOTSUPP') return 'operation not supported';
  return getSystemErrorMap().get(-errnoOf(code))?.[1];
}

/**
 * The disk holds something no sound volume holds.
 *
 * @param where - the place: tree, block, slot, key, inode
 * @param what - the fault, with the bad value and the wanted one
 */
export function corrupt(where: string, what: string): FsError {
  return new FsError('EUCLEAN', `${where}: ${what}`);
}

/** True for an {@link FsError}, of one of the given codes if any are given. */
export function isFsError(error: unknown, ...codes: ErrorCode[]): error is FsError {
  return error instanceof FsError && (codes.length === 0 || codes.includes(error.code));
}

/** A bug in Butterlock itself. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Asserts what only a bug in this code could break. @throws InvariantError */
export function invariant(condition: unknown, text: string): asserts condition {
  if (!condition) throw new InvariantError(`broken invariant: ${text}`);
}
