/**
 * The cipher engines against OpenSSL's own benchmark: AES-256-XTS on 4 KiB units, one core.
 *
 * Processor time counts, not wall time, as `openssl speed` does: other work does not disturb it.
 */
import { spawnSync } from 'node:child_process';
import {
  type CipherEngine,
  DATA_UNIT_SIZE,
  EncryptionMode,
  opensslEngine,
  portableEngine,
} from '../src/crypto/index.js';
import { alternate, type BenchOptions, type Measurement } from './measure.js';

type Direction = 'encrypt' | 'decrypt';

const ROUND_MS = 300;
const EXTENT_SIZE = 256 * DATA_UNIT_SIZE;

/** MB a second; NaN if there is no such program. */
function opensslSpeed(direction: Direction): number {
  const decrypt = direction === 'decrypt' ? ['-decrypt'] : [];
  const { stdout } = spawnSync(
    'openssl',
    ['speed', ...decrypt, '-evp', 'aes-256-xts', '-bytes', String(DATA_UNIT_SIZE), '-seconds', '1', '-mr'],
    { encoding: 'utf8' },
  );
  // The last line is +F:number:name:bytes a second.
  return Number(/^\+F:.*:([\d.]+)$/m.exec(stdout ?? '')?.[1] ?? Number.NaN) / 1e6;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** MB a second. */
function engineSpeed(engine: CipherEngine, direction: Direction): number {
  const key = Uint8Array.from({ length: 64 }, (_, i) => i);
  const cipher = engine.contentsCipher(EncryptionMode.AES_256_XTS, key);
  const extent = Buffer.alloc(EXTENT_SIZE);
  const start = cpuSeconds();
  let bytes = 0;
  let spent = 0;
  do {
    cipher[direction](0, extent, extent);
    bytes += extent.length;
    spent = cpuSeconds() - start;
  } while (spent * 1000 < ROUND_MS);
  cipher.wipe();
  return bytes / spent / 1e6;
}

export function benchCipher({ rounds }: BenchOptions): Measurement[] {
  const engines = [opensslEngine(), portableEngine];
  return (['encrypt', 'decrypt'] as const).flatMap((direction) => {
    const [openssl = Number.NaN, ...speeds] = alternate(rounds, [
      () => opensslSpeed(direction),
      ...engines.map((engine) => () => engineSpeed(engine, direction)),
    ]);
    const reference = Number.isNaN(openssl)
      ? { notMeasured: 'openssl is not installed' }
      : { name: 'openssl speed', value: openssl };
    return engines.map(({ name }, i): Measurement => {
      return {
        what: `AES-256-XTS ${direction}, engine ${name}`,
        unit: 'MB/s',
        value: speeds[i] ?? Number.NaN,
        reference,
      };
    });
  });
}
