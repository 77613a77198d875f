/** The lines of `dump-super` and `dump-tree` that the real tool cannot be asked for, and damage. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { corrupt, type FsError, viewOf, writeU53, writeU64 } from '../../../src/bytes/index.js';
import { superLines, treeIdOf, treeLines } from '../../../src/cli/inspect/index.js';
import { ItemFields } from '../../../src/cli/inspect/item-fields.js';
import { itemLines } from '../../../src/cli/inspect/item-lines.js';
import { nameText } from '../../../src/cli/inspect/name-text.js';
import { FileDevice, OverlayDevice } from '../../../src/device/index.js';
import {
  BALANCE_OBJECTID,
  encodeKey,
  FREE_SPACE_OBJECTID,
  HEADER,
  ITEM,
  KEY_PTR,
  Key,
  STRING_ITEM_KEY,
  TEMPORARY_ITEM_KEY,
} from '../../../src/format/index.js';
import { openVolumeDevices, type Volume } from '../../../src/volume/index.js';
import { butterlock } from '../../support/command-line.js';
import { copyOfImage, type ImageName, imagePath } from '../../support/images.js';
import { replaceBlock } from '../../support/reseal.js';

const FS_TREE = 5;

function openImage(name: ImageName): Volume {
  return openVolumeDevices(new OverlayDevice(FileDevice.open(imagePath(name), { readOnly: true })));
}

interface Dump {
  readonly lines: string[];
  readonly errors: FsError[];
}

function dump(volume: Volume, tree?: number): Dump {
  const errors: FsError[] = [];
  const report = (error: FsError): void => void errors.push(error);
  const lines = [...treeLines(volume, tree === undefined ? { report } : { report, tree })];
  return { lines, errors };
}

/** The lines of the first item whose head matches. */
function itemAfter({ lines }: Dump, head: RegExp): string[] {
  const start = lines.findIndex((line) => head.test(line));
  const end = lines.findIndex((line, i) => i > start && !line.startsWith('\t\t'));
  return lines.slice(start + 1, end);
}

describe('dump-tree of encrypted volumes', () => {
  it('shows contexts that are items', () => {
    const all = dump(openImage('compress'), FS_TREE);
    assert.deepEqual(itemAfter(all, /key \(257 FSCRYPT_INODE_CTX 0\)/), [
      '\t\tvalue: 02010403000000008699c2c53707405da5aba5ae4d8583c0b04dc13f445513a6df53e2f0695d2767',
    ]);
    assert.match(itemAfter(all, /FSCRYPT_CTX/).join(), /^\t\tvalue: 0101[0-9a-f]{64}$/);
    const extent = itemAfter(all, /key \(262 EXTENT_DATA 0\)/);
    assert.match(extent.at(-2) ?? '', /^\t\textent compression \d \(\w+\)$/);
    assert.equal(extent.at(-1), '\t\textent encryption 1 (fscrypt)');
    assert.ok(all.lines.includes('\t\tsequence 11 flags 0x1000(ENCRYPT)'));
    const name =
      '\\035\\177E:\\3243\\267\\372\\233\\333\\305\\322\\315=YI\\366' +
      '\\n\\313\\354\\232\\333\\032\\266\\206\\235\\324\\232&\\301KY';
    assert.ok(all.lines.includes(`\t\tname: ${name}`));
    assert.deepEqual(all.errors, []);
  });

  it('shows contexts inside file extents', () => {
    const context = '02010403000000008699c2c53707405da5aba5ae4d8583c0f82ba095ca703f5931371b9b505bb268';
    assert.deepEqual(itemAfter(dump(openImage('t-compress'), FS_TREE), /key \(264 EXTENT_DATA 0\)/), [
      '\t\tgeneration 12 type 1 (regular)',
      '\t\textent data disk byte 13713408 nr 4096',
      '\t\textent data offset 0 nr 20480 ram 20480',
      '\t\textent compression 1 (zlib)',
      '\t\textent encryption 1 (fscrypt)',
      `\t\tencryption context: 2c000000${context}`,
    ]);
  });

  it('shows log trees', () => {
    const { lines, errors } = dump(openImage('dirtylog'));
    assert.deepEqual(errors, []);
    assert.ok(lines.indexOf('log root tree') < lines.indexOf('log tree key (TREE_LOG ROOT_ITEM 5) '));
    assert.ok(lines.some((line) => /DIR_LOG_INDEX/.test(line)));
  });

  it('has the mark of the volume in its superblock', () => {
    const lines = [...superLines(openImage('basic').device)];
    assert.ok(lines.includes('\t\t\t  ENCRYPT )'), lines.join('\n'));
    assert.ok(lines.some((line) => /^csum\t\t\t0x[0-9a-f]{8} \[match\]$/.test(line)));
  });
});

