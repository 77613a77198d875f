/** Load programs in an encrypted directory: no error while they run, and a sound volume afterwards. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { requireAbility } from '../support/abilities.js';
import { mustRun } from '../support/command.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile } from '../support/mounted-volume.js';

/** Each program's share; before a release, `LOAD_SECONDS=60`. */
const SHORT = 2;
const SECONDS = Number(process.env.LOAD_SECONDS ?? SHORT);
const MEBIBYTES = SECONDS > SHORT ? 256 : 16;

function withVault(use: (vault: string, remount: () => void) => void): void {
  const volume = new MountedVolume({ size: 4096 });
  const keyFile = writeKeyFile(23);
  makeEncryptedDirectory(volume.path, volume.at('vault'), keyFile);
  use(volume.at('vault'), () => {
    volume.remount();
    addKey(volume.path, keyFile);
  });
  volume.finish();
}

for (const clients of [1, 4, 16]) {
  test(`dbench with ${clients} clients`, requireAbility('fuse', 'xfs_io', 'dbench', 'btrfs-progs'), () => {
    withVault((vault) => {
      const report = mustRun('dbench', '-D', vault, '-t', String(SECONDS), String(clients));
      assert.match(report, /^Throughput [1-9]/m);
      assert.doesNotMatch(report, /error|failed/i);
    });
  });
}

/** Options of fio by what the job is to show; each verifies what it reads. */
const JOBS: Readonly<Record<string, readonly string[]>> = {
  'sequential, in large pieces': ['--rw=write', '--bs=1M', '--end_fsync=1'],
  'sequential, many processes': ['--rw=write', '--bs=16k', '--numjobs=4', '--fsync=32'],
  'random, fdatasync every 64 writes': ['--rw=randwrite', '--bs=4k', '--fdatasync=64'],
  'random, of odd sizes': ['--rw=randrw', '--bsrange=512-50000', '--bs_unaligned=1'],
  'random, mapped': ['--rw=randwrite', '--bs=4k', '--ioengine=mmap'],
  'random, O_DIRECT': ['--rw=randrw', '--bs=8k', '--direct=1', '--numjobs=2'],
};

const VERIFY = ['--verify=crc32c', '--verify_fatal=1', '--verify_state_save=0'];

test('fio verifies what it wrote', requireAbility('fuse', 'xfs_io', 'fio', 'btrfs-progs'), () => {
  withVault((vault, remount) => {
    Object.entries(JOBS).forEach(([name, options], index) => {
      const directory = `${vault}/${index}`;
      mkdirSync(directory);
      const words = ['--name=job', `--directory=${directory}`, `--size=${MEBIBYTES}M`, ...options, ...VERIFY];
      const time = SECONDS > SHORT ? [`--runtime=${SECONDS}`, '--time_based=1'] : [];
      const report = mustRun('fio', ...words, ...time, '--group_reporting');
      assert.match(report, /err= 0/, name);
      remount();
      // Once more, from the disk: the same job, which then only verifies.
      if (time.length === 0) mustRun('fio', ...words, '--verify_only=1');
      rmSync(directory, { recursive: true });
    });
  });
});
