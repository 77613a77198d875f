/** `ls -R --json --sha256` of the kernel-made images gives the entries of their manifests, field by field. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { butterlock, keyFile } from '../support/command-line.js';
import {
  imagePath,
  MANIFEST_NAMES,
  type ManifestEntry,
  type ManifestName,
  manifestKeys,
  readManifest,
} from '../support/images.js';

/** The stand-in for a subvolume that its snapshot does not hold; its time is the moment of listing. */
const PLACEHOLDER_INO = 2;

type Fields = Record<string, unknown>;

/** Names are unique within a listing. */
function byPath(entries: readonly Fields[]): Map<unknown, Fields> {
  return new Map(entries.map((entry) => [entry.path ?? entry.path_hex, entry]));
}

/** Kernels show the stored length of encrypted symlinks, Butterlock the length of what readlink gives. */
function comparable(entry: Fields): Fields {
  const { size, mtime_ns, ...rest } = entry;
  return {
    ...rest,
    ...(entry.type === 'symlink' ? {} : { size }),
    ...(entry.ino === PLACEHOLDER_INO ? {} : { mtime_ns }),
  };
}

async function listing(name: ManifestName, keys: readonly Uint8Array[]): Promise<Fields[]> {
  const options = keys.flatMap((key) => ['--key-file', keyFile(key)]);
  const { status, text } = await butterlock(['ls', '-R', '--json', '--sha256', imagePath(name), ...options]);
  assert.equal(status, 0);
  const quoted = text.replace(/("mtime_ns": )(-?\d+)/g, '$1"$2"');
  const revive = (field: string, value: unknown): unknown => (field === 'mtime_ns' ? BigInt(String(value)) : value);
  return quoted
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line, revive));
}

function assertListed(found: readonly Fields[], wanted: readonly ManifestEntry[]): void {
  const ours = byPath(found);
  const theirs = byPath(wanted.map((entry) => ({ ...entry })));
  assert.deepEqual([...ours.keys()].sort(), [...theirs.keys()].sort());
  for (const [path, entry] of theirs)
    assert.deepEqual(comparable(ours.get(path) ?? {}), comparable(entry), String(path));
}

describe('ls --json of kernel-made images', () => {
  for (const name of MANIFEST_NAMES) {
    test(name, async () => {
      const manifest = readManifest(name);
      assertListed(await listing(name, manifestKeys(manifest)), manifest.no_replay_with_key ?? manifest.with_key);
      assertListed(await listing(name, []), manifest.no_replay_no_key ?? manifest.no_key);
    });
  }
});
