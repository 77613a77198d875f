/** Logs that tell of new files that cannot be: each is refused with one warning, and the volume is not written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OverlayDevice, RecordingDevice } from '../../src/device/index.js';
import type { Filesystem } from '../../src/filesystem/index.js';
import {
  encodeInodeItem,
  encodeInodeRef,
  FS_TREE_OBJECTID,
  FSCRYPT_INODE_CTX_KEY,
  INODE_ENCRYPT,
  INODE_ITEM,
  INODE_ITEM_KEY,
  INODE_REF_KEY,
  type InodeItem,
  Key,
} from '../../src/format/index.js';
import type { Tree } from '../../src/tree/index.js';
import { newDevice, newDirectory, newFile, openFilesystem, TEST_KEY } from '../support/new-filesystem.js';
import { openFilesystem as openWarning } from '../support/open-filesystem.js';

interface Forged {
  readonly ino: number;
  readonly parent: number;
  readonly name: Uint8Array;
  readonly sequence: number;
  readonly item: InodeItem;
  readonly context: Uint8Array | undefined;
}

/** What a forger works with: a log of one new file, the items it is made of, and the last commit. */
interface Forgery {
  readonly tree: Tree;
  readonly filesystem: Filesystem;
  readonly sound: Forged;
  /** The number of a plain file, of a plain and of an encrypted directory of the last commit. */
  readonly file: number;
  readonly plain: number;
  readonly encrypted: number;
}

function put(tree: Tree, { ino, parent, name, sequence, item, context }: Forged): void {
  const place = tree.insertEmpty(new Key(ino, INODE_ITEM_KEY, 0), INODE_ITEM.SIZE);
  encodeInodeItem(place.view, place.at, item);
  tree.insert(new Key(ino, INODE_REF_KEY, parent), encodeInodeRef({ index: sequence, name }));
  if (context !== undefined) tree.insert(new Key(ino, FSCRYPT_INODE_CTX_KEY, 0), context);
}

/** Makes a log that says what `forge` writes, and opens the volume. @returns the warnings */
function open(forge: (forgery: Forgery) => void): string[] {
  const device = newDevice({ layout: 'item' });
  const before = openFilesystem(device);
  const encrypted = newDirectory(before, 'encrypted');
  const plain = newDirectory(before, 'plain', false);
  const file = newFile(before, plain, 'file').ino;
  newFile(before, encrypted, 'file');
  before.close();

  const filesystem = openFilesystem(device);
  const directory = filesystem.inode(FS_TREE_OBJECTID, encrypted.ino);
  const inode = newFile(filesystem, directory, 'new');
  const { newName } = inode;
  assert.ok(newName !== undefined);
  const context = inode.subvolume.tree.get(new Key(inode.ino, FSCRYPT_INODE_CTX_KEY, 0))?.bytes();
  const sound: Forged = { ...newName, ino: inode.ino, item: { ...inode.item, nbytes: 0 }, context };
  const log = filesystem.transaction.log.open();
  assert.ok(log !== undefined);
  filesystem.transaction.change(() => {
    const { tree } = log.of(FS_TREE_OBJECTID);
    forge({ tree, filesystem, sound, file, plain: plain.ino, encrypted: encrypted.ino });
    log.sync();
  });

  const warnings: string[] = [];
  const recording = new RecordingDevice(new OverlayDevice(device, 'after a power cut'));
  const opened = openWarning(recording, { keys: [TEST_KEY], warn: (message) => warnings.push(message) });
  if (warnings.length > 0) {
    assert.notDeepEqual(opened.transaction.readOnlyReasons, []);
    assert.deepEqual(recording.events, [], 'nothing was written');
  }
  return warnings;
}

test('the log that forgeries are made of is sound', () => {
  assert.deepEqual(
    open(({ tree, sound }) => put(tree, sound)),
    [],
  );
});

test('what a log says of the bytes of a file does not matter: a kernel leaves anything there', () => {
  const warnings = open(({ tree, sound }) => {
    put(tree, sound);
    const place = tree.change(new Key(sound.ino, INODE_ITEM_KEY, 0));
    place?.view.setBigUint64(place.at + INODE_ITEM.nbytes, 13_284_918_354_367_235_874n, true);
  });
  assert.deepEqual(warnings, []);
});

const PLAIN = { context: undefined } as const;
const plainItem = (item: InodeItem): InodeItem => ({ ...item, flags: item.flags & ~INODE_ENCRYPT });

