/** put and get: what goes into a volume comes out the same, and a volume cannot reach out of the destination. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { openVolume } from '../../../src/index.js';
import { requireAbility } from '../../support/abilities.js';
import { butterlock, keyFile, MAIN, mustButterlock } from '../../support/command-line.js';
import { readNativeTree } from '../../support/native-tree.js';
import { readXattrs, setModificationTime, setXattr } from '../../support/system-calls.js';
import { temporaryPath } from '../../support/temporary.js';

const NOBODY = 65534;
const MIB = 1024 ** 2;
const KEY = new Uint8Array(64).fill(3);

async function newImage(): Promise<string> {
  const path = temporaryPath('.img');
  await mustButterlock(['create', path, '--size', '256M']);
  await mustButterlock(['mkdir', path, '/secret', '/plain']);
  await mustButterlock(['encrypt', path, '/secret', '--key-file', keyFile(KEY)]);
  return path;
}

function makeTree(): string {
  const top = temporaryPath('-source');
  mkdirSync(join(top, 'a', 'b'), { recursive: true });
  mkdirSync(join(top, 'empty'));
  writeFileSync(join(top, 'a', 'file'), 'contents');
  linkSync(join(top, 'a', 'file'), join(top, 'a', 'b', 'hard'));
  symlinkSync('../file', join(top, 'a', 'b', 'link'));
  symlinkSync('leads nowhere', join(top, 'dangling'));
  writeFileSync(join(top, 'large'), Buffer.alloc(3 * MIB + 17, 'large '));
  writeFileSync(Buffer.concat([Buffer.from(`${top}/odd`), Buffer.of(0xff)]), 'odd');
  makeSparse(join(top, 'sparse'));
  setXattr(join(top, 'large'), 'user.note', Buffer.from('kept'));
  chmodSync(join(top, 'a', 'file'), 0o640);
  chmodSync(join(top, 'empty'), 0o700);
  setModificationTime(join(top, 'a', 'file'), 981_173_106_123_456_789n);
  setModificationTime(join(top, 'a'), 981_173_106_000_000_001n);
  return top;
}

function makeSparse(path: string): void {
  const fd = openSync(path, 'w');
  writeSync(fd, 'in the middle', 5 * MIB);
  closeSync(fd);
  truncateSync(path, 12 * MIB);
}

/** A tree without what a copy cannot keep. */
function comparable(top: string): unknown[] {
  return readNativeTree(top).map(({ ino: _ino, ...entry }) => ({
    ...entry,
    size: entry.type === 'dir' ? 0 : entry.size,
    nlink: entry.type === 'dir' ? 0 : entry.nlink,
  }));
}

describe('put and get', () => {
  for (const directory of ['/plain', '/secret']) {
    test(`a tree goes through ${directory} and comes out the same`, async () => {
      const image = await newImage();
      const source = makeTree();
      const key = ['--key-file', keyFile(KEY)];
      await mustButterlock(['put', '-r', image, source, `${directory}/tree`, ...key]);
      const back = temporaryPath('-back');
      await mustButterlock(['get', '-r', image, `${directory}/tree`, back, ...key]);
      assert.deepEqual(comparable(back), comparable(source));
      assert.equal(statSync(join(back, 'a', 'file')).ino, statSync(join(back, 'a', 'b', 'hard')).ino);
      assert.ok(statSync(join(back, 'sparse')).blocks * 512 < MIB);
      const blocks = JSON.parse(
        await mustButterlock(['stat', '--json', image, `${directory}/tree/sparse`, ...key]),
      ).blocks;
      assert.ok(blocks * 512 <= 8192, `${blocks} blocks`);

      const name = basename(source);
      await mustButterlock(['put', '-r', image, source, `${directory}/tree`, ...key]);
      await mustButterlock(['get', '-r', image, `${directory}/tree/${name}`, back, ...key]);
      assert.deepEqual(comparable(join(back, name)), comparable(source));
    });
  }

  test('files are replaced, directories are filled up', async () => {
    const image = await newImage();
    const source = makeTree();
    await mustButterlock(['put', '-r', image, `${source}/.`, '/plain']);
    writeFileSync(join(source, 'a', 'file'), 'shorter');
    writeFileSync(join(source, 'a', 'more'), 'more');
    await mustButterlock(['write', image, '/plain/a/own'], { input: 'stays' });
    await mustButterlock(['put', '-r', image, `${source}/.`, '/plain']);
    assert.equal(
      await mustButterlock(['cat', image, '/plain/a/file', '/plain/a/b/hard', '/plain/a/more', '/plain/a/own']),
      'shortershortermorestays',
    );
  });

  test('wrong destinations and sources', async () => {
    const image = await newImage();
    const source = makeTree();
    const answers: [words: string[], status: number, text: RegExp][] = [
      [['put', image, source, '/plain'], 1, /only with -r/],
      [['put', image, join(source, 'none'), '/plain'], 1, /no such file/],
      [['put', image, join(source, 'large'), join(source, 'a/file'), '/plain/x'], 1, /need a directory/],
      [['put', image, join(source, 'large')], 2, /a source and a destination/],
      [['get', image, '/plain', temporaryPath()], 1, /only with -r/],
      [['get', image, '/none', temporaryPath()], 1, /no such file/],
      [['put', image, join(source, 'large'), '/secret'], 4, /key/],
    ];
    for (const [words, status, text] of answers) {
      const result = await butterlock(words);
      assert.equal(result.status, status, words.join(' '));
      assert.match(result.stderr, text);
    }
  });

  test('a full volume: exit code 6, and the rest is sound', async () => {
    const image = temporaryPath('.img');
    await mustButterlock(['create', image, '--size', '120M']);
    const large = temporaryPath();
    writeFileSync(large, Buffer.alloc(64 * MIB, 'full'));
    await mustButterlock(['write', image, '/small'], { input: 'small' });
    const { status, stderr } = await butterlock(['put', image, large, '/large']);
    assert.equal(status, 6);
    assert.match(stderr, /no space left/);
    assert.equal(await mustButterlock(['cat', image, '/small']), 'small');
    await mustButterlock(['rm', image, '/large']);
    await mustButterlock(['write', image, '/again'], { input: Buffer.alloc(MIB) });
  });
});

