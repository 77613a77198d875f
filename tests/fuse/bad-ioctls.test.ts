/** ioctls of careless and hostile programs: the right error, nothing changed, the server alive. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { FSCRYPT_IOCTL } from '../../src/fuse/protocol/fscrypt.js';
import { requireAbility } from '../support/abilities.js';
import { dropPages, MappedFile } from '../support/file-calls.js';
import { MountedVolume, makeEncryptedDirectory, writeKeyFile } from '../support/mounted-volume.js';
import { Random } from '../support/random.js';
import { randomRuns } from '../support/random-runs.js';
import { ioctlAnswer, Memory } from '../support/raw-ioctl.js';

const { SET_POLICY, GET_POLICY_EX, ADD_KEY, REMOVE_KEY, GET_KEY_STATUS, GET_NONCE } = FSCRYPT_IOCTL;

/** `struct fscrypt_add_key_arg` for a key of 64 bytes, which follow. */
function addKeyArgument(change: (argument: Buffer) => void = () => undefined): Buffer {
  const argument = Buffer.alloc(80 + 64, 0);
  argument.writeUInt32LE(2, 0);
  argument.writeUInt32LE(64, 40);
  randomBytes(64).copy(argument, 80);
  change(argument);
  return argument;
}

/** `struct fscrypt_policy_v2`, as xfs_io sets it. */
function policyArgument(identifier: Buffer, change: (policy: Buffer) => void = () => undefined): Buffer {
  const policy = Buffer.concat([Buffer.of(2, 1, 4, 2, 0, 0, 0, 0), identifier]);
  change(policy);
  return policy;
}

interface Bench {
  readonly volume: MountedVolume;
  readonly identifier: Buffer;
  /** Descriptors of a plain directory, of an encrypted one, and of a file in each. */
  readonly plain: number;
  readonly vault: number;
  readonly plainFile: number;
  readonly vaultFile: number;
  close(): void;
}

function makeBench(): Bench {
  const volume = new MountedVolume();
  fs.mkdirSync(volume.at('plain'));
  const identifier = Buffer.from(makeEncryptedDirectory(volume.path, volume.at('vault'), writeKeyFile(16)), 'hex');
  const [plainFile, vaultFile] = ['plain', 'vault'].map((name) => {
    const fd = fs.openSync(volume.at(name, 'file'), 'w+');
    fs.writeSync(fd, Buffer.alloc(8192, 2));
    return fd;
  });
  const [plain, vault] = ['plain', 'vault'].map((name) => fs.openSync(volume.at(name), 'r'));
  assert.ok(plain !== undefined && vault !== undefined && plainFile !== undefined && vaultFile !== undefined);
  const close = (): void => {
    for (const fd of [plain, vault, plainFile, vaultFile]) fs.closeSync(fd);
  };
  return { volume, identifier, plain, vault, plainFile, vaultFile, close };
}

