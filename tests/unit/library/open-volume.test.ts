/** Opening, closing and making volumes; keys; what `readOnly` promises. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { createVolume, FileDevice, isFsError, MemoryDevice, type OpenVolume, openVolume } from '../../../src/index.js';
import { temporaryPath } from '../../support/temporary.js';

const MIB = 1024 ** 2;
const KEY = new Uint8Array(64).fill(7);

function newImage(fill: (volume: OpenVolume) => void = () => undefined): string {
  const path = temporaryPath('.img');
  using volume = createVolume(path, { size: 256 * MIB, extentContext: 'item', keys: [KEY] });
  fill(volume);
  return path;
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

describe('createVolume', () => {
  test('what was written is there when the volume is opened again', () => {
    const path = newImage(({ fs }) => fs.writeFileSync('/file', 'contents'));
    using volume = openVolume(path);
    assert.equal(volume.fs.readFileSync('/file', 'utf8'), 'contents');
  });

  test('leaves alone what it is not forced to overwrite', () => {
    const image = newImage();
    const film = temporaryPath('.film');
    writeFileSync(film, Buffer.alloc(200 * MIB, 'frame'));
    for (const path of [image, film]) {
      const before = sha256(path);
      assert.throws(() => createVolume(path, { size: 256 * MIB }), { code: 'EEXIST' });
      assert.throws(() => createVolume(path), { code: 'EEXIST' });
      assert.equal(sha256(path), before);
    }
    createVolume(image, { force: true }).close();
    assert.deepEqual(openVolume(image).fs.readdirSync('/'), []);
  });

  test('what cannot be made leaves the old volume as it was, force or not', () => {
    const image = newImage(({ fs }) => fs.writeFileSync('/file', 'x'));
    const before = sha256(image);
    for (const wrong of [{ size: MIB }, { size: 256 * MIB, nodesize: 5000 }, { label: 'x'.repeat(300) }]) {
      assert.throws(() => createVolume(image, { ...wrong, force: true }), { code: 'EINVAL' });
    }
    assert.equal(sha256(image), before);
  });

  test('takes an empty file as it is', () => {
    const path = temporaryPath('.img');
    writeFileSync(path, '');
    truncateSync(path, 200 * MIB);
    createVolume(path).close();
    assert.equal(statSync(path).size, 200 * MIB);
  });

  test('a file that could not become a volume is not left behind', () => {
    const path = temporaryPath('.img');
    assert.throws(() => createVolume(path, { size: MIB }), { code: 'EINVAL' });
    assert.throws(() => createVolume(path), { code: 'EINVAL' });
    assert.ok(!existsSync(path));
  });
});

describe('openVolume', () => {
  test('reading only changes no byte of the image', () => {
    const path = newImage(({ fs, keyring }) => {
      fs.mkdirSync('/secret');
      const [keyIdentifier] = keyring.identifiers();
      assert.ok(keyIdentifier);
      fs.setPolicySync('/secret', { keyIdentifier });
      fs.writeFileSync('/secret/file', 'x'.repeat(5000));
    });
    const before = sha256(path);
    using volume = openVolume(path, { readOnly: true, keys: [KEY] });
    volume.fs.readdirSync('/', { recursive: true });
    assert.equal(volume.fs.readFileSync('/secret/file').length, 5000);
    assert.throws(() => volume.fs.writeFileSync('/new', ''), { code: 'EROFS', syscall: 'open' });
    volume.sync();
    volume.close();
    assert.equal(sha256(path), before);
  });

  test('a second writer is refused, a reader is not', () => {
    const path = newImage();
    using volume = openVolume(path);
    assert.throws(() => openVolume(path), { code: 'EBUSY' });
    openVolume(path, { readOnly: true }).close();
    volume.close();
    openVolume(path).close();
  });

  test('what is no volume is refused, and let go of', () => {
    const path = temporaryPath('.img');
    writeFileSync(path, Buffer.alloc(MIB));
    assert.throws(() => openVolume(path), { code: 'EINVAL' });
    FileDevice.open(path, { readOnly: false }).close();
    assert.throws(() => openVolume('/none/at/all'), { code: 'ENOENT' });
  });

  test('after closing every call fails', () => {
    const volume = createVolume(new MemoryDevice(256 * MIB));
    const fd = volume.fs.openSync('/f', 'w');
    volume.close();
    volume.close();
    assert.throws(() => volume.fs.writeSync(fd, 'x'), { code: 'EBADF' });
    assert.throws(() => volume.fs.statSync('/'), { code: 'EBADF' });
  });

  test('a file removed while open is gone with its last descriptor', () => {
    using volume = createVolume(new MemoryDevice(256 * MIB));
    const { fs } = volume;
    const fd = fs.openSync('/f', 'w+');
    fs.unlinkSync('/f');
    fs.writeSync(fd, 'still here');
    fs.fsyncSync(fd);
    assert.equal(fs.readFileSync(fd).length, 0);
    assert.equal(fs.readSync(fd, Buffer.alloc(20), 0, 20, 0), 10);
    fs.closeSync(fd);
    assert.throws(() => fs.fstatSync(fd), { code: 'EBADF' });
  });

  test('info tells what the volume is', () => {
    using volume = createVolume(new MemoryDevice(256 * MIB), {
      label: 'box',
      checksumType: 1,
      extentContext: 'trailing',
    });
    const { info } = volume;
    assert.equal(info.label, 'box');
    assert.equal(info.checksum, 'xxhash64');
    assert.equal(info.extentContext, 'trailing');
    assert.deepEqual(info.usage.map(({ type, profile }) => `${type} ${profile}`).sort(), [
      'data single',
      'metadata DUP',
      'system DUP',
    ]);
    assert.deepEqual(info.readOnlyReasons, []);
  });
});

describe('keys', () => {
  test('come and go', () => {
    using volume = createVolume(new MemoryDevice(256 * MIB), { extentContext: 'item' });
    const { fs, keyring } = volume;
    const identifier = keyring.add(KEY);
    assert.equal(keyring.status(identifier), 'present');
    fs.mkdirSync('/d');
    fs.setPolicySync('/d', { keyIdentifier: identifier, padding: 16 });
    fs.writeFileSync('/d/secret name', 'contents');
    const { nonce, flags } = fs.getPolicySync('/d');
    assert.equal(nonce?.length, 16);
    assert.equal(flags, 2);

    assert.equal(keyring.remove(identifier), 'absent');
    const [shown = ''] = fs.readdirSync('/d');
    assert.notEqual(shown, 'secret name');
    assert.throws(() => fs.readFileSync(`/d/${shown}`), { code: 'ENOKEY', syscall: 'open' });
    assert.throws(() => fs.readFileSync('/d/secret name'), { code: 'ENOENT' });
    assert.throws(() => fs.mkdirSync('/d/new'), { code: 'ENOKEY' });

    keyring.add(KEY);
    assert.equal(fs.readFileSync('/d/secret name', 'utf8'), 'contents');
    assert.throws(() => keyring.add(new Uint8Array(15)), { code: 'EINVAL' });
  });

  test('removing the key of an open file waits for its end', () => {
    using volume = createVolume(new MemoryDevice(256 * MIB), { extentContext: 'item' });
    const { fs, keyring } = volume;
    const keyIdentifier = keyring.add(KEY);
    fs.mkdirSync('/d');
    fs.setPolicySync('/d', { keyIdentifier });
    const fd = fs.openSync('/d/f', 'w+');
    fs.writeSync(fd, 'before');
    assert.equal(keyring.remove(keyIdentifier), 'incompletelyRemoved');
    fs.writeSync(fd, ' and after');
    assert.equal(fs.readSync(fd, Buffer.alloc(30), 0, 30, 0), 16);
    fs.closeSync(fd);
    assert.equal(keyring.status(keyIdentifier), 'absent');
    keyring.add(KEY);
    assert.equal(fs.readFileSync('/d/f', 'utf8'), 'before and after');
  });

  test('encryption is enabled only when told to', () => {
    using volume = createVolume(new MemoryDevice(256 * MIB));
    const keyIdentifier = volume.keyring.add(KEY);
    volume.fs.mkdirSync('/d');
    assert.throws(() => volume.fs.setPolicySync('/d', { keyIdentifier }), { code: 'EOPNOTSUPP' });
    volume.enableEncryption('item');
    volume.fs.setPolicySync('/d', { keyIdentifier });
    assert.throws(() => volume.enableEncryption('item'), { code: 'EEXIST' });
  });
});

test('the promise door rejects where the calls throw', async () => {
  using volume = createVolume(new MemoryDevice(256 * MIB));
  const { promises } = volume;
  await promises.mkdir('/a/b', { recursive: true });
  await promises.writeFile('/a/b/c', 'text');
  const text: string = await promises.readFile('/a/b/c', 'utf8');
  const bytes: Buffer = await promises.readFile('/a/b/c');
  const names: string[] = await promises.readdir('/a', { recursive: true });
  const size: bigint = (await promises.stat('/a/b/c', { bigint: true })).size;
  assert.deepEqual([text, bytes.toString(), names, size], ['text', 'text', ['b', 'b/c'], 4n]);
  await assert.rejects(promises.readFile('/none'), (error) => isFsError(error, 'ENOENT') && error.path === '/none');
  assert.deepEqual(
    Object.keys(promises).filter((name) => name.endsWith('Sync')),
    [],
  );
});
