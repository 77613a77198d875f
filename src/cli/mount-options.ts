/** The options behind the `-o` of mount(8) and in the fourth field of fstab(5), as a mount of ours takes them. */
import { InvalidArgumentError } from 'commander';
import { FsError } from '../bytes/index.js';
import type { MountFlag } from '../fuse/index.js';
import { UsageError } from './failure.js';
import type { MountRequest } from './mount-server.js';
import { parseInteger } from './numbers.js';

type Changes = { -readonly [K in keyof MountRequest]: MountRequest[K] };

/** Options without a value, and what they ask for; later ones win. */
const WORDS: Readonly<Record<string, Partial<MountRequest>>> = {
  ro: { readOnly: true },
  rw: { readOnly: false },
  allow_other: { allowOther: true },
  atime: { atime: true },
  relatime: { atime: true },
  noatime: { atime: false },
};

const FLAGS: readonly MountFlag[] = ['nosuid', 'nodev', 'noexec', 'sync', 'nosymfollow'];
/** Each takes one of {@link FLAGS} back. */
const OPPOSITES: Readonly<Record<string, MountFlag>> = {
  suid: 'nosuid',
  dev: 'nodev',
  exec: 'noexec',
  async: 'sync',
  symfollow: 'nosymfollow',
};

const VALUES: Readonly<Record<string, (request: Changes, value: string) => void>> = {
  commit: (request, value) => {
    request.commit = number('commit', value);
  },
  subvol: (request, value) => {
    request.subvolume = `/${value}`;
  },
  subvolid: (request, value) => {
    request.subvolume = number('subvolid', value);
  },
  'key-file': (request, value) => {
    request.keyFile = [...(request.keyFile ?? []), value];
  },
  log: (request, value) => {
    request.log = value;
  },
};

/** For mount(8) itself, for systemd, or always so. */
const IGNORED =
  /^(?:defaults|auto|noauto|nofail|_netdev|(?:no)?user|user=.*|users|owner|group|silent|loud|default_permissions|[xX]-.*|comment=.*|diratime|nostrictatime|nolazytime|nomand|noiversion)?$/;

/**
 * @param options - separated by commas; a comma in a value stands behind a backslash, or in double quotes
 * @param isSloppy - pass over what is not known
 * @throws UsageError for an option that is not known, or a value that makes no sense; FsError EOPNOTSUPP for `remount`
 */
export function parseMountOptions(options: string, isSloppy = false): MountRequest {
  const request: Changes = { atime: true };
  const flags = new Set<MountFlag>();
  for (const option of split(options)) {
    const equals = option.indexOf('=');
    const name = equals < 0 ? option : option.slice(0, equals);
    const flag = FLAGS.find((known) => known === option);
    const opposite = own(OPPOSITES, option);
    const take = equals < 0 ? undefined : own(VALUES, name);
    if (option === 'remount')
      throw new FsError('EOPNOTSUPP', 'a mounted volume cannot be given other options: unmount it and mount it again');
    if (flag !== undefined) flags.add(flag);
    else if (opposite !== undefined) flags.delete(opposite);
    else if (take !== undefined) take(request, option.slice(equals + 1));
    else if (own(WORDS, option) !== undefined) Object.assign(request, own(WORDS, option));
    else if (!IGNORED.test(option) && !isSloppy) throw new UsageError(`the mount option '${option}' is not known`);
  }
  return { ...request, flags: [...flags] };
}

function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function split(options: string): string[] {
  const pieces = options.match(/(?:\\.|"[^"]*"|[^,\\"])+/gs) ?? [];
  return pieces.map((piece) => piece.replaceAll(/\\(.)|"([^"]*)"/gs, '$1$2'));
}

function number(name: string, value: string): number {
  try {
    return parseInteger(value);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw new UsageError(`${name}: ${error.message}`);
    throw error;
  }
}