test('arguments of the fscrypt ioctls are checked as in the kernel', requireAbility('fuse', 'xfs_io'), () => {
  const bench = makeBench();
  const { volume, identifier, plain, vault, plainFile, vaultFile } = bench;
  const memory = new Memory();
  const given = (fd: number, request: number, bytes: Buffer): string =>
    ioctlAnswer(fd, request, memory.put(memory.address, bytes));
  const addKey = (change: (argument: Buffer) => void): string => given(plain, ADD_KEY, addKeyArgument(change));
  fs.mkdirSync(volume.at('empty'));
  const empty = fs.openSync(volume.at('empty'), 'r');
  const policy = (change: (bytes: Buffer) => void): string =>
    given(empty, SET_POLICY, policyArgument(identifier, change));

  for (const size of [0, 15, 65, 2 ** 31, 2 ** 32 - 1]) {
    assert.equal(
      addKey((bytes) => bytes.writeUInt32LE(size, 40)),
      'EINVAL',
      `a key of ${size} bytes`,
    );
  }
  assert.equal(
    addKey((bytes) => bytes.writeUInt32LE(3, 0)),
    'EINVAL',
    'an unknown kind of key',
  );
  assert.equal(
    addKey((bytes) => bytes.writeUInt32LE(1, 4)),
    'EINVAL',
    'a reserved field',
  );
  assert.equal(
    addKey((bytes) => bytes.fill(1, 52, 80)),
    'EINVAL',
    'reserved fields',
  );
  assert.equal(
    addKey((bytes) => bytes.writeUInt32LE(7, 44)),
    'EOPNOTSUPP',
    'a key of a keyring',
  );
  assert.equal(
    addKey((bytes) => bytes.writeUInt32LE(1, 0)),
    'EOPNOTSUPP',
    'a key by descriptor',
  );

  for (const version of [1, 3, 255])
    assert.equal(
      policy((bytes) => bytes.writeUInt8(version)),
      'EINVAL',
    );
  assert.equal(
    policy((bytes) => bytes.writeUInt8(0)),
    'EINVAL',
    'version 1',
  );
  for (const at of [1, 2, 4, 5, 7]) {
    assert.equal(
      policy((bytes) => bytes.writeUInt8(200, at)),
      'EINVAL',
      `a policy with byte ${at} changed`,
    );
  }
  assert.equal(
    policy((bytes) => bytes.writeUInt8(0x13, 3)),
    'EINVAL',
    'an unknown flag',
  );
  assert.equal(given(plainFile, SET_POLICY, policyArgument(identifier)), 'ENOTDIR');
  assert.equal(given(vaultFile, SET_POLICY, policyArgument(identifier)), 'ENOTDIR');
  assert.equal(given(plain, SET_POLICY, policyArgument(identifier)), 'ENOTEMPTY');
  assert.equal(given(vault, SET_POLICY, policyArgument(identifier)), 'done', 'the same policy');
  assert.equal(
    given(
      vault,
      SET_POLICY,
      policyArgument(identifier, (bytes) => bytes.writeUInt8(0, 3)),
    ),
    'EEXIST',
  );

  const size = (bytes: number | bigint): Buffer => {
    const argument = Buffer.alloc(32);
    argument.writeBigUInt64LE(BigInt(bytes));
    return argument;
  };
  assert.equal(given(plain, GET_POLICY_EX, size(24)), 'ENODATA');
  for (const small of [0, 12, 23]) assert.equal(given(vault, GET_POLICY_EX, size(small)), 'EOVERFLOW');
  for (const large of [24, 2 ** 40, 2n ** 64n - 1n]) assert.equal(given(vault, GET_POLICY_EX, size(large)), 'done');
  assert.equal(memory.get(memory.address + 16, 16).toString('hex'), identifier.toString('hex'));
  assert.equal(given(plain, GET_NONCE, size(0)), 'ENODATA');
  assert.equal(given(plain, REMOVE_KEY, Buffer.alloc(64)), 'EINVAL');
  assert.equal(given(plain, GET_KEY_STATUS, Buffer.alloc(128)), 'EINVAL');
  fs.closeSync(empty);
  bench.close();
  volume.finish();
});

