/**
 * A mounted volume against other encryption in user space, and the kernel's own filesystems for orientation: all on one
 * disk, taking turns at every row.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireAbility } from '../tests/support/abilities.js';
import { mustRun } from '../tests/support/command.js';
import { temporaryPath } from '../tests/support/temporary.js';
import { writeRandom } from './large-file.js';
import { type BenchOptions, type Measurement, median } from './measure.js';
import { type Contestant, KERNEL, type MountedFilesystem, OURS, RIVALS } from './mount/contestants.js';
import { resetPeak, residentOf } from './mount/resident.js';
import { type Materials, type Row, rowsOf, smallFiles, treeFiles } from './mount/rows.js';
import { makeSourceTree } from './mount/source-tree.js';

/** Size of a filesystem beyond twice the large file, in MiB. */
const ROOM = 2048;
/** Files read after mounting, so that a cold row finds the data cold but not the programs. */
const WARM_UP_FILES = 1000;
/** Seconds between mounting and the first work, as users take them: ours uses them to have its code compiled. */
const PAUSE = 4;
const MEMORY_AIM = { name: 'aim: at most', value: 500 };

/** What the rounds have given for one row. */
interface Results {
  readonly row: Row;
  /** Why it cannot be measured. */
  readonly skip: string | false;
  /** By name of the contestant. */
  readonly speeds: Map<string, number[]>;
  /** Resident memory of our server, in MiB: when the row was done, and the most meanwhile. */
  readonly after: number[];
  readonly peaks: number[];
}

interface Turn {
  readonly name: string;
  readonly filesystem: MountedFilesystem;
}

export function benchMount(options: BenchOptions): Measurement[] {
  const { skip: missing } = requireAbility(...OURS.needs);
  if (missing !== false) throw new Error(`a mount cannot be measured: ${missing}`);
  const contestants = [OURS, ...RIVALS, ...KERNEL].filter(({ needs }) => requireAbility(...needs).skip === false);
  const materials = makeMaterials(options);
  const results = rowsOf(options, materials).map((row): Results => {
    return { row, skip: requireAbility(...row.needs).skip, speeds: new Map(), after: [], peaks: [] };
  });
  for (const contestant of contestants) verify(contestant, options, materials);
  for (let round = 1; round <= options.rounds; round++) {
    console.error(`round ${round} of ${options.rounds}`);
    runRound(contestants, options, results);
  }
  rmSync(materials.large);
  return [...results.map(speedOf), ...results.filter(({ skip }) => skip === false).map(memoryOf)];
}

function makeMaterials(options: BenchOptions): Materials {
  const top = temporaryPath('-materials');
  mkdirSync(top);
  const materials = { large: join(top, 'large'), tree: join(top, 'tree'), tarball: join(top, 'tree.tar') };
  writeRandom(materials.large, options.megabytes);
  makeSourceTree(materials.tree, materials.tarball, treeFiles(options));
  return materials;
}

/** @throws Error unless a contestant gives back what was written to it */
function verify({ name, start }: Contestant, options: BenchOptions, { large, tree, tarball }: Materials): void {
  const filesystem = start(sizeFor(options));
  const { directory } = filesystem;
  const small = join(directory, 'small');
  mustRun('cp', large, directory);
  mkdirSync(small);
  smallFiles('create', small, options.files);
  mustRun('tar', '-C', directory, '-xf', tarball);
  filesystem.settle();
  filesystem.remount();
  dropCaches();
  try {
    mustRun('cmp', large, join(directory, 'large'));
    smallFiles('compare', small, options.files);
    mustRun('diff', '-r', '--no-dereference', tree, join(directory, 'tree'));
  } catch (error) {
    throw new Error(`${name} does not give back what was written`, { cause: error });
  }
  filesystem.end();
}

function sizeFor({ megabytes }: BenchOptions): number {
  return 2 * megabytes + ROOM;
}

function runRound(contestants: readonly Contestant[], options: BenchOptions, results: readonly Results[]): void {
  const turns = contestants.map(({ name, start }): Turn => ({ name, filesystem: start(sizeFor(options)) }));
  for (const { filesystem } of turns) {
    mkdirSync(warmUpDirectory(filesystem));
    smallFiles('create', warmUpDirectory(filesystem), WARM_UP_FILES);
    filesystem.settle();
  }
  pause();
  for (const result of results.filter(({ skip }) => skip === false)) {
    for (const turn of turns) takeTurn(turn, result);
  }
  for (const { filesystem } of turns) filesystem.end();
}

function takeTurn({ name, filesystem }: Turn, { row, speeds, after, peaks }: Results): void {
  if (row.isCold) coolDown(filesystem);
  else mustRun('sync');
  const server = filesystem.server?.();
  if (server !== undefined) resetPeak(server);
  speeds.set(name, [...(speeds.get(name) ?? []), row.run(filesystem.directory)]);
  if (server !== undefined) {
    const { now, peak } = residentOf(server);
    after.push(now);
    peaks.push(peak);
  }
  filesystem.settle();
}

/** Leaves nothing of a filesystem in any memory, and its server ready for work. */
function coolDown(filesystem: MountedFilesystem): void {
  filesystem.remount();
  smallFiles('read', warmUpDirectory(filesystem), WARM_UP_FILES);
  pause();
  dropCaches();
}

function warmUpDirectory({ directory }: MountedFilesystem): string {
  return join(directory, 'warm-up');
}

function pause(): void {
  mustRun('sleep', String(PAUSE));
}

function dropCaches(): void {
  mustRun('sync');
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}

/** Compares with the better of the rivals, round by round. */
function speedOf({ row, skip, speeds }: Results): Measurement {
  const { what, unit, aim } = row;
  const resultOf = ({ name }: Contestant) => ({ name, value: median(speeds.get(name) ?? []) });
  const { value } = resultOf(OURS);
  const rivals = RIVALS.map(resultOf).sort((a, b) => (b.value || 0) - (a.value || 0));
  const [best, ...others] = rivals;
  const beside = [...others, ...KERNEL.map(resultOf)];
  if (skip !== false) return { what, unit, value, aim, reference: { notMeasured: skip } };
  if (best === undefined || Number.isNaN(best.value)) {
    const notMeasured = `needs ${RIVALS.map(({ name }) => name).join(' or ')}`;
    return { what, unit, value, aim, reference: { notMeasured }, beside };
  }
  const ratios = speeds.get(OURS.name)?.map((ours, round) => ours / (speeds.get(best.name)?.[round] ?? Number.NaN));
  return { what, unit, value, aim, reference: best, beside, roundRatio: median(ratios ?? []) };
}

function memoryOf({ row, after, peaks }: Results): Measurement {
  return {
    what: `resident: ${row.what}`,
    unit: 'MiB',
    value: Math.max(...peaks),
    reference: MEMORY_AIM,
    beside: [{ name: 'afterwards', value: median(after) }],
  };
}