const FORGERIES: Readonly<Record<string, readonly [RegExp, (forgery: Forgery) => void]>> = {
  'without a name': [
    /0 names, not one/,
    ({ tree, sound }) => {
      const place = tree.insertEmpty(new Key(sound.ino, INODE_ITEM_KEY, 0), INODE_ITEM.SIZE);
      encodeInodeItem(place.view, place.at, sound.item);
    },
  ],
  'with two names in one directory': [
    /2 names, not one/,
    ({ tree, sound }) => {
      put(tree, sound);
      const refs = [sound.name, new Uint8Array(32).fill(7)].map((name, i) => encodeInodeRef({ index: 9 + i, name }));
      tree.replace(new Key(sound.ino, INODE_REF_KEY, sound.parent), new Uint8Array(Buffer.concat(refs)));
    },
  ],
  'with names in two directories': [
    /2 names, not one/,
    ({ tree, sound, plain }) => {
      put(tree, sound);
      const ref = encodeInodeRef({ index: 9, name: Buffer.from('other') });
      tree.insert(new Key(sound.ino, INODE_REF_KEY, plain), ref);
    },
  ],
  'with two links': [/one name/, ({ tree, sound }) => put(tree, { ...sound, item: { ...sound.item, nlink: 2 } })],
  'that is a directory': [
    /one name/,
    ({ tree, sound }) => put(tree, { ...sound, item: { ...sound.item, mode: 0o40755 } }),
  ],
  'of an earlier transaction': [
    /neither in the last commit nor new/,
    ({ tree, sound }) => put(tree, { ...sound, item: { ...sound.item, generation: 1 } }),
  ],
  'in no directory': [/no directory of the last commit/, ({ tree, sound }) => put(tree, { ...sound, parent: 5555 })],
  'in a file': [/no directory of the last commit/, ({ tree, sound, file }) => put(tree, { ...sound, parent: file })],
  'with the name of a directory': [
    /something else than a file/,
    ({ tree, sound, filesystem }) =>
      put(tree, {
        ...sound,
        ...PLAIN,
        parent: filesystem.root().ino,
        name: Buffer.from('plain'),
        item: plainItem(sound.item),
      }),
  ],
  'with the number of another entry': [
    /has gone beyond number/,
    ({ tree, sound }) => put(tree, { ...sound, sequence: 2 }),
  ],
  'with a slash in its name': [
    /cannot be one/,
    ({ tree, sound, plain }) =>
      put(tree, { ...sound, ...PLAIN, parent: plain, name: Buffer.from('a/b'), item: plainItem(sound.item) }),
  ],
  'called ..': [
    /cannot be one/,
    ({ tree, sound, plain }) =>
      put(tree, { ...sound, ...PLAIN, parent: plain, name: Buffer.from('..'), item: plainItem(sound.item) }),
  ],
  'with a plain name in an encrypted directory': [
    /16 are needed/,
    ({ tree, sound }) => put(tree, { ...sound, name: Buffer.from('plain') }),
  ],
  'plain in an encrypted directory': [
    /but not both/,
    ({ tree, sound }) => put(tree, { ...sound, ...PLAIN, item: plainItem(sound.item) }),
  ],
  'encrypted in a plain directory': [
    /but not both/,
    ({ tree, sound, plain }) => put(tree, { ...sound, parent: plain, name: Buffer.from('new') }),
  ],
  'without its encryption context': [/missing or out of place/, ({ tree, sound }) => put(tree, { ...sound, ...PLAIN })],
  'with an encryption context and plain': [
    /missing or out of place/,
    ({ tree, sound, plain }) =>
      put(tree, { ...sound, parent: plain, name: Buffer.from('new'), item: plainItem(sound.item) }),
  ],
  'with another policy than its directory': [
    /another policy/,
    ({ tree, sound }) => {
      const context = new Uint8Array(sound.context ?? []);
      context[10] = (context[10] ?? 0) ^ 1;
      put(tree, { ...sound, context });
    },
  ],
  'with the name of another new file': [
    /one entry/,
    ({ tree, sound }) => {
      put(tree, sound);
      put(tree, { ...sound, ino: sound.ino + 1, sequence: sound.sequence + 1 });
    },
  ],
  'with the number of another new file': [
    /one entry/,
    ({ tree, sound }) => {
      put(tree, sound);
      put(tree, { ...sound, ino: sound.ino + 1, name: new Uint8Array(32).fill(7) });
    },
  ],
};

for (const [what, [why, forge]] of Object.entries(FORGERIES)) {
  test(`a log with a new file ${what} is refused`, () => {
    const warnings = open(forge);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', why);
    assert.match(warnings[0] ?? '', /the log is not replayed/);
  });
}