describe('dump-tree of a damaged volume', () => {
  const leavesOf = (volume: Volume): number[] =>
    dump(volume, FS_TREE)
      .lines.flatMap((line) => line.match(/^leaf (\d+) items/)?.[1] ?? [])
      .map(Number);

  function readBlock(volume: Volume, logical: number): Uint8Array {
    const block = new Uint8Array(volume.nodesize);
    volume.readData(logical, block);
    return block;
  }

  it('names a block that cannot be read and shows the others', () => {
    const volume = openImage('t-basic');
    const leaves = leavesOf(volume);
    const lost = leaves[2] ?? 0;
    for (const { physical } of volume.copies(lost, 1)) volume.device.write(physical + 1000, Uint8Array.of(1, 2, 3));
    const { errors } = dump(volume);
    assert.deepEqual(
      errors.map(({ message }) => message),
      [`EIO: block ${lost}: checksum mismatch`],
    );
    assert.deepEqual(
      leavesOf(volume),
      leaves.filter((leaf) => leaf !== lost),
    );
  });

  it('enters no block twice', () => {
    const volume = openImage('t-basic');
    const leaves = leavesOf(volume);
    const root = Number(
      dump(volume, FS_TREE)
        .lines.find((line) => line.startsWith('node'))
        ?.split(' ')[1],
    );
    const block = readBlock(volume, root);
    for (let slot = 1; slot < leaves.length; slot++) {
      writeU53(viewOf(block), HEADER.SIZE + slot * KEY_PTR.SIZE + KEY_PTR.blockptr, leaves[0] ?? 0);
    }
    replaceBlock(volume, root, block);
    assert.deepEqual(leavesOf(volume), leaves.slice(0, 1));
    assert.equal(dump(volume, FS_TREE).errors.length, leaves.length - 1);
  });

  it('keeps every block within the keys its parent leaves it', () => {
    const volume = openImage('t-basic');
    const leaves = leavesOf(volume);
    const block = readBlock(volume, leaves[0] ?? 0);
    const lastSlot = viewOf(block).getUint32(HEADER.nritems, true) - 1;
    encodeKey(viewOf(block), HEADER.SIZE + lastSlot * ITEM.SIZE, new Key(1e9, STRING_ITEM_KEY, 0));
    replaceBlock(volume, leaves[0] ?? 0, block);
    const { errors } = dump(volume, FS_TREE);
    assert.match(errors[0]?.message ?? '', /reaches past key/);
    assert.deepEqual(leavesOf(volume), leaves.slice(1));
  });

  it('refuses a tree that is not there', () => {
    assert.throws(() => dump(openImage('basic'), 4711), { code: 'ENOENT' });
  });

  it('is told of on standard error and by the exit code', async () => {
    const path = copyOfImage('t-basic');
    const device = FileDevice.open(path, { readOnly: false });
    const volume = openVolumeDevices(device);
    const lost = leavesOf(volume)[2] ?? 0;
    for (const { physical } of volume.copies(lost, 1)) device.write(physical + 1000, Uint8Array.of(1, 2, 3));
    device.close();
    const { status, text, stderr } = await butterlock(['dump-tree', path, '-t', 'fs']);
    assert.equal(status, 3);
    assert.match(stderr, new RegExp(`^butterlock: block ${lost}: checksum mismatch$`, 'm'));
    assert.match(text, /^uuid /m);
    assert.equal((await butterlock(['dump-super', imagePath('basic'), '-f'])).status, 0);
  });
});

function linesOf(key: Key, bytes: Uint8Array): string[] {
  const view = viewOf(bytes);
  const size = bytes.length;
  return itemLines({ key, view, at: 0, size, fields: new ItemFields(view, 0, size), sectorsize: 4096, csumSize: 4 });
}

describe('items that come and go with a job', () => {
  it('shows a paused balance', () => {
    const bytes = new Uint8Array(448);
    for (let at = 0; at < bytes.length; at += 8) writeU64(viewOf(bytes), at, BigInt(at));
    assert.deepEqual(linesOf(new Key(BALANCE_OBJECTID, TEMPORARY_ITEM_KEY, 0), bytes).slice(0, 7), [
      '\t\ttemporary item objectid BALANCE offset 0',
      '\t\tbalance status flags 0',
      '\t\tDATA',
      '\t\tprofiles 8 devid 24 target 64 flags 72',
      '\t\tusage_min 16 usage_max 0 pstart 32 pend 40',
      '\t\tvstart 48 vend 56 limit_min 80 limit_max 0',
      '\t\tstripes_min 88 stripes_max 0',
    ]);
  });

  it('shows the header of a free-space cache', () => {
    const bytes = new Uint8Array(41);
    encodeKey(viewOf(bytes), 0, new Key(256, 1, 0));
    writeU64(viewOf(bytes), 17, 7n);
    writeU64(viewOf(bytes), 25, 2n ** 64n - 1n);
    assert.deepEqual(linesOf(new Key(FREE_SPACE_OBJECTID, 0, 13631488), bytes), [
      '\t\tlocation key (256 INODE_ITEM 0)',
      '\t\tcache generation 7 entries 18446744073709551615 bitmaps 0',
    ]);
  });

  it('says that an item is cut off', () => {
    const key = new Key(BALANCE_OBJECTID, TEMPORARY_ITEM_KEY, 0);
    assert.throws(() => linesOf(key, new Uint8Array(30)), corrupt('item', '30 bytes, cut off before byte 144'));
  });
});

describe('words of the dumps', () => {
  it('leaves no control character in a name', () => {
    const all = nameText(Uint8Array.from({ length: 256 }, (_, byte) => byte));
    assert.match(all, /^[!-~ ]+$/);
    assert.equal(nameText(Buffer.from('a b\\\n\x1b\x7f\u00e4')), 'a\\ b\\\\\\n\\e\\177\\303\\244');
  });

  it('knows a tree by id and by name', () => {
    const texts = ['5', 'fs', 'FS_TREE', 'btrfs_fs_tree_objectid', 'checksum', 'tree_log', '18446744073709551607'];
    assert.deepEqual(texts.map(treeIdOf), [5, 5, 5, 5, 7, -6, -9]);
    assert.deepEqual(['0', 'fsx', '', '1e3'].map(treeIdOf), [undefined, undefined, undefined, undefined]);
  });
});
