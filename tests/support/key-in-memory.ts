/**
 * Run as a program by tests/unit/fscrypt/memory.test.ts: uses a key through a keyring, removes it,
 * and prints how often each pattern stands in memory before and after, as JSON.
 *
 * Argument: the patterns as JSON (arrays of inverted bytes).
 */
import { hkdfSync } from 'node:crypto';
import type { RandomSource } from '../../src/bytes/index.js';
import { opensslEngine } from '../../src/crypto/index.js';
import { Keyring, newExtentContext, newInodeContext } from '../../src/fscrypt/index.js';
import { countInMemory } from './memory-scan.js';

const SEED = 'a seed of the key';
export const NONCE_BYTE = 0x31;

const [, program, patternsText] = process.argv;
if (program?.endsWith('key-in-memory.js') === true) run(JSON.parse(patternsText ?? '[]'));

function run(patterns: number[][]): void {
  using keyring = new Keyring({ engine: opensslEngine() });
  const raw = makeMasterKey();
  const masterKeyIdentifier = keyring.add(raw);
  raw.fill(0);
  const random: RandomSource = { fill: (into) => into.fill(NONCE_BYTE) };
  const policy = { contentsMode: 1, filenamesMode: 4, flags: 0, log2DataUnitSize: 0, masterKeyIdentifier };
  const bytes = new Uint8Array(65_536);
  keyring.contentsCipher(newExtentContext(policy, 'item', random)).encrypt(0, bytes, bytes);
  keyring.filenamesCipher(newInodeContext(policy, random)).encrypt(new Uint8Array(32));
  const before = patterns.map((pattern) => countInMemory(pattern));
  keyring.remove(masterKeyIdentifier);
  console.log(JSON.stringify({ before, after: patterns.map((pattern) => countInMemory(pattern)) }));
}

export function makeMasterKey(): Uint8Array {
  return new Uint8Array(hkdfSync('sha512', SEED, '', '', 64));
}
