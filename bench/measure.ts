/** What all benchmarks share: how large and how often, medians of alternating rounds, and the report. */

export interface BenchOptions {
  /** Size of the large file, MiB. */
  readonly megabytes: number;
  /** How many small files. */
  readonly files: number;
  readonly rounds: number;
  /** How long what goes on for a given time does, seconds. */
  readonly seconds: number;
}

/** Of somebody else; NaN if not measured. */
interface Result {
  readonly name: string;
  readonly value: number;
}

/** One line of the report. */
export interface Measurement {
  readonly what: string;
  readonly unit: 'MB/s' | 'files/s' | 'ops/s' | 'MiB';
  /** Median of all rounds. */
  readonly value: number;
  /** What it is compared with: another program, or an aim. */
  readonly reference: Result | { readonly notMeasured: string };
  /** Median of each round's own ratio, where rounds were compared one by one. */
  readonly roundRatio?: number;
  /** The ratio that we want. */
  readonly aim?: number;
  /** For orientation. */
  readonly beside?: readonly Result[];
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
export function ratio({ value, reference, roundRatio }: Measurement): number {
  return roundRatio ?? ('value' in reference ? value / reference.value : Number.NaN);
}

const HEADINGS = ['', 'butterlock', 'compared with', 'ratio', 'aim', 'beside'];

/** The measurements as a table of text, without the columns that none of them fills. */
export function table(measurements: readonly Measurement[]): string {
  const rows = [HEADINGS, ...measurements.map(cells)];
  const columns = [...HEADINGS.keys()].filter((column) => rows.slice(1).some((row) => row[column] !== ''));
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      columns
        .map((column) => (row[column] ?? '').padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cells(measurement: Measurement): string[] {
  const { what, unit, value, reference, aim, beside = [] } = measurement;
  const amount = (number: number): string => (Number.isNaN(number) ? 'not measured' : `${number.toFixed(0)} ${unit}`);
  const compared =
    'notMeasured' in reference
      ? `not measured: ${reference.notMeasured}`
      : `${reference.name} ${amount(reference.value)}`;
  return [
    what,
    amount(value),
    compared,
    percent(ratio(measurement)),
    percent(aim ?? Number.NaN),
    beside.map((other) => `${other.name} ${amount(other.value)}`).join(', '),
  ];
}

function percent(share: number): string {
  return Number.isNaN(share) ? '' : `${(share * 100).toFixed(0)} %`;
}