test('addresses that lead nowhere, or into the mount itself, do no harm', requireAbility('fuse', 'xfs_io'), () => {
  const bench = makeBench();
  const { volume, identifier, vault, plainFile, vaultFile } = bench;
  const empty = volume.at('empty');
  fs.mkdirSync(empty);
  const directory = fs.openSync(empty, 'r');
  const memory = new Memory();
  const nowhere = [0, 1, 4096, memory.end, 2 ** 47 - 4096, 2n ** 63n, 2n ** 64n - 1n];
  for (const address of nowhere) {
    for (const request of [SET_POLICY, ADD_KEY, REMOVE_KEY, GET_KEY_STATUS]) {
      assert.equal(ioctlAnswer(directory, request, address), 'EFAULT', `0x${request.toString(16)} at ${address}`);
    }
    for (const request of [GET_POLICY_EX, GET_NONCE]) {
      assert.equal(ioctlAnswer(vault, request, address), 'EFAULT', `0x${request.toString(16)} at ${address}`);
    }
  }
  // It begins in memory and ends behind it.
  const policy = policyArgument(identifier);
  assert.equal(ioctlAnswer(directory, SET_POLICY, memory.put(memory.end - 23, policy.subarray(0, 23))), 'EFAULT');
  assert.equal(ioctlAnswer(directory, SET_POLICY, memory.put(memory.end - 1, policy.subarray(0, 1))), 'EFAULT');
  const key = addKeyArgument();
  assert.equal(ioctlAnswer(directory, ADD_KEY, memory.put(memory.end - 143, key.subarray(0, 143))), 'EFAULT');
  const wanted = Buffer.alloc(31);
  wanted.writeUInt8(24);
  assert.equal(ioctlAnswer(vault, GET_POLICY_EX, memory.put(memory.end - 31, wanted)), 'EFAULT');
  memory.put(memory.address, wanted);
  memory.makeReadOnly();
  assert.equal(ioctlAnswer(vault, GET_POLICY_EX, memory.address), 'EFAULT');

  // Reading that would make the server wait for itself.
  for (const fd of [plainFile, vaultFile]) {
    for (const [target, request, argument] of [
      [directory, SET_POLICY, policy],
      [directory, ADD_KEY, key],
      [vault, GET_POLICY_EX, wanted],
    ] as const) {
      fs.writeSync(fd, argument, 0, argument.length, 0);
      fs.fsyncSync(fd);
      dropPages(fd);
      const mapped = new MappedFile(fd, 8192);
      assert.equal(ioctlAnswer(target, request, mapped.addressOf(0)), 'EFAULT');
      mapped.close();
    }
  }
  const proper = new Memory();
  assert.equal(ioctlAnswer(directory, SET_POLICY, proper.put(proper.address, policy)), 'done');
  assert.ok(volume.logged().some((line) => /its argument lies in a file of a FUSE mount/.test(line)));
  fs.closeSync(directory);
  bench.close();
  assert.equal(fs.readFileSync(volume.at('vault/file')).length, 8192);
  volume.unmount();
});

/** What a program may be told of a request of random bytes: its own fault, by any name but EIO. */
const OWN_FAULT = new Set(
  'done EINVAL ENOTTY EFAULT EPERM ENOKEY EOPNOTSUPP EOVERFLOW ENODATA EEXIST ENOTEMPTY ENOTDIR EACCES EBADF'.split(
    ' ',
  ),
);
const REQUESTS = 4000;
/** `_IOWR('B', 0x42, 8192)`, which Butterlock's own commands use. */
const CONTROL = 0xe0004242;
const FLAG_REQUESTS = [0x80086601, 0x40086602, 0x801c581f, 0x401c5820, 0x80087601, 0xc0185879];

test('ioctls of random bytes leave the server alive', requireAbility('fuse', 'xfs_io', 'btrfs-progs'), () => {
  const { seed } = randomRuns(1);
  const random = new Random(seed);
  const bench = makeBench();
  const { volume, plain, vault, plainFile, vaultFile } = bench;
  const memory = new Memory();
  const known = [...Object.values(FSCRYPT_IOCTL), ...FLAG_REQUESTS, CONTROL];
  for (let count = 0; count < REQUESTS; count++) {
    let request = random.pick(known);
    // Another size, another direction, another number.
    if (random.oneIn(4)) request = (request ^ (1 << random.below(32))) >>> 0;
    if (random.oneIn(20)) request = random.below(2 ** 32);
    const bytes = random.oneIn(2) ? random.bytes(8192) : addKeyArgument((key) => random.bytes(16).copy(key, 36));
    if (random.oneIn(3)) bytes.writeUInt32LE(random.pick([0, 1, 2, 24, 100]), 0);
    memory.put(memory.address, bytes);
    const address = random.oneIn(10) ? memory.end - random.below(200) : memory.address;
    const answer = ioctlAnswer(random.pick([plain, vault, plainFile, vaultFile]), request, address);
    assert.ok(OWN_FAULT.has(answer), `BUTTERLOCK_SEED=${seed}: ioctl 0x${request.toString(16)}: ${answer}`);
  }
  bench.close();
  assert.equal(fs.readFileSync(volume.at('plain/file')).length, 8192);
  volume.finish();
});
