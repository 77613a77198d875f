/** Names, attributes, targets, xattrs and policies of every kernel-made image, with its keys and without. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FsError, isFsError } from '../../../src/bytes/index.js';
import { FileDevice } from '../../../src/device/index.js';
import { Filesystem, type Inode, S_IFMT } from '../../../src/filesystem/index.js';
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

const TYPES: ReadonlyMap<number, string> = new Map([
  [0o100000, 'file'],
  [0o040000, 'dir'],
  [0o120000, 'symlink'],
  [0o060000, 'blk'],
  [0o020000, 'chr'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
]);

interface Listed {
  readonly inode?: Inode;
  readonly error?: FsError;
}

function openImage(name: ManifestName, keys: readonly Uint8Array[]): Filesystem {
  const volume = openVolumeDevices(FileDevice.open(imagePath(name), { readOnly: true }));
  const keyring = new Keyring();
  for (const key of keys) keyring.add(key);
  return Filesystem.open(new Transaction(volume, { readOnly: true }), { keyring });
}

/** All entries below the top, by path in hexadecimal. */
function listVolume(filesystem: Filesystem): Map<string, Listed> {
  const found = new Map<string, Listed>();
  const walk = (path: Buffer, directory: Inode): void => {
    found.set(path.toString('hex'), { inode: directory });
    for (const { name } of filesystem.readDirectory(directory)) {
      const child = path.length === 0 ? Buffer.from(name) : Buffer.concat([path, Buffer.from('/'), name]);
      const listed = lookup(filesystem, directory, name);
      if (listed.inode?.isDirectory) walk(child, listed.inode);
      else found.set(child.toString('hex'), listed);
    }
  };
  walk(Buffer.alloc(0), filesystem.inode(5, 256));
  return found;
}

function lookup(filesystem: Filesystem, directory: Inode, name: Uint8Array): Listed {
  try {
    return { inode: filesystem.lookup(directory, name) };
  } catch (error) {
    if (!isFsError(error)) throw error;
    return { error };
  }
}

function pathOf(entry: ManifestEntry): string {
  if (entry.path === '.') return '';
  return entry.path_hex ?? Buffer.from(entry.path ?? '').toString('hex');
}

function checkEntry(filesystem: Filesystem, entry: ManifestEntry, { inode, error }: Listed, withKey: boolean): void {
  const label = entry.path ?? entry.path_hex;
  if (entry.stat_error !== undefined) {
    assert.equal(error?.code, entry.stat_error, label);
    return;
  }
  assert.ok(inode, `${label}: ${error?.message}`);
  const stat = filesystem.stat(inode);
  const { ino, root, uid, gid, nlink } = entry;
  assert.deepEqual(
    { ino: stat.ino, root: stat.root, uid: stat.uid, gid: stat.gid, nlink: stat.nlink },
    { ino, root, uid, gid, nlink },
    label,
  );
  assert.equal(TYPES.get(stat.mode & S_IFMT), entry.type, label);
  assert.equal((stat.mode & 0o7777).toString(8), entry.mode, label);
  if (ino !== 2) assert.equal(BigInt(stat.mtime.sec) * 1_000_000_000n + BigInt(stat.mtime.nsec), entry.mtime_ns, label);
  if (entry.rdev !== undefined) assert.deepEqual([(stat.rdev >> 8) & 0xfff, stat.rdev & 0xff], entry.rdev, label);
  if (entry.encrypted !== undefined) assert.equal(stat.encrypted, entry.encrypted, label);
  if (entry.type === 'symlink') {
    assert.equal(Buffer.from(filesystem.readlink(inode)).toString(), entry.target, label);
    assert.equal(stat.size, Buffer.byteLength(entry.target ?? ''), label);
  } else {
    assert.equal(stat.size, entry.size, label);
  }
  if (withKey) checkPolicy(filesystem, entry, inode);
  checkXattrs(filesystem, entry, inode);
}

function checkPolicy(filesystem: Filesystem, entry: ManifestEntry, inode: Inode): void {
  if (entry.policy === undefined) return;
  const { policy, nonce } = filesystem.policy(inode);
  assert.deepEqual(
    {
      version: 2,
      contents_mode: policy.contentsMode,
      filenames_mode: policy.filenamesMode,
      flags: policy.flags,
      log2_data_unit_size: policy.log2DataUnitSize,
      master_key_identifier: Buffer.from(policy.masterKeyIdentifier).toString('hex'),
    },
    entry.policy,
    entry.path ?? undefined,
  );
  if (entry.nonce !== undefined && nonce !== undefined) assert.equal(Buffer.from(nonce).toString('hex'), entry.nonce);
}

function checkXattrs(filesystem: Filesystem, entry: ManifestEntry, inode: Inode): void {
  const values = filesystem.listXattr(inode).map((name) => {
    const value = filesystem.getXattr(inode, name);
    return [Buffer.from(name).toString(), Buffer.from(value).toString('hex')] as const;
  });
  assert.deepEqual(Object.fromEntries(values), entry.xattrs ?? {}, entry.path ?? undefined);
}

describe('listing of kernel-made volumes', () => {
  for (const name of MANIFEST_NAMES) {
    for (const withKey of [true, false]) {
      it(`lists ${name} ${withKey ? 'with its keys' : 'without keys'}`, () => {
        const manifest = readManifest(name);
        const filesystem = openImage(name, withKey ? manifestKeys(manifest) : []);
        const entries = withKey
          ? (manifest.no_replay_with_key ?? manifest.with_key)
          : (manifest.no_replay_no_key ?? manifest.no_key);
        const found = listVolume(filesystem);
        assert.deepEqual([...found.keys()].sort(), entries.map(pathOf).sort());
        for (const entry of entries) checkEntry(filesystem, entry, found.get(pathOf(entry)) ?? {}, withKey);
      });
    }
  }
});
