/** Encryption with the tools people have: xfs_io and fscrypt, unmodified, on a mount. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { hkdfSync, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { hkdfExtract } from '../../src/crypto/index.js';
import { FSCRYPT_IOCTL } from '../../src/fuse/protocol/fscrypt.js';
import { requireAbility } from '../support/abilities.js';
import { mustRun, runCommand } from '../support/command.js';
import { countInMemory } from '../support/memory-scan.js';
import { addKey, MountedVolume, makeEncryptedDirectory, writeKeyFile, xfsIo } from '../support/mounted-volume.js';
import { ioctlAnswer, Memory } from '../support/raw-ioctl.js';
import { temporaryPath } from '../support/temporary.js';

/** Node has no name for ENOKEY. */
const ENOKEY = -126;
const isMissingKey = (error: unknown): boolean => error instanceof Error && 'errno' in error && error.errno === ENOKEY;

for (const extentContext of ['item', 'trailing'] as const) {
  test(`keys by xfs_io, layout ${extentContext}`, requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
    const volume = new MountedVolume({ extentContext });
    const keyFile = writeKeyFile(1);
    const identifier = makeEncryptedDirectory(volume.path, volume.at('vault'), keyFile);
    assert.match(xfsIo(volume.at('vault'), ['get_encpolicy']), new RegExp(`identifier: ${identifier}`));
    fs.writeFileSync(volume.at('vault/name'), 'contents');
    fs.mkdirSync(volume.at('vault/directory'));
    fs.symlinkSync('a target', volume.at('vault/link'));
    assert.match(mustRun('lsattr', '-d', volume.at('vault/name')), /^-*E/);

    assert.match(xfsIo(volume.path, [`rm_enckey ${identifier}`]), /Removed/);
    assert.match(xfsIo(volume.path, [`enckey_status ${identifier}`]), /Absent/);
    const hidden = fs.readdirSync(volume.at('vault'));
    assert.equal(hidden.length, 3);
    assert.ok(!hidden.includes('name'));
    assert.throws(() => fs.readFileSync(volume.at('vault/name')), { code: 'ENOENT' });
    assert.throws(() => fs.writeFileSync(volume.at('vault/new'), ''), isMissingKey);
    const file = hidden.find((name) => fs.lstatSync(volume.at('vault', name)).isFile());
    assert.throws(() => fs.readFileSync(volume.at('vault', file ?? '')), isMissingKey);

    assert.equal(addKey(volume.path, keyFile), identifier);
    assert.deepEqual(fs.readdirSync(volume.at('vault')).sort(), ['directory', 'link', 'name']);
    assert.equal(fs.readFileSync(volume.at('vault/name'), 'utf8'), 'contents');
    assert.equal(fs.readlinkSync(volume.at('vault/link')), 'a target');
    volume.finish();
  });
}

/** The key of a directory's names, AES-256-CTS-CBC, as fscrypt derives it. */
function keyOfNames(master: Uint8Array, directory: string): Uint8Array {
  const memory = new Memory();
  const fd = fs.openSync(directory, 'r');
  assert.equal(ioctlAnswer(fd, FSCRYPT_IOCTL.GET_NONCE, memory.address), 'done');
  fs.closeSync(fd);
  const info = Buffer.concat([Buffer.from('fscrypt\0\x02', 'latin1'), memory.get(memory.address, 16)]);
  return new Uint8Array(hkdfSync('sha512', master, '', info, 32));
}

test('a removed key is nowhere in the memory of the server', requireAbility('fuse', 'xfs_io'), () => {
  const keyFile = temporaryPath('.key');
  const master = randomBytes(64);
  fs.writeFileSync(keyFile, master);
  const volume = new MountedVolume({ options: ['--key-file', keyFile] });
  const identifier = makeEncryptedDirectory(volume.path, volume.at('vault'), keyFile);
  fs.writeFileSync(volume.at('vault/file'), 'contents');
  const keys = [master, hkdfExtract(master), keyOfNames(master, volume.at('vault'))];
  const found = (): number[] =>
    keys.map((key) =>
      countInMemory(
        [...key.subarray(0, 16)].map((byte) => byte ^ 0xff),
        volume.server,
      ),
    );
  const [inMaster, , ofNames = 0] = found();
  assert.equal(inMaster, 0, 'the master key is not kept while it is in use');
  assert.ok(ofNames > 0, 'the scan finds a key in use');
  xfsIo(volume.path, [`rm_enckey ${identifier}`]);
  assert.deepEqual(found(), [0, 0, 0]);
  volume.unmount();
});

