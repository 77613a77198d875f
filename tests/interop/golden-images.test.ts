/** Every kernel-made image lists and reads exactly as its manifest says, with its keys and without. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openVolume } from '../../src/index.js';
import { pathText, sortEntries } from '../support/entries.js';
import {
  copyOfImage,
  imagePath,
  MANIFEST_NAMES,
  type ManifestEntry,
  type ManifestName,
  manifestKeys,
  readManifest,
} from '../support/images.js';
import { listVolume, type VolumeEntry } from '../support/list-volume.js';

/** The stand-in for a subvolume that its snapshot does not hold; its time is the moment of listing. */
const PLACEHOLDER_INO = 2;

/** A manifest's entry in the form of a listing. */
function expected(entry: ManifestEntry): VolumeEntry {
  const path = entry.path_hex === undefined ? (entry.path ?? '') : pathText(Buffer.from(entry.path_hex, 'hex'));
  const { ino, root, type, uid, gid, nlink, size, target, rdev, sha256, xattrs, nonce, policy, encrypted } = entry;
  return onlyDefined({
    path,
    type,
    ino,
    root: entry.stat_error === undefined ? root : undefined,
    mode: entry.mode === undefined ? undefined : Number.parseInt(entry.mode, 8),
    uid,
    gid,
    nlink,
    size,
    mtimeNs: entry.mtime_ns,
    target,
    rdev,
    sha256,
    xattrs,
    nonce,
    encrypted,
    policy: policy && {
      contentsMode: policy.contents_mode,
      filenamesMode: policy.filenames_mode,
      flags: policy.flags,
      masterKeyIdentifier: policy.master_key_identifier,
    },
    statError: entry.stat_error,
    openError: entry.open_error,
  });
}

function onlyDefined(entry: { [K in keyof VolumeEntry]: VolumeEntry[K] | undefined }): VolumeEntry {
  const defined = Object.entries(entry).filter(([, value]) => value !== undefined);
  return { path: '', ...Object.fromEntries(defined) };
}

/** What the kernel could not tell of an entry that it listed. */
const MAY_BE_UNKNOWN: readonly (keyof VolumeEntry)[] = ['policy', 'nonce', 'encrypted'];

/** Our entry, without what that kernel could not tell, and told as it did. */
function comparable(ours: VolumeEntry, wanted: VolumeEntry): VolumeEntry {
  const compared = { ...ours };
  for (const field of MAY_BE_UNKNOWN) if (!(field in wanted)) delete compared[field];
  // That kernel shows the stored length of an encrypted symlink plus 2; POSIX wants the length of what readlink gives.
  if (ours.type === 'symlink' && ours.encrypted === true && wanted.size !== undefined) compared.size = wanted.size;
  if (ours.ino === PLACEHOLDER_INO && wanted.mtimeNs !== undefined) compared.mtimeNs = wanted.mtimeNs;
  return compared;
}

function assertListing(
  name: ManifestName,
  list: readonly ManifestEntry[],
  keys: readonly Uint8Array[],
): readonly string[] {
  const { entries, warnings } = listVolume(imagePath(name), keys);
  const wanted = sortEntries(list.map(expected));
  assert.deepEqual(
    entries.map(({ path }) => path),
    wanted.map(({ path }) => path),
  );
  assert.deepEqual(
    entries.map((entry, index) => comparable(entry, wanted[index] ?? { path: '' })),
    wanted,
  );
  for (const entry of entries.filter(({ type, encrypted }) => type === 'symlink' && encrypted === true)) {
    assert.equal(entry.size, Buffer.byteLength(entry.target ?? ''), `${entry.path} has the length of its target`);
  }
  return warnings;
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

for (const name of MANIFEST_NAMES.filter((each) => each !== 'dirtylog' && each !== 'v6damaged')) {
  const manifest = readManifest(name);
  test(`${name} with its keys`, () => {
    assert.deepEqual(assertListing(name, manifest.with_key, manifestKeys(manifest)), []);
  });
  test(`${name} without keys`, () => {
    assert.deepEqual(assertListing(name, manifest.no_key, []), []);
  });
}

test('v6damaged is recovered, with a warning for each file that its kernel cannot read', () => {
  const manifest = readManifest('v6damaged');
  const warnings = assertListing('v6damaged', manifest.with_key, manifestKeys(manifest));
  const inodes = new Map(manifest.with_key.map(({ path, ino }) => [path, ino]));
  for (const path of manifest.kernel_cannot_read ?? []) {
    const ino = inodes.get(path);
    assert.ok(
      warnings.some((warning) => new RegExp(`\\binode ${ino}\\b`).test(warning)),
      `no warning for ${path}`,
    );
  }
  assertListing('v6damaged', manifest.no_key, []);
});

test('dirtylog reads as before its log, read-only', () => {
  const manifest = readManifest('dirtylog');
  assertListing('dirtylog', manifest.no_replay_with_key ?? [], manifestKeys(manifest));
  assertListing('dirtylog', manifest.no_replay_no_key ?? [], []);
  const volume = openVolume(imagePath('dirtylog'), { readOnly: true });
  assert.match(volume.info.readOnlyReasons.join(), /log/);
  volume.close();
});

test('reading leaves an image as it was', () => {
  const image = copyOfImage('basic');
  listVolume(image, manifestKeys(readManifest('basic')));
  assert.equal(sha256(image), readManifest('basic').image_sha256);
});

test('t-basic with the feature bit of its kernel reads as t-basic', () => {
  const manifest = readManifest('t-basic');
  const { entries } = listVolume(imagePath('t-basic-bit14'), manifestKeys(manifest));
  assert.deepEqual(entries, listVolume(imagePath('t-basic'), manifestKeys(manifest)).entries);
});
