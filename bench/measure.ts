/** What all benchmarks share: how large and how often, medians of alternating rounds, and the report. */

export interface BenchOptions {
  /** Size of the large file, MiB. */
  readonly megabytes: number;
  /** How many small files. */
  readonly files: number;
  readonly rounds: number;
}

/** One line of the report. */
export interface Measurement {
  readonly what: string;
  readonly unit: 'MB/s' | 'files/s' | 'MiB';
  /** Median of all rounds. */
  readonly value: number;
  /** What it is compared with: another program, or an aim. */
  readonly reference: { readonly name: string; readonly value: number } | { readonly notMeasured: string };
}

/** One round of a contestant. @returns its result: speed, not time, so that more is better */
export type Round = () => number;

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Runs contestants in turn, so that a change in the machine's speed meets all of them. @returns their medians */
export function alternate(rounds: number, contestants: readonly Round[]): number[] {
  const results = contestants.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    contestants.forEach((run, i) => {
      results[i]?.push(run());
    });
  }
  return results.map(median);
}

/** Seconds of wall time that `work` takes. */
export function seconds(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

/** The value as a share of its reference, 1 meaning equal; NaN without one. */
export function ratio({ value, reference }: Measurement): number {
  return 'value' in reference ? value / reference.value : Number.NaN;
}

/** The measurements as a table of text. */
export function table(measurements: readonly Measurement[]): string {
  const lines = measurements.map((measurement) => {
    const { what, unit, value, reference } = measurement;
    const amount = (number: number): string => `${number.toFixed(0)} ${unit}`;
    if ('notMeasured' in reference) return [what, amount(value), `not measured: ${reference.notMeasured}`, ''];
    return [
      what,
      amount(value),
      `${reference.name} ${amount(reference.value)}`,
      `${(ratio(measurement) * 100).toFixed(0)} %`,
    ];
  });
  const rows = [['', 'butterlock', 'compared with', 'ratio'], ...lines];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
