/** What the kernel has in its caches and what the server knows stay one: contents, attributes, names. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { lseek, MappedFile, SEEK_DATA, SEEK_HOLE } from '../support/file-calls.js';
import { MountedVolume } from '../support/mounted-volume.js';

test('what is written and not yet handed over is no hole', requireAbility('fuse', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const fd = fs.openSync(volume.at('file'), 'w+');
  fs.ftruncateSync(fd, 1_000_000);
  fs.writeSync(fd, 'here', 500_000);
  assert.equal(lseek(fd, 0, SEEK_DATA), 499_712);
  assert.equal(lseek(fd, 500_000, SEEK_HOLE), 503_808);
  const mapped = new MappedFile(fd, 1_000_000);
  mapped.write(700_000, Buffer.from('and here'));
  assert.equal(lseek(fd, 600_000, SEEK_DATA), 696_320);
  fs.writeSync(fd, 'behind the end', 2_000_000);
  assert.equal(lseek(fd, 800_000, SEEK_DATA), 1_998_848);
  assert.equal(mapped.read(700_000, 8).toString(), 'and here');
  mapped.close();
  fs.closeSync(fd);
  volume.finish();
});
