import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { isFsError } from '../../../src/bytes/index.js';
import { FileDevice } from '../../../src/device/index.js';
import type { Inode } from '../../../src/filesystem/index.js';
import { Filesystem } from '../../../src/filesystem/index.js';
import { Keyring } from '../../../src/fscrypt/index.js';
import { Transaction } from '../../../src/transaction/index.js';
import { openVolumeDevices } from '../../../src/volume/index.js';
import {
  imagePath,
  MANIFEST_NAMES,
  type ManifestEntry,
  type ManifestName,
  manifestKeys,
  readManifest,
} from '../../support/images.js';

interface OpenImage {
  readonly filesystem: Filesystem;
  readonly warnings: string[];
}

function openImage(name: ManifestName, keys: readonly Uint8Array[]): OpenImage {
  const warnings: string[] = [];
  const device = FileDevice.open(imagePath(name), { readOnly: true });
  const volume = openVolumeDevices(device, { warn: (message) => warnings.push(message) });
  const keyring = new Keyring();
  for (const key of keys) keyring.add(key);
  const filesystem = Filesystem.open(new Transaction(volume, { readOnly: true }), { keyring });
  return { filesystem, warnings };
}

/** The listing of the state that is on disk: of a volume with a log to replay, without the replay. */
function entriesOf(name: ManifestName, withKey: boolean): readonly ManifestEntry[] {
  const manifest = readManifest(name);
  if (withKey) return manifest.no_replay_with_key ?? manifest.with_key;
  return manifest.no_replay_no_key ?? manifest.no_key;
}

/** SHA-256 of a whole file, read in pieces of `step` bytes. */
function digestOf(inode: Inode, step: number): string {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(step);
  let offset = 0;
  for (;;) {
    const length = inode.data.read(offset, buffer);
    if (length === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, length));
    offset += length;
  }
}

function filesOf(entries: readonly ManifestEntry[]): { root: number; ino: number; entry: ManifestEntry }[] {
  const files: { root: number; ino: number; entry: ManifestEntry }[] = [];
  for (const entry of entries) {
    const { root, ino, type } = entry;
    if (type === 'file' && root !== undefined && ino !== undefined) files.push({ root, ino, entry });
  }
  return files;
}

describe('file data of kernel-made volumes', () => {
  for (const name of MANIFEST_NAMES) {
    it(`reads every file of ${name} with its key`, () => {
      const { filesystem } = openImage(name, manifestKeys(readManifest(name)));
      let compared = 0;
      for (const { root, ino, entry } of filesOf(entriesOf(name, true))) {
        if (entry.sha256 === undefined) continue;
        assert.equal(digestOf(filesystem.inode(root, ino), 1024 * 1024), entry.sha256, `${entry.path} in one piece`);
        assert.equal(digestOf(filesystem.inode(root, ino), 5000), entry.sha256, `${entry.path} in small pieces`);
        compared += 1;
      }
      assert.ok(compared > 0, 'the manifest names files');
    });

    it(`gives no bytes of encrypted files of ${name} without the key`, () => {
      const { filesystem } = openImage(name, []);
      for (const { root, ino, entry } of filesOf(entriesOf(name, false))) {
        const inode = filesystem.inode(root, ino);
        if (entry.sha256 !== undefined) assert.equal(digestOf(inode, 65536), entry.sha256, `${entry.path}`);
        else if ((entry.size ?? 0) > 0 && !readsAsHoles(inode)) assert.throws(() => digestOf(inode, 65536), isNoKey);
      }
    });
  }

  it('borrows missing contexts, with one warning for each file that needs them', () => {
    const manifest = readManifest('v6damaged');
    const { filesystem, warnings } = openImage('v6damaged', manifestKeys(manifest));
    const damaged = new Set(manifest.kernel_cannot_read);
    for (const { root, ino, entry } of filesOf(manifest.with_key)) {
      const before = warnings.length;
      assert.equal(digestOf(filesystem.inode(root, ino), 65536), entry.sha256);
      if (damaged.has(entry.path ?? ''))
        assert.equal(warnings.length, before + 1, `${entry.path}: ${warnings.slice(before)}`);
    }
  });
});

/** Files of holes and preallocation, and what layout `trailing` compressed, need no key. */
function readsAsHoles(inode: Inode): boolean {
  return [...inode.data.extents()].every(({ kind, isEncrypted }) => kind === 'preallocated' || !isEncrypted);
}

function isNoKey(error: unknown): boolean {
  return isFsError(error, 'ENOKEY');
}
