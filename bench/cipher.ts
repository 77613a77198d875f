/**
 * The cipher engines against OpenSSL's own benchmark: AES-256-XTS on 4 KiB units, one core.
 *
 * Rounds of all contestants are interleaved, so that a change in the machine's speed meets all of
 * them; the ratios are those of medians.
 */
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import {
  type CipherEngine,
  DATA_UNIT_SIZE,
  EncryptionMode,
  opensslEngine,
  portableEngine,
} from '../src/crypto/index.js';

type Direction = 'encrypt' | 'decrypt';

interface Contestant {
  readonly name: string;
  /** Bytes a second, in one round. */
  readonly round: (direction: Direction) => number;
}

export interface CipherBenchRow {
  readonly name: string;
  readonly direction: Direction;
  readonly bytesPerSecond: number;
  /** To `openssl speed`; NaN if that could not be run. */
  readonly ratio: number;
}

const ROUNDS = 5;
const ROUND_MS = 300;
const EXTENT_SIZE = 256 * DATA_UNIT_SIZE;

function opensslSpeed(direction: Direction): number {
  const decrypt = direction === 'decrypt' ? ['-decrypt'] : [];
  const { stdout } = spawnSync(
    'openssl',
    ['speed', ...decrypt, '-evp', 'aes-256-xts', '-bytes', String(DATA_UNIT_SIZE), '-seconds', '1', '-mr'],
    { encoding: 'utf8' },
  );
  // The last line is +F:number:name:bytes a second.
  return Number(/^\+F:.*:([\d.]+)$/m.exec(stdout ?? '')?.[1] ?? Number.NaN);
}

/** Milliseconds of processor time, which `openssl speed` counts too: other work does not disturb it. */
function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function engineSpeed(engine: CipherEngine, direction: Direction): number {
  const key = Uint8Array.from({ length: 64 }, (_, i) => i);
  const cipher = engine.contentsCipher(EncryptionMode.AES_256_XTS, key);
  const extent = Buffer.alloc(EXTENT_SIZE);
  const start = cpuMilliseconds();
  let bytes = 0;
  let spent = 0;
  do {
    cipher[direction](0, extent, extent);
    bytes += extent.length;
    spent = cpuMilliseconds() - start;
  } while (spent < ROUND_MS);
  cipher.wipe();
  return (bytes / spent) * 1000;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Measures both directions of every engine and of `openssl speed`, which comes first. */
export function benchCipher(): CipherBenchRow[] {
  const contestants: Contestant[] = [
    { name: 'openssl speed', round: opensslSpeed },
    ...[opensslEngine(), portableEngine].map((engine) => ({
      name: `engine ${engine.name}`,
      round: (direction: Direction) => engineSpeed(engine, direction),
    })),
  ];
  return (['encrypt', 'decrypt'] as const).flatMap((direction) => {
    const rounds = Array.from({ length: ROUNDS }, () => contestants.map(({ round }) => round(direction)));
    const medians = contestants.map((_, i) => median(rounds.map((round) => round[i] ?? Number.NaN)));
    return contestants.map(({ name }, i) => {
      const bytesPerSecond = medians[i] ?? Number.NaN;
      return { name, direction, bytesPerSecond, ratio: bytesPerSecond / (medians[0] ?? Number.NaN) };
    });
  });
}

export function printCipherBench(): void {
  console.log(`AES-256-XTS on ${DATA_UNIT_SIZE}-byte units, one core, medians of ${ROUNDS} rounds`);
  for (const { name, direction, bytesPerSecond, ratio } of benchCipher()) {
    const speed = `${(bytesPerSecond / 1e6).toFixed(0)} MB/s`;
    const percent = Number.isNaN(ratio) ? 'openssl is not installed' : `${(ratio * 100).toFixed(0)} %`;
    console.log(`  ${name.padEnd(18)} ${direction}  ${speed.padStart(11)}  ${percent}`);
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) printCipherBench();
