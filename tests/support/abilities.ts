/**
 * What a test needs of the machine. A missing ability skips the test with the reason; with
 * CI=true nothing may be skipped, and the missing ability is a failure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { temporaryPath } from './temporary.js';

/** Enough for a volume with the defaults of mkfs.btrfs. */
const MKFS_BYTES = 128 * 2 ** 20;

/** Programs that tests drive a mount with. */
type Program = 'xfs_io' | 'fscrypt' | 'fusermount3' | 'git' | 'rsync' | 'sqlite3' | 'setfacl' | 'fio' | 'dbench' | 'su';
/** Programs that benchmarks compare a mount with. */
type Rival = 'gocryptfs' | 'securefs' | 'mkfs.ext4';

export type Ability = 'root' | 'loop' | 'btrfs-progs' | 'mkfs' | 'kernel-btrfs' | 'fuse' | Program | Rival;

/** Each answers why it is missing, or nothing. */
const ABILITIES: Partial<Record<Ability, () => string | undefined>> = {
  root: missingRoot,
  loop: missingLoop,
  'btrfs-progs': () => missingProgram('btrfs') ?? missingProgram('mkfs.btrfs'),
  mkfs: () => missingProgram('mkfs.btrfs') ?? mkfsFailure(),
  fuse: () => missingRoot() ?? missingFuse(),
  'kernel-btrfs': () => missingLoop() ?? missingProgram('mount') ?? missingFilesystem('btrfs'),
};

/**
 * The options of a test that needs `abilities`: `test('…', requireAbility('root'), () => …)`.
 *
 * @throws Error with CI=true when one is missing
 */
export function requireAbility(...abilities: Ability[]): { skip: string | false } {
  const reasons = abilities
    .map((ability) => (ABILITIES[ability] ?? (() => missingProgram(ability)))())
    .filter((reason) => reason !== undefined);
  if (reasons.length === 0) return { skip: false };
  const reason = [...new Set(reasons)].join(', ');
  if (process.env.CI === 'true') throw new Error(`CI must not skip this test: ${reason}`);
  return { skip: reason };
}

function missingRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'needs root';
}

function missingLoop(): string | undefined {
  return missingRoot() ?? (existsSync('/dev/loop-control') ? undefined : 'needs loop devices');
}

function missingFuse(): string | undefined {
  if (!existsSync('/dev/fuse')) spawnSync('modprobe', ['fuse'], { env: toolEnvironment() });
  return existsSync('/dev/fuse') ? undefined : 'needs /dev/fuse';
}

function missingProgram(name: string): string | undefined {
  const found = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { env: toolEnvironment() });
  return found.status === 0 ? undefined : `needs the program ${name}`;
}

/** mkfs.btrfs looks at everything mounted first, which an ordinary user can be denied. */
function mkfsFailure(): string | undefined {
  if (missingRoot() === undefined) return undefined;
  const image = temporaryPath('.img');
  writeFileSync(image, '');
  truncateSync(image, MKFS_BYTES);
  const { status, stderr } = spawnSync('mkfs.btrfs', ['-q', image], { encoding: 'utf8', env: toolEnvironment() });
  rmSync(image);
  return status === 0
    ? undefined
    : `needs a working mkfs.btrfs, which says: ${stderr.trim().split(image).join('IMAGE')}`;
}

function missingFilesystem(name: string): string | undefined {
  spawnSync('modprobe', [name], { env: toolEnvironment() });
  const known = spawnSync('grep', ['-qw', name, '/proc/filesystems']);
  return known.status === 0 ? undefined : `needs a kernel with ${name}`;
}

/** The environment for system tools: administrators' directories on the path, messages untranslated. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };
}