test('a key in use is removed when its last file is closed', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const identifier = makeEncryptedDirectory(volume.path, volume.at('vault'), writeKeyFile(2));
  const fd = fs.openSync(volume.at('vault/open'), 'w+');
  fs.writeSync(fd, 'written before');
  assert.match(xfsIo(volume.path, [`rm_enckey ${identifier}`]), /files still busy/);
  assert.match(xfsIo(volume.path, [`enckey_status ${identifier}`]), /Incompletely removed/);
  fs.writeSync(fd, ' and after');
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  for (let tries = 0; tries < 100 && !/Absent/.test(xfsIo(volume.path, [`enckey_status ${identifier}`])); tries++);
  assert.match(xfsIo(volume.path, [`enckey_status ${identifier}`]), /Absent/);
  addKey(volume.path, writeKeyFile(2));
  assert.equal(fs.readFileSync(volume.at('vault/open'), 'utf8'), 'written before and after');
  volume.finish();
});

test('a key stays until the last user who added it has removed it', requireAbility('fuse', 'xfs_io', 'su'), () => {
  const volume = new MountedVolume();
  const keyFile = writeKeyFile(3);
  const identifier = addKey(volume.path, keyFile);
  fs.chmodSync(volume.path, 0o777);
  const asNobody = (command: string): string => {
    const input = fs.readFileSync(keyFile);
    const { stdout, stderr } = spawnSync(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', 'xfs_io', '-c', command, volume.path],
      { input, encoding: 'buffer' },
    );
    return `${stdout}${stderr}`;
  };
  fs.chmodSync(`${volume.path}/..`, 0o755);
  assert.match(asNobody(`rm_enckey ${identifier}`), /Required key not available/);
  assert.match(asNobody('add_enckey'), new RegExp(identifier));
  assert.match(xfsIo(volume.path, [`enckey_status ${identifier}`]), /user_count=2, added_by_self/);
  assert.match(asNobody(`rm_enckey -a ${identifier}`), /Permission denied/);
  xfsIo(volume.path, [`rm_enckey ${identifier}`]);
  assert.match(xfsIo(volume.path, [`enckey_status ${identifier}`]), /Present \(user_count=1\)/);
  assert.match(asNobody(`rm_enckey ${identifier}`), /Removed/);
  assert.match(xfsIo(volume.path, [`enckey_status ${identifier}`]), /Absent/);
  volume.unmount();
});

/**
 * fscrypt works on mounts of the types it knows by name only, and no FUSE mount can have such a
 * name. So it is shown a list of mounts in which ours has the name of what it holds.
 */
const RUN_FSCRYPT = `
  sed 's/ fuse[.]butterlock / btrfs /' /proc/self/mountinfo > "$1" && mount --bind "$1" /proc/$$/mountinfo
  shift
  exec fscrypt "$@"`;

test('fscrypt sets up, encrypts, locks and unlocks', requireAbility('fuse', 'fscrypt', 'btrfs-progs'), () => {
  const volume = new MountedVolume();
  const fscrypt = (words: string[], input = ''): string => {
    const shell = ['-m', 'sh', '-c', RUN_FSCRYPT, 'sh', temporaryPath(), ...words];
    const { status, stdout, stderr } = spawnSync('unshare', shell, { input, encoding: 'utf8' });
    assert.equal(status, 0, `fscrypt ${words.join(' ')}\n${stdout}${stderr}`);
    return stdout;
  };
  if (!fs.existsSync('/etc/fscrypt.conf')) fscrypt(['setup', '--quiet', '--force', '--time=1ms']);
  fscrypt(['setup', volume.path, '--quiet', '--all-users']);
  const vault = volume.at('vault');
  fs.mkdirSync(vault);
  const passphrase = 'correct horse\n';
  fscrypt(['encrypt', vault, '--quiet', '--source=custom_passphrase', '--name=test', '--no-recovery'], passphrase);
  fs.writeFileSync(`${vault}/letter`, 'dear reader');
  assert.match(fscrypt(['status', vault]), /Unlocked: Yes/);
  fscrypt(['lock', vault, '--quiet']);
  assert.match(fscrypt(['status', vault]), /Unlocked: No/);
  assert.equal(runCommand('cat', `${vault}/letter`).status, 1);
  fscrypt(['unlock', vault, '--quiet'], passphrase);
  assert.equal(fs.readFileSync(`${vault}/letter`, 'utf8'), 'dear reader');
  volume.finish();
});
