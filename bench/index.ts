/**
 * `npm run bench [-- [--json] [PART…]]`: all benchmarks, or those named, in one report of ratios.
 *
 * The environment makes it smaller: BENCH_MB (large file, 1024), BENCH_FILES (small files, 20000),
 * BENCH_ROUNDS (3).
 */
import { cpus, loadavg, release } from 'node:os';
import { benchCipher } from './cipher.js';
import { benchLargeFile } from './large-file.js';
import { type BenchOptions, type Measurement, ratio, table } from './measure.js';
import { benchMemory } from './memory.js';
import { benchSmallFiles } from './small-files.js';

const PARTS: Record<string, (options: BenchOptions) => Measurement[]> = {
  cipher: benchCipher,
  'large-file': benchLargeFile,
  'small-files': benchSmallFiles,
  memory: benchMemory,
};

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
  const options: BenchOptions = {
    megabytes: fromEnvironment('BENCH_MB', 1024),
    files: fromEnvironment('BENCH_FILES', 20_000),
    rounds: fromEnvironment('BENCH_ROUNDS', 3),
  };
  const machine = describeMachine();
  const measurements: Measurement[] = [];
  for (const [name, measure] of Object.entries(PARTS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    console.error(`measuring: ${name}`);
    measurements.push(...measure(options));
  }
  if (json) {
    const results = measurements.map((measurement) => ({ ...measurement, ratio: ratio(measurement) }));
    console.log(JSON.stringify({ machine, ...options, results }, undefined, 2));
  } else {
    console.log(`${machine}; medians of ${options.rounds} rounds\n\n${table(measurements)}`);
  }
}

main(process.argv.slice(2));
