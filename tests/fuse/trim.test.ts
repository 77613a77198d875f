/** fstrim on a mount: what files took that are gone is given back to what lies underneath. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { mustRun, runCommand } from '../support/command.js';
import { mustButterlock } from '../support/command-line.js';
import { MountedVolume, writeKeyFile } from '../support/mounted-volume.js';

const MIB = 2 ** 20;

function diskUse(path: string): number {
  return fs.statSync(path).blocks * 512;
}

test('fstrim shrinks the image by what was deleted', requireAbility('fuse', 'btrfs-progs'), async () => {
  const volume = new MountedVolume();
  const key = writeKeyFile(1);
  await mustButterlock(['key', 'add', volume.path, key]);
  await mustButterlock(['mkdir', volume.path, '/vault']);
  await mustButterlock(['encrypt', volume.path, '/vault', '--key-file', key]);
  const digests = new Map<string, string>();
  for (const directory of ['', 'vault']) {
    for (let index = 0; index < 40; index++) {
      const bytes = randomBytes(2 * MIB + index * 1000);
      const path = volume.at(directory, `${index}`);
      fs.writeFileSync(path, bytes);
      digests.set(path, createHash('sha256').update(bytes).digest('hex'));
    }
  }
  await mustButterlock(['sync', volume.path]);
  const full = diskUse(volume.image);
  for (const path of [...digests.keys()].filter((_path, index) => index % 4 !== 0)) {
    fs.unlinkSync(path);
    digests.delete(path);
  }
  const printed = mustRun('fstrim', '--verbose', volume.path);
  const trimmed = Number(/\((\d+) bytes\) trimmed/.exec(printed)?.[1]);
  assert.ok(trimmed > 120 * MIB && trimmed < 1024 * MIB, printed);
  assert.ok(diskUse(volume.image) < full - 110 * MIB);
  assert.match(mustRun('fstrim', '-v', '--minimum', '1G', volume.path), /: 0 B \(0 bytes\)/);
  const part = mustRun('fstrim', '-v', '--offset', '100M', '--length', '10M', volume.path);
  assert.ok(Number(/\((\d+) bytes\)/.exec(part)?.[1]) <= 10 * MIB, part);
  assert.match(await mustButterlock(['trim', volume.path]), /MiB given back/);

  volume.remount();
  await mustButterlock(['key', 'add', volume.path, key]);
  for (const [path, digest] of digests) {
    assert.equal(createHash('sha256').update(fs.readFileSync(path)).digest('hex'), digest, path);
  }
  volume.finish();
});

test('a volume that is read-only is not trimmed', requireAbility('fuse'), () => {
  const volume = new MountedVolume();
  volume.unmount();
  volume.mount('--read-only');
  assert.match(runCommand('fstrim', volume.path).stderr, /Read-only file system/);
  volume.unmount();
});
