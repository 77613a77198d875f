/** Encrypted directories in both layouts: with the key, without it, and what stays on disk. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ContextLayout,
  createSnapshot,
  createSubvolume,
  type Filesystem,
  type Inode,
} from '../../../src/filesystem/index.js';
import type { Policy } from '../../../src/fscrypt/index.js';
import { requireAbility } from '../../support/abilities.js';
import { assertSound } from '../../support/btrfs-check.js';
import { copyWithoutMarks } from '../../support/clear-marks.js';
import { auditEncryption } from '../../support/encryption-audit.js';
import {
  bytes,
  namesIn,
  newVolume,
  type OpenVolume,
  OWNER,
  openVolume,
  testKey,
  testPolicy,
} from '../../support/new-volume.js';

const judged = requireAbility('btrfs-progs');
const KEY = testKey(7);
const LAYOUTS: readonly ContextLayout[] = ['item', 'trailing'];
const NO_CODE = 'no error';

function codeOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return NO_CODE;
}

interface EncryptedVolume extends OpenVolume {
  readonly policy: Policy;
  readonly secret: Inode;
}

/** A volume with the encrypted directory `secret`. */
function encryptedVolume(layout: ContextLayout): EncryptedVolume {
  const volume = newVolume({ extentContext: layout });
  const { filesystem, root, keyring } = volume;
  const policy = testPolicy(keyring, KEY);
  const secret = filesystem.mkdir(root, bytes('secret'), 0o700, OWNER);
  filesystem.setPolicy(secret, policy);
  return { ...volume, policy, secret };
}

/** Closes a volume and has it judged, its marks of encryption cleared. */
function judge(volume: OpenVolume, layout: ContextLayout): void {
  volume.close();
  assert.deepEqual(auditEncryption(volume.path), []);
  assertSound(copyWithoutMarks(volume.path), { dataChecksums: layout === 'item' });
}

function write(filesystem: Filesystem, directory: Inode, name: string, contents: string): Inode {
  const file = filesystem.create(directory, bytes(name), 0o644, OWNER);
  file.data.write(0, bytes(contents));
  return file;
}

function read(inode: Inode): string {
  const into = new Uint8Array(inode.item.size);
  inode.data.read(0, into);
  return Buffer.from(into).toString();
}

