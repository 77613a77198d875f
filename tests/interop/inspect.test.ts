/** What `dump-super` and `dump-tree` print, line by line against the real tool. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { superLines, treeIdOf, treeLines } from '../../src/cli/inspect/index.js';
import { FileDevice } from '../../src/device/index.js';
import { openVolumeDevices } from '../../src/volume/index.js';
import { requireAbility } from '../support/abilities.js';
import { mustRun } from '../support/command.js';
import { withKernelMount } from '../support/kernel-mount.js';
import { temporaryPath } from '../support/temporary.js';

const IMAGE_BYTES = 400 * 1024 ** 2;

function newImage(...mkfsOptions: string[]): string {
  const path = temporaryPath('.img');
  writeFileSync(path, '');
  truncateSync(path, IMAGE_BYTES);
  mustRun('mkfs.btrfs', '-q', '-L', 'a label', ...mkfsOptions, path);
  return path;
}

/** Shell commands in the mounted volume. */
function fill(top: string, script: string): void {
  mustRun('sh', '-euc', `cd "$1"; ${script}`, 'sh', top);
}

const MANY_KINDS = `
  for i in $(seq 700); do echo "file $i" > f$i; done
  mkdir d
  yes hello | head -c 300000 > d/compressed
  head -c 300000 /dev/urandom > d/random
  truncate -s 1M d/hole; echo end >> d/hole
  fallocate -l 1M d/preallocated
  ln -s target d/link; mknod d/null c 1 3; mkfifo d/pipe
  mkdir nocow; chattr +C nocow; head -c 9000 /dev/urandom > nocow/file
  long=a-long-name-to-fill-the-inode-reference-item-until-extended-ones-are-needed
  for i in $(seq 250); do ln f1 d/$long-$long-$i; done
  btrfs subvolume create s
  cp --reflink=always d/random s/random
  head -c 20000 /dev/urandom | dd of=d/random conv=notrunc bs=4096 seek=5
  for i in $(seq 40); do cp --reflink=always d/random s/r$i; done
  btrfs subvolume snapshot -r . snapshot
  echo changed >> f7
`;

/** Every line of both, for the whole volume and for some trees alone. */
function assertSameDumps(path: string): void {
  const full = mustRun('btrfs', 'inspect-internal', 'dump-super', '-f', path).split('\n');
  const device = FileDevice.open(path, { readOnly: true });
  assert.deepEqual([...superLines(device, { full: true }), ''], full);
  device.close();
  for (const tree of [undefined, 'root', 'CHUNK_TREE', 'BTRFS_EXTENT_TREE_OBJECTID', '5']) {
    const only = tree === undefined ? [] : ['-t', tree];
    const theirs = mustRun('btrfs', 'inspect-internal', 'dump-tree', ...only, path)
      .split('\n')
      .slice(1, -1);
    assert.deepEqual(ourTreeLines(path, tree), theirs, `tree ${tree ?? 'all'} of ${path}`);
  }
}

function ourTreeLines(path: string, treeText?: string): string[] {
  const device = FileDevice.open(path, { readOnly: true });
  const tree = treeText === undefined ? undefined : treeIdOf(treeText);
  const report = (error: Error): never => assert.fail(error);
  const lines = [...treeLines(openVolumeDevices(device), tree === undefined ? { report } : { report, tree })];
  device.close();
  return lines;
}

/** Guards a comparison against an image that lacks what it was made for. */
function assertHolds(path: string, ...wanted: RegExp[]): void {
  const text = ourTreeLines(path).join('\n');
  for (const pattern of wanted) assert.ok(pattern.test(text), `${pattern} in the dump of ${path}`);
}

describe('dumps are those of btrfs-progs', () => {
  test('for files, subvolumes, quotas and received snapshots', requireAbility('kernel-btrfs', 'btrfs-progs'), () => {
    const path = newImage();
    withKernelMount(path, { options: ['compress=zstd'] }, (top) => {
      fill(top, MANY_KINDS);
      fill(top, 'btrfs subvolume snapshot -r s sent; mkdir in; btrfs send -q sent | btrfs receive -q in');
      fill(top, 'btrfs quota enable .; btrfs qgroup limit 100M s; btrfs qgroup create 1/7 .');
      fill(top, 'btrfs qgroup assign --no-rescan 0/256 1/7 . || :; setfattr -n user.a -v value f1; sync');
    });
    assertSameDumps(path);
    assertHolds(path, /INODE_EXTREF/, /QGROUP_RELATION/, /UUID_KEY_RECEIVED_SUBVOL/, /EXTENT_DATA_REF/, /XATTR/);
  });

  test('for a log tree and orphans', requireAbility('kernel-btrfs', 'btrfs-progs'), () => {
    const path = newImage();
    const cut = temporaryPath('.img');
    withKernelMount(path, {}, (top) => {
      fill(top, 'mkdir d; for i in 1 2 3; do echo $i > d/f$i; done; sync');
      // The shell keeps the removed file open until it ends, after the first sync.
      fill(top, 'exec 9> orphan; echo text >&9; rm orphan; sync; echo more >> d/f1; rm d/f2; sync d/f1 d');
      copyFileSync(path, cut);
    });
    assertSameDumps(cut);
    assertHolds(cut, /^log root tree$/m, /^log tree key \(TREE_LOG ROOT_ITEM 5\) $/m);
  });

  for (const [name, mkfsOptions, mountOptions] of [
    ['old extents, small nodes, sha256', ['-O', '^skinny-metadata,^no-holes', '-n', '4096', '--csum', 'sha256'], []],
    ['large nodes, xxhash', ['--csum', 'xxhash', '-n', '65536'], ['compress-force=zlib']],
    ['mixed groups, blake2', ['--mixed', '--csum', 'blake2', '-n', '4096'], ['compress-force=lzo']],
  ] as const) {
    test(`for ${name}`, requireAbility('kernel-btrfs', 'btrfs-progs'), () => {
      const path = newImage(...mkfsOptions);
      withKernelMount(path, { options: mountOptions }, (top) => {
        mkdirSync(join(top, 'in'));
        fill(top, MANY_KINDS);
        fill(top, 'btrfs balance start --full-balance . ; btrfs subvolume snapshot . second; echo more >> f9');
        fill(top, 'for i in $(seq 100 150); do rm f$i; done; echo more >> d/random; sync');
      });
      mustRun('btrfstune', '-f', '-m', path);
      assertSameDumps(path);
      if (name.startsWith('old'))
        assertHolds(path, /tree block key/, /shared block backref/, /shared data backref/, /^node .* level 2/m);
    });
  }
});
