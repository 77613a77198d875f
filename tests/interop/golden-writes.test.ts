/** Volumes that the patched kernels wrote take our changes of names and attributes, and stay sound. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Filesystem, Inode } from '../../src/filesystem/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { auditEncryption } from '../support/encryption-audit.js';
import { copyOfImage, MANIFEST_NAMES, manifestKeys, readManifest } from '../support/images.js';
import { bytes, OWNER, openVolume } from '../support/new-volume.js';

/** Waiting for a log replay, or damaged by the kernel that wrote it. */
const NOT_WRITTEN = ['dirtylog', 'v6damaged'];

/**
 * Works in every directory below that can be changed: makes, links, renames and removes.
 *
 * @returns how many there were
 */
function workEverywhere(filesystem: Filesystem, directory: Inode): number {
  const canChange = !directory.subvolume.readOnly && directory.ino !== 2;
  let count = 0;
  for (const { name, noKey } of [...filesystem.readDirectory(directory)]) {
    if (noKey) return count;
    const child = filesystem.lookup(directory, name);
    if (child.isDirectory) count += workEverywhere(filesystem, child);
    else if (!canChange) continue;
    else if (child.isRegular && child.ino % 3 === 0) filesystem.unlink(directory, name);
    else if (child.ino % 3 === 1) filesystem.rename(directory, name, directory, bytes(`renamed ${child.ino}`));
  }
  if (!canChange || !hasKey(filesystem, directory)) return count;
  const file = filesystem.create(directory, bytes('made by us'), 0o644, OWNER);
  file.data.write(0, new Uint8Array(10_000).fill(65));
  filesystem.setXattr(file, bytes('user.made'), bytes('by us'));
  filesystem.link(file, directory, bytes('linked by us'));
  filesystem.symlink(directory, bytes('symlink by us'), bytes('somewhere else'), OWNER);
  return count + 1;
}

function hasKey({ keyring }: Filesystem, { policy }: Inode): boolean {
  return policy === undefined || keyring.has(policy.masterKeyIdentifier);
}

describe('names in kernel-made volumes', requireAbility('btrfs-progs'), () => {
  for (const name of MANIFEST_NAMES.filter((each) => !NOT_WRITTEN.includes(each))) {
    it(`${name} stays sound`, () => {
      const path = copyOfImage(name);
      const { filesystem, close } = openVolume(path, manifestKeys(readManifest(name)));
      assert.ok(workEverywhere(filesystem, filesystem.inode(5, 256)) > 1);
      const { layout } = filesystem;
      close();
      assert.deepEqual(auditEncryption(path), []);
      assertSound(copyWithoutMarks(path), { dataChecksums: layout === 'item' });
    });
  }
});
