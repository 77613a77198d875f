/** `btrfs check` of btrfs-progs as a judge: silent on a sound volume, or everything it said. */
import assert from 'node:assert/strict';
import { runCommand } from './command.js';

export interface CheckOptions {
  /** Also compare every data block with its checksum. Default true. */
  readonly dataChecksums?: boolean;
  /** The mode that keeps little in memory: an implementation of the rules of its own. Default `original`. */
  readonly mode?: 'original' | 'lowmem';
}

/** What check prints of a sound volume; any other line is a complaint. */
const SOUND_LINES = [
  /^Opening filesystem to check\.\.\.$/,
  /^Checking filesystem on /,
  /^UUID: [0-9a-f-]{36}$/,
  /^\[\d\/\d\] checking (root items|extents|free space (tree|cache)|fs roots|root refs|quota groups)/,
  /^\[\d\/\d\] checking (csums against data|only csums items)/,
  /^found \d+ bytes used, no error found$/,
  /^(total csum|total tree|total fs tree|total extent tree|btree space waste) bytes: \d+$/,
  /^file data blocks allocated: \d+$/,
  /^ referenced \d+$/,
  // A volume with version 1 space caches that was written without them.
  /^cache and super generation don't match, space cache will be invalidated$/,
  // An ordinary user, while the kernel has some btrfs mounted.
  /^WARNING: cannot check mount status of .*, continuing because of --force$/,
  /^$/,
];

/**
 * Runs `btrfs check`, which only reads. `--force` leaves out the look at what is mounted, which an
 * ordinary user is denied while any btrfs is.
 *
 * @returns its complaints, none for a sound volume
 */
export function btrfsCheckComplaints(imagePath: string, options: CheckOptions = {}): string[] {
  const { dataChecksums = true, mode = 'original' } = options;
  const flags = [`--mode=${mode}`, ...(dataChecksums ? ['--check-data-csum'] : [])];
  const { status, stdout, stderr } = runCommand('btrfs', 'check', '--readonly', '--force', ...flags, imagePath);
  const lines = `${stdout}\n${stderr}`.split('\n');
  const complaints = lines.filter((line) => !SOUND_LINES.some((sound) => sound.test(line)));
  if (status !== 0) complaints.push(`btrfs check: exit ${status}`);
  else if (!stdout.includes('no error found')) complaints.push('btrfs check did not come to a verdict');
  return complaints;
}

/** Fails unless `btrfs check` has nothing to complain about. */
export function assertSound(imagePath: string, options: CheckOptions = {}): void {
  assert.deepEqual(btrfsCheckComplaints(imagePath, options), [], `btrfs check of ${imagePath}`);
}
