/**
 * `npm run bench [-- [--json] [PART…]]`: the benchmarks named, or all but `mount`, in one report of ratios.
 *
 * The environment makes it smaller or larger: BENCH_MB (large file), BENCH_FILES (small files), BENCH_ROUNDS, and
 * BENCH_SECONDS (what `mount` does for a given time).
 */
import { cpus, loadavg, release } from 'node:os';
import { benchCipher } from './cipher.js';
import { benchLargeFile } from './large-file.js';
import { type BenchOptions, type Measurement, ratio, table } from './measure.js';
import { benchMemory } from './memory.js';
import { benchMount } from './mount.js';
import { benchSmallFiles } from './small-files.js';

const PARTS: Record<string, (options: BenchOptions) => Measurement[]> = {
  cipher: benchCipher,
  'large-file': benchLargeFile,
  'small-files': benchSmallFiles,
  memory: benchMemory,
  mount: benchMount,
};

const DEFAULTS: BenchOptions = { megabytes: 1024, files: 20_000, rounds: 3, seconds: 30 };
/** Five filesystems take their time: a first look in some minutes. */
const MOUNT_DEFAULTS: BenchOptions = { megabytes: 256, files: 10_000, rounds: 1, seconds: 5 };

function fromEnvironment(name: string, otherwise: number): number {
  const value = Number(process.env[name] ?? otherwise);
  if (!Number.isSafeInteger(value) || value <= 0) throw new Error(`${name} is to be a whole number above 0`);
  return value;
}

function describeMachine(): string {
  const [cpu] = cpus();
  const load = loadavg()[0]?.toFixed(1);
  return `${cpus().length} × ${cpu?.model.trim()}, Linux ${release()}, Node ${process.versions.node}, load ${load}`;
}

function main(args: readonly string[]): void {
  const json = args.includes('--json');
  const wanted = args.filter((arg) => arg !== '--json');
  const unknown = wanted.find((name) => !(name in PARTS));
  if (unknown !== undefined) throw new Error(`no benchmark ${unknown}; there are ${Object.keys(PARTS).join(', ')}`);
  const defaults = wanted.includes('mount') ? MOUNT_DEFAULTS : DEFAULTS;
  const options: BenchOptions = {
    megabytes: fromEnvironment('BENCH_MB', defaults.megabytes),
    files: fromEnvironment('BENCH_FILES', defaults.files),
    rounds: fromEnvironment('BENCH_ROUNDS', defaults.rounds),
    seconds: fromEnvironment('BENCH_SECONDS', defaults.seconds),
  };
  const machine = describeMachine();
  const measurements: Measurement[] = [];
  for (const [name, measure] of Object.entries(PARTS)) {
    if (wanted.length > 0 ? !wanted.includes(name) : name === 'mount') continue;
    console.error(`measuring: ${name}`);
    measurements.push(...measure(options));
  }
  if (json) {
    const results = measurements.map((measurement) => ({ ...measurement, ratio: ratio(measurement) }));
    console.log(JSON.stringify({ machine, ...options, results }, undefined, 2));
  } else {
    console.log(`${machine}; rounds: ${options.rounds}, medians\n\n${table(measurements)}`);
  }
}

main(process.argv.slice(2));