for (const layout of LAYOUTS) {
  describe(`encrypted directories, layout ${layout}`, judged, () => {
    it('reads back with the key what was written with it', () => {
      const volume = encryptedVolume(layout);
      const { filesystem, secret, root } = volume;
      const inner = filesystem.mkdir(secret, bytes('inner'), 0o755, OWNER);
      write(filesystem, inner, 'a file with a rather long name that goes over several blocks', 'contents');
      filesystem.symlink(secret, bytes('link'), bytes('../target'), OWNER);
      filesystem.mknod(secret, bytes('fifo'), 0o010644, OWNER);
      filesystem.create(secret, bytes('empty'), 0o644, OWNER);
      write(filesystem, root, 'plain', 'open to all');
      judge(volume, layout);

      const again = openVolume(volume.path, [KEY]);
      const found = again.filesystem.lookup(again.root, bytes('secret'));
      assert.equal(again.filesystem.layout, layout);
      assert.deepEqual(namesIn(again.filesystem, found), ['inner', 'link', 'fifo', 'empty']);
      const link = again.filesystem.lookup(found, bytes('link'));
      assert.equal(Buffer.from(again.filesystem.readlink(link)).toString(), '../target');
      assert.equal(again.filesystem.stat(link).size, 9);
      const directory = again.filesystem.lookup(found, bytes('inner'));
      const [name] = namesIn(again.filesystem, directory);
      assert.equal(read(again.filesystem.lookup(directory, bytes(name ?? ''))), 'contents');
      assert.equal(again.filesystem.lookup(found, bytes('fifo')).encrypted, false);
      again.close();
    });

    it('answers without the key as ENCRYPTION.md section 7 has it', () => {
      const volume = encryptedVolume(layout);
      write(volume.filesystem, volume.secret, 'file', 'contents');
      volume.filesystem.mkdir(volume.secret, bytes('directory'), 0o755, OWNER);
      volume.filesystem.symlink(volume.secret, bytes('link'), bytes('target'), OWNER);
      volume.filesystem.mknod(volume.secret, bytes('fifo'), 0o010644, OWNER);
      volume.filesystem.mkdir(volume.root, bytes('plain'), 0o755, OWNER);
      write(volume.filesystem, volume.root, 'open', 'to all');
      volume.close();

      const { filesystem, root, close, path } = openVolume(volume.path);
      const secret = filesystem.lookup(root, bytes('secret'));
      const plain = filesystem.lookup(root, bytes('plain'));
      const open = filesystem.lookup(root, bytes('open'));
      const shown = namesIn(filesystem, secret);
      assert.equal(shown.length, 4);
      const [file = '', directory = '', link = '', fifo = ''] = shown;
      const inode = filesystem.lookup(secret, bytes(file));
      const inner = filesystem.lookup(secret, bytes(directory));
      const answers: [string, () => unknown][] = [
        ['ENOKEY', () => filesystem.openInode(inode, secret)],
        ['ENOKEY', () => filesystem.setAttributes(inode, { size: 0 })],
        ['ENOKEY', () => inode.data.write(0, bytes('x'))],
        ['ENOKEY', () => filesystem.create(secret, bytes('new'), 0o644, OWNER)],
        ['ENOKEY', () => filesystem.mkdir(secret, bytes('new'), 0o755, OWNER)],
        ['ENOKEY', () => filesystem.mknod(secret, bytes('new'), 0o010644, OWNER)],
        ['ENOKEY', () => filesystem.symlink(secret, bytes('new'), bytes('t'), OWNER)],
        ['ENOKEY', () => filesystem.link(inode, secret, bytes('new'))],
        ['ENOKEY', () => filesystem.rename(secret, bytes(file), root, bytes('out'))],
        ['ENOKEY', () => filesystem.rename(root, bytes('open'), secret, bytes('in'))],
        ['ENOKEY', () => filesystem.rename(secret, bytes(file), secret, bytes('inside'))],
        ['ENOKEY', () => filesystem.rename(secret, bytes(file), root, bytes('open'), 'exchange')],
        ['ENOENT', () => filesystem.lookup(secret, bytes('file'))],
        ['ENOENT', () => filesystem.unlink(secret, bytes('file'))],
        [NO_CODE, () => filesystem.link(inode, plain, bytes('linked'))],
        [NO_CODE, () => filesystem.openInode(filesystem.lookup(secret, bytes(fifo)), secret)],
        [NO_CODE, () => filesystem.setAttributes(inode, { mode: 0o600, uid: 1, mtime: { sec: 1, nsec: 2 } })],
        [NO_CODE, () => filesystem.setXattr(inode, bytes('user.x'), bytes('y'))],
        [NO_CODE, () => filesystem.readlink(filesystem.lookup(secret, bytes(link)))],
        [NO_CODE, () => filesystem.unlink(secret, bytes(link))],
        [NO_CODE, () => filesystem.rmdir(secret, bytes(directory))],
        [NO_CODE, () => filesystem.unlink(secret, bytes(file))],
        [NO_CODE, () => filesystem.unlink(plain, bytes('linked'))],
      ];
      for (const [code, attempt] of answers) assert.equal(codeOf(attempt), code, attempt.toString());
      assert.equal(open.encrypted, false);
      assert.equal(inner.isDeleted, true);
      judge({ filesystem, root, close, path } as OpenVolume, layout);
    });

    it('moves only between directories of one policy, and out', () => {
      const { filesystem, root, secret, keyring, ...rest } = encryptedVolume(layout);
      const other = filesystem.mkdir(root, bytes('other'), 0o755, OWNER);
      filesystem.setPolicy(other, testPolicy(keyring, testKey(8)));
      const inner = filesystem.mkdir(secret, bytes('inner'), 0o755, OWNER);
      const file = write(filesystem, secret, 'file', 'contents');
      write(filesystem, root, 'plain', 'plain');
      assert.equal(
        codeOf(() => filesystem.rename(root, bytes('plain'), secret, bytes('in'))),
        'EXDEV',
      );
      assert.equal(
        codeOf(() => filesystem.link(filesystem.lookup(root, bytes('plain')), secret, bytes('in'))),
        'EXDEV',
      );
      assert.equal(
        codeOf(() => filesystem.rename(secret, bytes('file'), other, bytes('in'))),
        'EXDEV',
      );
      assert.equal(
        codeOf(() => filesystem.rename(secret, bytes('file'), root, bytes('plain'), 'exchange')),
        'EXDEV',
      );
      filesystem.rename(secret, bytes('file'), inner, bytes('renamed'));
      filesystem.rename(inner, bytes('renamed'), root, bytes('out'));
      assert.equal(file.encrypted, true);
      assert.deepEqual(namesIn(filesystem, root).sort(), ['other', 'out', 'plain', 'secret']);
      if (layout === 'trailing') {
        filesystem.create(secret, bytes('empty'), 0o644, OWNER);
        assert.equal(
          codeOf(() => filesystem.rename(secret, bytes('empty'), root, bytes('lost'))),
          'EXDEV',
        );
      }
      judge({ ...rest, filesystem, root, keyring }, layout);
      const again = openVolume(rest.path, [KEY]);
      assert.equal(read(again.filesystem.lookup(again.root, bytes('out'))), 'contents');
      again.close();
    });

    it("checks what a new policy asks for, in the kernel's order", () => {
      const { filesystem, root, secret, policy, keyring, close, path, ...rest } = encryptedVolume(layout);
      const absent = { ...policy, masterKeyIdentifier: new Uint8Array(16) };
      const file = write(filesystem, root, 'file', '');
      const full = filesystem.mkdir(root, bytes('full'), 0o755, OWNER);
      const empty = filesystem.mkdir(root, bytes('empty'), 0o755, OWNER);
      filesystem.mkdir(full, bytes('x'), 0o755, OWNER);
      const bad = { ...policy, filenamesMode: 1 };
      assert.equal(
        codeOf(() => filesystem.setPolicy(secret, policy)),
        NO_CODE,
        'the same again',
      );
      assert.equal(
        codeOf(() => filesystem.setPolicy(secret, policy, false)),
        'EACCES',
      );
      assert.equal(
        codeOf(() => filesystem.setPolicy(file, bad)),
        'ENOTDIR',
      );
      assert.equal(
        codeOf(() => filesystem.setPolicy(secret, bad)),
        'EEXIST',
      );
      assert.equal(
        codeOf(() => filesystem.setPolicy(full, bad)),
        'ENOTEMPTY',
      );
      assert.equal(
        codeOf(() => filesystem.setPolicy(empty, bad)),
        'EINVAL',
      );
      assert.equal(
        codeOf(() => filesystem.setPolicy(empty, absent, true, false)),
        'ENOKEY',
      );
      assert.equal(
        codeOf(() => filesystem.setPolicy(empty, absent)),
        NO_CODE,
      );
      assert.equal(
        codeOf(() => filesystem.create(empty, bytes('x'), 0o644, OWNER)),
        'ENOKEY',
      );
      judge({ ...rest, filesystem, root, keyring, close, path }, layout);
      const readOnly = openVolume(path, [KEY], true);
      assert.equal(
        codeOf(() => readOnly.filesystem.setPolicy(readOnly.root, bad, false)),
        'EROFS',
      );
    });

    it('refuses a policy for the placeholder of a missing subvolume, and goes on', () => {
      const { filesystem, root, policy, close } = encryptedVolume(layout);
      createSubvolume(root, bytes('nested'), OWNER);
      const snapshot = createSnapshot(root.subvolume, root, bytes('snapshot'), false);
      const placeholder = filesystem.lookup(snapshot, bytes('nested'));
      assert.equal(
        codeOf(() => filesystem.setPolicy(placeholder, policy)),
        'EPERM',
      );
      filesystem.create(root, bytes('file'), 0o644, OWNER);
      close();
    });

    it('remembers its layout while it is empty', () => {
      const volume = newVolume({ extentContext: layout });
      volume.close();
      const again = openVolume(volume.path);
      assert.equal(again.filesystem.layout, layout);
      again.close();
    });

    it('drops a key, and with it what was decrypted', () => {
      const { filesystem, secret, keyring, policy, close } = encryptedVolume(layout);
      const file = filesystem.openInode(write(filesystem, secret, 'file', 'contents'), secret);
      assert.equal(filesystem.removeKey(policy.masterKeyIdentifier), 'incompletelyRemoved');
      assert.equal(read(file), 'contents');
      assert.equal(namesIn(filesystem, secret).includes('file'), false);
      file.data.write(0, bytes('CONTENTS'));
      filesystem.closeInode(file);
      assert.equal(keyring.status(policy.masterKeyIdentifier), 'absent');
      keyring.add(KEY);
      assert.equal(read(filesystem.lookup(secret, bytes('file'))), 'CONTENTS');
      close();
    });
  });
}

describe('encryption on a plain volume', judged, () => {
  it('is refused until it is enabled, and then stays', () => {
    const { filesystem, root, keyring, path, close } = newVolume();
    const directory = filesystem.mkdir(root, bytes('d'), 0o755, OWNER);
    const policy = testPolicy(keyring, KEY);
    assert.equal(
      codeOf(() => filesystem.setPolicy(directory, policy)),
      'EOPNOTSUPP',
    );
    filesystem.enableEncryption('trailing');
    assert.equal(
      codeOf(() => filesystem.enableEncryption('item')),
      'EEXIST',
    );
    filesystem.setPolicy(directory, policy);
    close();
    const again = openVolume(path, [KEY]);
    assert.equal(again.filesystem.layout, 'trailing');
    assert.equal(again.filesystem.lookup(again.root, bytes('d')).encrypted, true);
    again.close();
  });
});