describe('a volume from a stranger', () => {
  test('its symlinks are not followed on the way out', async () => {
    const image = await newImage();
    const outside = temporaryPath('-outside');
    mkdirSync(outside);
    const target = temporaryPath('-target');
    mkdirSync(join(target, 'tree'), { recursive: true });
    symlinkSync(outside, join(target, 'tree', 'way'));
    symlinkSync(join(outside, 'file'), join(target, 'tree', 'file'));
    await mustButterlock(['mkdir', '-p', image, '/plain/tree/way']);
    await mustButterlock(['write', image, '/plain/tree/way/inside'], { input: 'x' });
    await mustButterlock(['write', image, '/plain/tree/file'], { input: 'x' });
    const { status, stderr } = await butterlock(['get', '-r', image, '/plain/tree', target]);
    assert.equal(status, 1);
    assert.match(stderr, /something else is there/);
    assert.deepEqual(readdirSync(outside), []);
    assert.ok(lstatSync(join(target, 'tree', 'file')).isFile());
  });

  test('a file that cannot be read leaves what was there', async () => {
    const image = await newImage();
    const key = ['--key-file', keyFile(KEY)];
    await mustButterlock(['write', image, '/secret/file', ...key], { input: 'secret' });
    const [shown = ''] = (await mustButterlock(['ls', image, '/secret'])).trim().split('\n');
    const target = temporaryPath();
    writeFileSync(target, 'was there');
    assert.equal((await butterlock(['get', image, `/secret/${shown}`, target])).status, 4);
    assert.equal(readFileSync(target, 'utf8'), 'was there');
  });

  test('a symlink without its key is not copied as nonsense', async () => {
    const image = await newImage();
    await mustButterlock(['ln', image, '-s', 'target', '/secret/link', '--key-file', keyFile(KEY)]);
    const target = temporaryPath();
    const { status, stderr } = await butterlock(['get', '-r', image, '/secret', target]);
    assert.deepEqual([status, readdirSync(target)], [4, []]);
    assert.match(stderr, /--key-file/);
  });
});

test('an ordinary user gets attributes of what may not be written', requireAbility('root'), async () => {
  const image = await newImage();
  const source = temporaryPath('-source');
  mkdirSync(source);
  writeFileSync(join(source, 'f'), 'x', { mode: 0o400 });
  setXattr(join(source, 'f'), 'user.note', Buffer.from('kept'));
  setXattr(source, 'user.note', Buffer.from('kept'));
  chmodSync(source, 0o500);
  await mustButterlock(['put', '-r', image, source, '/plain/d']);
  chmodSync(dirname(image), 0o755);
  chmodSync(image, 0o644);
  const target = temporaryPath('-target');
  mkdirSync(target);
  chownSync(target, NOBODY, NOBODY);
  const words = [MAIN, 'get', '-r', image, '/plain/d', target];
  const { status, stderr } = spawnSync(process.execPath, words, { uid: NOBODY, gid: NOBODY, encoding: 'utf8' });
  assert.deepEqual([status, stderr], [0, '']);
  const kept = { 'user.note': Buffer.from('kept').toString('hex') };
  assert.deepEqual(readXattrs(join(target, 'd')), kept);
  assert.deepEqual(readXattrs(join(target, 'd', 'f')), kept);
  assert.deepEqual(
    [lstatSync(join(target, 'd')).mode & 0o777, lstatSync(join(target, 'd', 'f')).mode & 0o777],
    [0o500, 0o400],
  );
});

test('attributes of directories are set after their contents', async () => {
  const image = await newImage();
  const source = temporaryPath('-source');
  mkdirSync(join(source, 'd'), { recursive: true });
  writeFileSync(join(source, 'd', 'f'), 'x');
  chmodSync(join(source, 'd'), 0o500);
  utimesSync(join(source, 'd'), 1000, 2000);
  await mustButterlock(['put', '-r', image, join(source, 'd'), '/plain']);
  using volume = openVolume(image, { readOnly: true });
  const stats = volume.fs.statSync('/plain/d');
  assert.deepEqual([stats.mode & 0o777, stats.mtimeMs], [0o500, 2_000_000]);
  volume.close();
  const back = temporaryPath('-back');
  await mustButterlock(['get', '-r', image, '/plain/d', back]);
  assert.ok(existsSync(join(back, 'f')));
  assert.equal(statSync(back).mtimeMs, 2_000_000);
});
