/** An ordinary user mounts with fusermount3. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createVolume } from '../../src/library/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { mustRun } from '../support/command.js';
import { butterlockCommand, unmountAtExit, writeKeyFile } from '../support/mounted-volume.js';
import { temporaryPath } from '../support/temporary.js';

/** `nobody`: fusermount3 wants a user that has a name. */
const UID = 65_534;

interface Home {
  readonly path: string;
  readonly image: string;
  /** Runs a script there as the user; it must succeed. @returns what it prints, complaints included */
  asUser(script: string): string;
}

/** A directory of the user's with an image and a mount point in it. */
function makeHome(): Home {
  fs.chmodSync('/dev/fuse', 0o666);
  const path = temporaryPath();
  fs.mkdirSync(join(path, 'mount'), { recursive: true });
  fs.chmodSync(join(path, '..'), 0o755);
  const image = join(path, 'image');
  const volume = createVolume(image, { size: 2 ** 28, extentContext: 'item' });
  volume.fs.chownSync('/', UID, UID);
  volume.close();
  unmountAtExit(join(path, 'mount'));
  for (const each of [path, join(path, 'mount'), image]) fs.chownSync(each, UID, UID);
  const asUser = (script: string): string => {
    const { status, stdout, stderr } = spawnSync(
      'setpriv',
      [`--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', 'sh', '-ec', script],
      { cwd: path, encoding: 'utf8', env: { ...process.env, HOME: path, PATH: `${process.env.PATH}:/usr/sbin` } },
    );
    assert.equal(status, 0, `${script}\n${stdout}${stderr}`);
    return stdout + stderr;
  };
  return { path, image, asUser };
}

test('an ordinary user mounts, works and unmounts', requireAbility('fuse', 'fusermount3', 'btrfs-progs'), () => {
  const { path, image, asUser } = makeHome();
  asUser(`${butterlockCommand()} mount image mount`);
  asUser('echo mine > mount/file; mkdir mount/directory; mv mount/file mount/directory; ls -la mount');
  assert.throws(() => fs.readdirSync(join(path, 'mount')), { code: 'EACCES' });
  for (const words of [
    'subvolume create mount /sub',
    'subvolume snapshot mount /sub /copy',
    'subvolume delete mount /sub',
    'trim mount',
  ]) {
    asUser(`${butterlockCommand()} ${words}`);
  }
  assert.match(asUser(`${butterlockCommand()} subvolume list mount`), /^ID 257 gen \d+ top level 5 path copy\n$/);
  asUser(`${butterlockCommand()} umount mount`);
  asUser(`${butterlockCommand()} mount image mount; cat mount/directory/file; ${butterlockCommand()} umount mount`);
  assertSound(copyWithoutMarks(image));
});

test('an ordinary user encrypts', requireAbility('fuse', 'fusermount3', 'xfs_io', 'btrfs-progs'), () => {
  const { path, image, asUser } = makeHome();
  fs.copyFileSync(writeKeyFile(17), join(path, 'key'));
  fs.chmodSync(join(path, 'key'), 0o644);
  // Whoever may not read a program may not look at its memory either.
  fs.copyFileSync(mustRun('sh', '-c', 'command -v xfs_io').trim(), join(path, 'unreadable'));
  fs.chmodSync(join(path, 'unreadable'), 0o711);
  asUser(`${butterlockCommand()} mount image mount --log log`);
  const identifier = /[0-9a-f]{32}/.exec(asUser('xfs_io -c add_enckey mount < key'))?.[0] ?? '';
  asUser('mkdir mount/vault mount/other');
  assert.match(asUser(`./unreadable -c 'set_encpolicy -v 2 ${identifier}' mount/other || true`), /not permitted/);
  // Another thread writes the log.
  asUser(`for i in 1 2 3 4 5 6 7 8 9; do grep -q "may not be accessed: use 'butterlock key'" log && exit; sleep 0.2
    done; cat log; exit 1`);
  asUser(`xfs_io -c 'set_encpolicy -v 2 ${identifier}' mount/vault; echo secret > mount/vault/file`);
  asUser(`xfs_io -c 'rm_enckey ${identifier}' mount; ! ls mount/vault | grep file`);
  asUser(`xfs_io -c add_enckey mount < key; grep secret mount/vault/file; ${butterlockCommand()} umount mount`);
  assertSound(copyWithoutMarks(image));
});
