/** Paths: bytes between slashes. Strings are UTF-8. A path without a leading slash starts at the top, too. */
import { FsError } from '../bytes/index.js';

/** A path, as text (UTF-8) or as the bytes themselves for names that are no UTF-8. */
export type PathLike = string | Uint8Array;

const SLASH = 0x2f;
/** PATH_MAX, which counts the final NUL. */
const LONGEST_PATH = 4095;

/** @throws FsError EINVAL (holds NUL), ENAMETOOLONG; TypeError for what is no path, from untyped programs */
export function pathBytes(path: PathLike): Uint8Array {
  const bytes: unknown = typeof path === 'string' ? Buffer.from(path) : path;
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`a path is a string or a Uint8Array, not ${bytes}`);
  if (bytes.includes(0)) throw new FsError('EINVAL', 'a path cannot hold NUL');
  if (bytes.length > LONGEST_PATH) throw new FsError('ENAMETOOLONG', `a path has at most ${LONGEST_PATH} bytes`);
  return bytes;
}

/** For messages: bytes that are no UTF-8 appear as replacement characters. */
export function pathText(path: PathLike): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString();
}

/** The names of a path, empty ones (doubled slashes) left out. */
export function components(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  for (let start = 0; start < path.length; ) {
    const slash = path.indexOf(SLASH, start);
    const end = slash < 0 ? path.length : slash;
    if (end > start) names.push(path.subarray(start, end));
    start = end + 1;
  }
  return names;
}

export function isAbsolute(path: Uint8Array): boolean {
  return path[0] === SLASH;
}

export function endsWithSlash(path: Uint8Array): boolean {
  return path.at(-1) === SLASH;
}

/** `directory/name`, with one slash between. */
export function joinPath(directory: Uint8Array, name: Uint8Array): Buffer {
  const separator = directory.length === 0 || endsWithSlash(directory) ? '' : '/';
  return Buffer.concat([directory, Buffer.from(separator), name]);
}
