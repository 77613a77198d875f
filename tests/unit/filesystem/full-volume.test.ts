/** On a volume whose metadata is full to the last, everything that gives space back still works. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { isFsError } from '../../../src/bytes/index.js';
import { type BlockDevice, OverlayDevice } from '../../../src/device/index.js';
import type { Filesystem } from '../../../src/filesystem/index.js';
import { newDevice, newDirectory, newFile, openFilesystem } from '../../support/new-filesystem.js';
import { assertBooksBalance } from '../../support/soundness.js';

const MIB = 1024 * 1024;
const SECTOR = 4096;
const OWNER = { uid: 0, gid: 0 };
/** Extents of the large file: more than are dropped in a step. */
const PIECES = 100;
/** Attributes this long have a leaf each. */
const LONG = new Uint8Array(16_000);

function name(text: string): Uint8Array {
  return Buffer.from(text);
}

/** A volume on which nothing more fits, neither large nor small. */
function fullDevice(): BlockDevice {
  const device = newDevice({ layout: 'item', size: 110 * MIB });
  const filesystem = openFilesystem(device);
  const directory = newDirectory(filesystem, 'dir');
  const large = newFile(filesystem, directory, 'large');
  for (let i = 0; i < PIECES; i++) large.data.write(i * 2 * SECTOR, new Uint8Array(SECTOR).fill(i + 1));
  newFile(filesystem, directory, 'empty');
  filesystem.mkdir(directory, name('directory'), 0o755, OWNER);
  filesystem.commit();
  const fill = newDirectory(filesystem, 'fill', false);
  until(() => filesystem.setXattr(newFile(filesystem, fill, `${fill.lastSequence}`), name('user.x'), LONG));
  until(() => newFile(filesystem, fill, `${fill.lastSequence}`));
  filesystem.close();
  return device;
}

function until(fails: () => void): void {
  assert.throws(
    () => {
      for (;;) fails();
    },
    (error) => isFsError(error, 'ENOSPC'),
  );
}

describe('a volume full of metadata', () => {
  let device: BlockDevice;
  before(() => {
    device = fullDevice();
  });

  function works(operation: (filesystem: Filesystem) => void): void {
    const copy = new OverlayDevice(device);
    const filesystem = openFilesystem(copy);
    operation(filesystem);
    filesystem.close();
    assertBooksBalance(openFilesystem(copy).transaction);
  }

  function inDirectory(filesystem: Filesystem) {
    return filesystem.lookup(filesystem.root(), name('dir'));
  }

  for (const file of ['empty', 'large']) {
    it(`lets the ${file} file be removed`, () => {
      works((filesystem) => filesystem.unlink(inDirectory(filesystem), name(file)));
    });
  }

  it('lets a directory be removed', () => {
    works((filesystem) => filesystem.rmdir(inDirectory(filesystem), name('directory')));
  });

  it('lets files be truncated', () => {
    works((filesystem) => filesystem.lookup(inDirectory(filesystem), name('large')).data.truncate(0));
    works((filesystem) => filesystem.lookup(inDirectory(filesystem), name('large')).data.truncate(4 * SECTOR));
  });
});
