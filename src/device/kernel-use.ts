/** Finds out whether the kernel uses a file or block device: mounted, or behind a loop device. Linux only. */
import { type BigIntStats, readdirSync, readFileSync, statSync } from 'node:fs';

/** The type of a mount whose server is butterlock, as /proc shows it. */
const OUR_MOUNTS = 'fuse.butterlock';

/**
 * What the kernel does with the file or block device of `stats`, in words, such as
 * `mounted at /mnt by the kernel`. Undefined when nothing is known, also where there is no /proc or /sys.
 */
export function describeKernelUse(stats: BigIntStats): string | undefined {
  return describeMount(stats) ?? describeLoop(stats);
}

/**
 * A mount shows its device in two ways: by number, and as its source. btrfs has only the second,
 * its number being an invented one.
 */
function describeMount(stats: BigIntStats): string | undefined {
  const number = stats.isBlockDevice() ? deviceNumber(stats.rdev) : undefined;
  for (const line of readText('/proc/self/mountinfo').split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , mountNumber, , mountPoint = ''] = before.split(' ');
    const [type = '', device = ''] = after.split(' ');
    const source = unescapeMountField(device);
    if ((number !== undefined && mountNumber === number) || (source.startsWith('/') && isSame(source, stats))) {
      return `mounted at ${unescapeMountField(mountPoint)} by ${type === OUR_MOUNTS ? 'butterlock' : 'the kernel'}`;
    }
  }
  return undefined;
}

function describeLoop(stats: BigIntStats): string | undefined {
  for (const name of listDirectory('/sys/block')) {
    if (!name.startsWith('loop')) continue;
    const backing = readText(`/sys/block/${name}/loop/backing_file`).replace(/\n$/, '');
    if (backing !== '' && isSame(backing, stats)) return `attached to /dev/${name} by the kernel`;
  }
  return undefined;
}

/** Whether `path` leads to the very file of `stats`, by whatever name, or to a node of the same block device. */
function isSame(path: string, stats: BigIntStats): boolean {
  const other = orAbsent(() => statSync(path, { bigint: true }));
  if (other === undefined) return false;
  if (stats.isBlockDevice()) return other.isBlockDevice() && other.rdev === stats.rdev;
  return other.dev === stats.dev && other.ino === stats.ino;
}

/** `major:minor`, as /proc and /sys write it, of a Linux device number. */
export function deviceNumber(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** mountinfo writes space, tab, newline and backslash as three octal digits. */
function unescapeMountField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function readText(path: string): string {
  return orAbsent(() => readFileSync(path, 'utf8')) ?? '';
}

function listDirectory(path: string): string[] {
  return orAbsent(() => readdirSync(path)) ?? [];
}

/** What cannot be seen counts as absent. ENXIO is what a loop device being detached at this moment answers. */
function orAbsent<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES' || code === 'ENXIO') return undefined;
    throw error;
  }
}
