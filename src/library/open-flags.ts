/** How a file is opened: the strings and numbers that `fs.openSync` takes. */
import { constants } from 'node:fs';
import { FsError } from '../bytes/index.js';

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW } = constants;
const O_ACCMODE = O_WRONLY | O_RDWR;

/** `s` asks for synchronous writes; here an explicit fsync is what makes data durable. */
const FLAGS: ReadonlyMap<string, number> = new Map([
  ['r', O_RDONLY],
  ['rs', O_RDONLY],
  ['r+', O_RDWR],
  ['rs+', O_RDWR],
  ['w', O_TRUNC | O_CREAT | O_WRONLY],
  ['wx', O_TRUNC | O_CREAT | O_WRONLY | O_EXCL],
  ['w+', O_TRUNC | O_CREAT | O_RDWR],
  ['wx+', O_TRUNC | O_CREAT | O_RDWR | O_EXCL],
  ['a', O_APPEND | O_CREAT | O_WRONLY],
  ['ax', O_APPEND | O_CREAT | O_WRONLY | O_EXCL],
  ['as', O_APPEND | O_CREAT | O_WRONLY],
  ['a+', O_APPEND | O_CREAT | O_RDWR],
  ['ax+', O_APPEND | O_CREAT | O_RDWR | O_EXCL],
  ['as+', O_APPEND | O_CREAT | O_RDWR],
]);

export type OpenFlags = string | number;

export interface OpenMode {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly append: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
  readonly directory: boolean;
  readonly noFollow: boolean;
}

/** @throws FsError EINVAL for an unknown string */
export function parseFlags(flags: OpenFlags): OpenMode {
  const bits = typeof flags === 'number' ? flags : FLAGS.get(flags);
  if (bits === undefined) throw new FsError('EINVAL', `unknown flags '${flags}'`);
  const has = (bit: number): boolean => (bits & bit) !== 0;
  const access = bits & O_ACCMODE;
  return {
    readable: access !== O_WRONLY,
    writable: access !== O_RDONLY,
    append: has(O_APPEND),
    create: has(O_CREAT),
    exclusive: has(O_EXCL),
    truncate: has(O_TRUNC),
    directory: has(O_DIRECTORY),
    noFollow: has(O_NOFOLLOW),
  };
}
