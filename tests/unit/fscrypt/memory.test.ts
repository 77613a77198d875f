/**
 * Nothing of a removed key is left in the memory of the whole process, beyond the buffers we know
 * of. Holds for the openssl engine: node:crypto, under the portable one, keeps key schedules until
 * its objects are collected.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hkdfExpand, hkdfExtract, portableEngine } from '../../../src/crypto/index.js';
import { makeMasterKey, NONCE_BYTE } from '../../support/key-in-memory.js';

const PATTERN_LENGTH = 16;
const program = fileURLToPath(new URL('../../support/key-in-memory.js', import.meta.url));

/** The keys in use, in the order master, extracted, of the directory, of the extent. */
function keysInUse(): Uint8Array[] {
  const master = makeMasterKey();
  const extracted = hkdfExtract(master);
  const infoOf = (context: number): Uint8Array =>
    Buffer.concat([Buffer.from('fscrypt\0'), Buffer.of(context), Buffer.alloc(16, NONCE_BYTE)]);
  const hmac = portableEngine.hmacSha512(extracted);
  const derived = [new Uint8Array(32), new Uint8Array(64)] as const;
  hkdfExpand(hmac, infoOf(2), derived[0]);
  hkdfExpand(hmac, infoOf(9), derived[1]);
  return [master, extracted, ...derived];
}

test('a removed key is nowhere in memory', () => {
  const patterns = keysInUse().map((key) => [...key.subarray(0, PATTERN_LENGTH)].map((byte) => byte ^ 0xff));
  const output = execFileSync(process.execPath, [program, JSON.stringify(patterns)], { encoding: 'utf8' });
  const { before, after }: { before: number[]; after: number[] } = JSON.parse(output);
  // The master key, and what is extracted from it, are not kept even while the keyring has the key.
  assert.ok(
    before.slice(2).every((count) => count > 0),
    `the scan misses keys in use: ${before}`,
  );
  assert.deepEqual(after, [0, 0, 0, 0]);
});
