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
import { butterlockCommand } from '../support/mounted-volume.js';
import { temporaryPath } from '../support/temporary.js';

/** `nobody`: fusermount3 wants a user that has a name. */
const UID = 65_534;

test('an ordinary user mounts, works and unmounts', requireAbility('fuse', 'fusermount3', 'btrfs-progs'), () => {
  fs.chmodSync('/dev/fuse', 0o666);
  const home = temporaryPath();
  fs.mkdirSync(join(home, 'mount'), { recursive: true });
  fs.chmodSync(join(home, '..'), 0o755);
  const image = join(home, 'image');
  const volume = createVolume(image, { size: 2 ** 28 });
  volume.fs.chownSync('/', UID, UID);
  volume.close();
  for (const path of [home, join(home, 'mount'), image]) fs.chownSync(path, UID, UID);
  const asUser = (script: string): string => {
    const { status, stdout, stderr } = spawnSync(
      'setpriv',
      [`--reuid=${UID}`, `--regid=${UID}`, '--clear-groups', 'sh', '-ec', script],
      { cwd: home, encoding: 'utf8', env: { ...process.env, HOME: home, BUTTERLOCK: butterlockCommand() } },
    );
    assert.equal(status, 0, `${script}\n${stdout}${stderr}`);
    return stdout;
  };
  asUser(`${butterlockCommand()} mount image mount`);
  asUser('echo mine > mount/file; mkdir mount/directory; mv mount/file mount/directory; ls -la mount');
  assert.throws(() => fs.readdirSync(join(home, 'mount')), { code: 'EACCES' });
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
