/** Every command once, as a user types it: what it does, prints and answers. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { butterlock, keyFile, MAIN, mustButterlock, spawnButterlock } from '../../support/command-line.js';
import { temporaryPath } from '../../support/temporary.js';

const KEY = Uint8Array.from({ length: 64 }, (_, i) => i);
const IDENTIFIER = '8699c2c53707405da5aba5ae4d8583c0';

async function newImage(...options: string[]): Promise<string> {
  const path = temporaryPath('.img');
  await mustButterlock(['create', path, '--size', '200M', ...options]);
  return path;
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

describe('volumes', () => {
  test('create and info', async () => {
    const path = temporaryPath('.img');
    const uuid = '00112233-4455-6677-8899-aabbccddeeff';
    const options = ['--size', '0.25GiB', '--label', 'box', '--uuid', uuid, '--csum', 'blake2', '--nodesize', '32k'];
    assert.match(await mustButterlock(['create', path, ...options, '--no-encrypt']), /created volume "box" 00112233/);
    assert.equal(statSync(path).size, 2 ** 28);
    const info = JSON.parse(await mustButterlock(['info', path, '--json']));
    assert.deepEqual(
      [info.label, info.uuid, info.checksum, info.nodesize, info.totalBytes, info.extentContext],
      ['box', uuid, 'blake2b', 32768, 2 ** 28, undefined],
    );
    assert.match(await mustButterlock(['info', path]), /encryption: +off/);
    await mustButterlock(['enable-encryption', path, '--extent-context', 'trailing']);
    assert.match(await mustButterlock(['info', path]), /encryption: +on, extent contexts: trailing/);
    assert.equal((await butterlock(['enable-encryption', path])).status, 1);
  });

  test('create leaves alone what is there, unless forced', async () => {
    const path = await newImage();
    const { status, stderr } = await butterlock(['create', path, '--size', '300M']);
    assert.equal(status, 1);
    assert.match(stderr, /^butterlock: .*: it holds a btrfs filesystem, overwritten only with force \(--force\)\n$/);
    await mustButterlock(['create', path, '--size', '300M', '--force']);
    assert.equal(statSync(path).size, 300 * 2 ** 20);
  });

  test('create says when a layout has a price', async () => {
    const { status, stderr } = await butterlock([
      'create',
      temporaryPath('.img'),
      '-s',
      '200M',
      '--extent-context',
      'trailing',
    ]);
    assert.equal(status, 0);
    assert.match(stderr, /warning: .*equal/);
  });

  test('trim gives back what deleted files took', async () => {
    const path = await newImage();
    await mustButterlock(['write', path, '/kept'], { input: Buffer.alloc(1_000_000, 'kept') });
    await mustButterlock(['write', path, '/deleted'], { input: Buffer.alloc(30_000_000, 'deleted') });
    await mustButterlock(['rm', path, '/deleted']);
    const before = statSync(path).blocks;
    const { trimmed } = JSON.parse(await mustButterlock(['trim', '--json', path]));
    assert.ok(trimmed > 30_000_000 && trimmed < 200 * 2 ** 20, `${trimmed} bytes`);
    assert.ok(statSync(path).blocks * 512 < before * 512 - 29_000_000);
    assert.equal(await mustButterlock(['cat', path, '/kept']), String(Buffer.alloc(1_000_000, 'kept')));
    assert.match(await mustButterlock(['trim', '-m', '1T', path]), /^0 B given back\n$/);
  });

  test('a volume too small is refused, and leaves no file', async () => {
    const path = temporaryPath('.img');
    const { status, stderr } = await butterlock(['create', path, '--size', '50M']);
    assert.equal(status, 1);
    assert.match(stderr, /109 MiB/);
    assert.ok(!existsSync(path));
  });
});

describe('files and directories', () => {
  const image = temporaryPath('.img');
  before(async () => {
    await mustButterlock(['create', image, '--size', '200M']);
    await mustButterlock(['mkdir', image, '/d', '-p', '/e/f/g']);
  });

  test('write and cat, with offsets and at the end', async () => {
    await mustButterlock(['write', image, '/d/file'], { input: 'hello' });
    await mustButterlock(['write', image, '/d/file', '--append'], { input: ' world' });
    await mustButterlock(['write', image, '/d/file', '--offset', '6'], { input: 'W' });
    assert.equal(await mustButterlock(['cat', image, '/d/file', '/d/file']), 'hello Worldhello World');
    await mustButterlock(['write', image, '/d/file'], { input: 'short' });
    assert.equal(await mustButterlock(['cat', image, 'd/file']), 'short');
    assert.equal((await butterlock(['write', image, '/d/file', '--append', '--offset', '1'])).status, 2);
  });

  test('streams of many megabytes', async () => {
    const bytes = Buffer.alloc(20_000_001, 'stream ');
    await mustButterlock(['write', image, '/d/big'], { input: bytes });
    assert.ok((await butterlock(['cat', image, '/d/big'])).stdout.equals(bytes));
  });

  test('ls, tree, stat, readlink', async () => {
    await mustButterlock(['ln', image, '-s', '../e', '/d/link']);
    await mustButterlock(['ln', image, '/d/file', '/d/hard']);
    assert.deepEqual((await mustButterlock(['ls', image, '/d'])).trim().split('\n'), ['big', 'file', 'hard', 'link']);
    assert.match(await mustButterlock(['ls', '-l', image, '/d/hard']), /^-rw-r--r-- +2 .* 5 .* d\/hard\n$/);
    assert.match(
      await mustButterlock(['tree', image]),
      /├── d\n│ {3}├── big\n(.*\n)*.*└── link -> \.\.\/e\n└── e\n {4}└── f\n {8}└── g\n$/,
    );
    assert.equal(await mustButterlock(['readlink', image, '/d/link']), '../e\n');
    const entry = JSON.parse(await mustButterlock(['stat', '--json', '--sha256', image, '/d/file']));
    assert.deepEqual(
      [entry.path, entry.type, entry.nlink, entry.size, entry.encrypted],
      ['d/file', 'file', 2, 5, false],
    );
    assert.equal(entry.sha256, createHash('sha256').update('short').digest('hex'));
    assert.match(await mustButterlock(['stat', image, '/d/file']), /size: +5\n/);
  });

  test('mv, cp, rm, rmdir', async () => {
    await mustButterlock(['mkdir', image, '/m']);
    await mustButterlock(['write', image, '/m/a'], { input: 'a' });
    await mustButterlock(['cp', image, '/m/a', '/m/b']);
    await mustButterlock(['mv', image, '/m/a', '/m/b', '/e']);
    assert.equal(await mustButterlock(['ls', image, '/e']), 'a\nb\nf\n');
    assert.equal((await butterlock(['mv', '-n', image, '/e/a', '/e/b'])).status, 1);
    await mustButterlock(['mv', '--exchange', image, '/e/a', '/e/f']);
    assert.equal(await mustButterlock(['cat', image, '/e/f']), 'a');
    await mustButterlock(['cp', '-r', '--reflink=always', image, '/e', '/copy']);
    assert.match(await mustButterlock(['ls', '-R', image, '/copy']), /copy\/a\ncopy\/a\/g\ncopy\/b\ncopy\/f\n/);
    assert.equal((await butterlock(['cp', image, '/e', '/x'])).status, 1);
    assert.equal((await butterlock(['rm', image, '/copy'])).status, 1);
    await mustButterlock(['rm', '-r', image, '/copy', '/e']);
    await mustButterlock(['rm', '-f', image, '/none']);
    await mustButterlock(['rmdir', image, '/m']);
    assert.equal(await mustButterlock(['ls', image]), 'd\n');
  });

  test('truncate, fallocate, chmod, chown, touch', async () => {
    await mustButterlock(['truncate', '-s', '1M', image, '/d/t']);
    await mustButterlock(['fallocate', '-o', '64k', '-l', '64k', image, '/d/t']);
    await mustButterlock(['fallocate', '--punch-hole', '-o', '64k', '-l', '4k', image, '/d/t']);
    await mustButterlock(['chmod', image, '0640', '/d/t']);
    await mustButterlock(['chown', image, '7:8', '/d/t']);
    await mustButterlock(['touch', '-d', '@981173106.123456789', image, '/d/t', '/d/new']);
    const lines = await mustButterlock(['stat', '--json', image, '/d/t', '/d/new']);
    assert.match(lines, /"mode": "640", "uid": 7, "gid": 8.*"size": 1048576, "mtime_ns": 981173106123456789,/);
    assert.match(lines, /"path": "d\/new".*"mtime_ns": 981173106123456789,/);
    assert.match(lines, /"blocks": 120/);
  });

  test('xattr', async () => {
    await mustButterlock(['xattr', 'set', image, '/d/t', 'user.note', 'some text']);
    await mustButterlock(['xattr', 'set', '--hex', image, '/d/t', 'user.raw', '0x00ff']);
    assert.equal(await mustButterlock(['xattr', 'get', image, '/d/t', 'user.note']), 'some text\n');
    assert.equal(await mustButterlock(['xattr', 'get', '--hex', image, '/d/t', 'user.raw']), '00ff\n');
    assert.equal(await mustButterlock(['xattr', 'list', image, '/d/t']), 'user.note\nuser.raw\n');
    await mustButterlock(['xattr', 'remove', image, '/d/t', 'user.raw']);
    assert.deepEqual(JSON.parse(await mustButterlock(['xattr', 'list', '--json', image, '/d/t'])), {
      'user.note': '736f6d652074657874',
    });
    assert.equal((await butterlock(['xattr', 'get', image, '/d/t', 'user.raw'])).status, 1);
  });

  test('subvolume', async () => {
    await mustButterlock(['subvolume', 'create', image, '/home']);
    await mustButterlock(['write', image, '/home/file'], { input: '1' });
    await mustButterlock(['subvolume', 'snapshot', '-r', image, '/home', '/d']);
    assert.match(
      await mustButterlock(['subvolume', 'list', image]),
      /^ID 256 gen \d+ top level 5 path home\nID 257 gen \d+ top level 5 path d\/home\n$/,
    );
    assert.match(await mustButterlock(['subvolume', 'show', image, '/d/home']), /Flags: +readonly/);
    const { status, stderr } = await butterlock(['write', image, '/d/home/file'], { input: '2' });
    assert.deepEqual([status, stderr], [1, 'butterlock: /d/home/file: subvolume 257 is read-only\n']);
    await mustButterlock(['subvolume', 'set-default', image, '/home']);
    assert.equal(await mustButterlock(['ls', image]), 'file\n');
    assert.equal(await mustButterlock(['ls', '--subvolume', '5', image]), 'd\nhome\n');
    await mustButterlock(['subvolume', 'set-default', image, '5', '--subvolume', '5']);
    await mustButterlock(['subvolume', 'delete', image, '/home', '/d/home']);
    assert.equal(await mustButterlock(['subvolume', 'list', image]), '');
  });

  test('paths in hexadecimal', async () => {
    await mustButterlock(['mkdir', image, 'hex:2f62ff']);
    assert.match(await mustButterlock(['ls', image]), /^b\\xff$/m);
    assert.match(await mustButterlock(['stat', '--json', image, 'hex:62ff']), /"path": null, "path_hex": "62ff"/);
    assert.equal((await butterlock(['ls', image, 'hex:6'])).status, 2);
  });
});

describe('encryption', () => {
  test('keys, policies, and what is shown without them', async () => {
    const image = await newImage();
    const key = keyFile(KEY);
    assert.equal(await mustButterlock(['key', 'identifier', key]), `${IDENTIFIER}\n`);
    await mustButterlock(['mkdir', image, '/p', '/s', '/t']);
    await mustButterlock(['encrypt', image, '/s', '--key-file', key, '--padding', '16']);
    await mustButterlock(['encrypt', image, '/t', '--key-file', key, '--contents', 'adiantum']);
    await mustButterlock(['write', image, '/s/name', '--key-file', key], { input: 'secret' });
    const environment = { BUTTERLOCK_KEY_FILES: `:${key}` };
    assert.equal(spawnButterlock(['cat', image, '/s/name'], { environment }).text, 'secret');
    assert.match(
      await mustButterlock(['policy', image, '/s']),
      /key: +8699.* \(not given\)\ncontents: +AES-256-XTS\nfilenames: +AES-256-CTS\npadding: +16\nnonce: +[0-9a-f]{32}\n/,
    );
    assert.equal(JSON.parse(await mustButterlock(['policy', '--json', image, '/t'])).policy.filenames_mode, 9);
    assert.deepEqual(JSON.parse(await mustButterlock(['policy', '--json', image, '/p'])), { encrypted: false });

    const [shown = ''] = (await mustButterlock(['ls', image, '/s'])).trim().split('\n');
    assert.match(shown, /^[\w-]{32,}$/);
    for (const path of ['/s/name', `/s/${shown}`]) {
      const { status, stderr } = await butterlock(['cat', image, path]);
      assert.equal(status, 4);
      assert.match(stderr, /^butterlock: .*; give the key with --key-file, or to a mount with 'butterlock key add'\n$/);
    }
    assert.equal((await butterlock(['encrypt', image, '/s', '--key-file', keyFile(KEY.slice(1))])).status, 1);
    assert.equal((await butterlock(['encrypt', image, '/p'])).status, 2);
    await mustButterlock(['rm', image, `/s/${shown}`]);
    assert.equal(await mustButterlock(['ls', image, '/s']), '');
  });

  test('key files', async () => {
    const path = temporaryPath('.key');
    const identifier = (await mustButterlock(['key', 'generate', path])).trim();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(readFileSync(path).length, 64);
    assert.deepEqual(JSON.parse(await mustButterlock(['key', 'identifier', '--json', path])), {
      file: path,
      identifier,
    });
    const before = sha256(path);
    assert.equal((await butterlock(['key', 'generate', path])).status, 1);
    assert.equal(sha256(path), before);
    for (const length of [0, 15, 65]) {
      const { status, stderr } = await butterlock(['key', 'identifier', keyFile(new Uint8Array(length))]);
      assert.equal(status, 1);
      assert.match(stderr, /16 to 64 raw bytes/);
    }
  });
});

describe('answers', () => {
  test('wrong calls: exit code 2 and one line', async () => {
    const image = await newImage();
    const wrong = [
      ['frobnicate'],
      ['ls'],
      ['ls', image, '--frob'],
      ['create', image, '--size', 'huge'],
      ['chmod', image, '999', '/'],
      ['key'],
      ['mv', '--exchange', image, '/a', '/b', '/c'],
      [],
    ];
    for (const words of wrong) assert.equal((await butterlock(words)).status, 2, words.join(' '));
    assert.match((await butterlock(['ls'])).stderr, /^butterlock: .*\n$/);
  });

  test('what stays in its place is not an image in use', async () => {
    const image = await newImage();
    for (const words of [
      ['rm', '-r', image, '/'],
      ['rmdir', image, '/'],
      ['mv', image, '/', '/a'],
    ])
      assert.equal((await butterlock(words)).status, 1, words.join(' '));
  });

  test('help and version', async () => {
    assert.match(await mustButterlock(['--help']), /Exit codes: 0 done/);
    assert.match(await mustButterlock(['subvolume', 'snapshot', '--help']), /--read-only/);
    assert.match(await mustButterlock(['--version']), /^\d+\.\d+\.\d+\n$/);
  });

  test('what is no volume, or not there', async () => {
    const text = temporaryPath('.txt');
    writeFileSync(text, 'just text\n'.repeat(20_000));
    for (const path of [text, '/none/at/all', '/']) {
      const { status, stderr } = await butterlock(['ls', path]);
      assert.equal(status, 1, path);
      assert.match(stderr, /^butterlock: [^\n]+\n$/);
    }
  });

  test('complaints name the place and say what is wrong with it', async () => {
    const image = await newImage();
    await mustButterlock(['mkdir', image, 'a', 'd', 'd/x', 'no', 'e']);
    await mustButterlock(['write', image, 'f'], { input: 'f' });
    await mustButterlock(['subvolume', 'create', image, 's']);
    await mustButterlock(['encrypt', image, 'e', '--key-file', keyFile(KEY)]);
    const other = keyFile(new Uint8Array(64));
    const complaints: [string[], RegExp][] = [
      [['info', '/none.img'], /^butterlock: \/none\.img: no such file or directory\n$/],
      [['create', '/none/new.img', '--size', '200M'], /^butterlock: \/none\/new\.img: no such file or directory\n$/],
      [['key', 'identifier', '/'], /^butterlock: \/: a directory is no key file\n$/],
      [['rmdir', image, 'd'], /^butterlock: d: directory not empty\n$/],
      [['stat', image, 'no/no'], /^butterlock: no\/no: no such file or directory\n$/],
      [['cat', image, 'd'], /^butterlock: d: it is a directory\n$/],
      [['subvolume', 'set-default', image, '999'], /^butterlock: .*999.*\n$/],
      [['cp', image, 'd', 'z'], /^butterlock: d: a directory is copied only with -r\n$/],
      [['cp', image, 'a', 'z'], /^butterlock: a: a directory is copied only with -r\n$/],
      [['cp', image, 'f', 'f'], /^butterlock: f -> f: both are the same file\n$/],
      [['mv', image, 'd', 's'], /copy it instead\n$/],
      [['encrypt', image, 'e', '--key-file', other], /^butterlock: e: .*another encryption policy\n$/],
      [['touch', image, 'd', '-d', '5'], /'5' is no time/],
    ];
    for (const [words, text] of complaints) assert.match((await butterlock(words)).stderr, text, words.join(' '));
  });

  test('names of a volume cannot steer the terminal', async () => {
    const image = await newImage();
    await mustButterlock(['ln', image, '-s', '\u001b[31mred\u009b1m', '/link']);
    await mustButterlock(['mkdir', image, '/d\u001b[1m']);
    for (const words of [
      ['stat', image, '/link'],
      ['stat', image, '/d\u001b[1m'],
      ['ls', '-l', image],
      ['rmdir', image, '/\u001b[1m'],
    ]) {
      const { text, stderr } = await butterlock(words);
      assert.doesNotMatch(text + stderr, /(?!\n)\p{Cc}/u, words.join(' '));
    }
  });

  test('one failure of several does not keep the others from being done', async () => {
    const image = await newImage();
    await mustButterlock(['mkdir', image, '/a', '/b']);
    const { status, stderr } = await butterlock(['rmdir', image, '/a', '/none', '/b']);
    assert.equal(status, 1);
    assert.equal(stderr, 'butterlock: /none: no such file or directory\n');
    assert.equal(await mustButterlock(['ls', image]), '');
    await mustButterlock(['write', image, '/c'], { input: 'c' });
    const cat = await butterlock(['cat', image, '/none', '/c']);
    assert.deepEqual([cat.status, cat.text], [1, 'c']);
  });

  test('reading commands change no byte of the image', async () => {
    const image = await newImage();
    await mustButterlock(['mkdir', image, '/a']);
    await mustButterlock(['write', image, '/a/f'], { input: 'x' });
    const before = [sha256(image), statSync(image).mtimeMs];
    for (const words of [
      ['info', image],
      ['ls', '-lR', image],
      ['tree', image],
      ['stat', image, '/a'],
      ['cat', image, '/a/f'],
      ['dump-super', image],
      ['dump-tree', image],
    ]) {
      await mustButterlock(words);
    }
    assert.deepEqual([sha256(image), statSync(image).mtimeMs], before);
  });

  test('a damaged volume: exit code 3, and what is sound is still shown', async () => {
    const image = await newImage('--csum', 'sha256');
    await mustButterlock(['write', image, '/good'], { input: 'x'.repeat(10_000) });
    await mustButterlock(['write', image, '/bad'], { input: 'needle '.repeat(2000) });
    const bytes = readFileSync(image);
    bytes.write('N', bytes.indexOf('needle needle'));
    writeFileSync(image, bytes);
    const { status, stderr } = await butterlock(['cat', image, '/bad']);
    assert.equal(status, 3);
    assert.match(stderr, /checksum mismatch/);
    const listing = await butterlock(['ls', '--json', '--sha256', image]);
    assert.equal(listing.status, 3);
    assert.match(listing.text, /"path": "bad".*"open_error": "EIO"/);
    assert.match(listing.text, /"path": "good".*"sha256": /);
  });

  test('output that nobody reads any more is no failure', async () => {
    const image = await newImage();
    await mustButterlock(['write', image, '/f'], { input: Buffer.alloc(5_000_000, 'line\n') });
    const script = 'set -o pipefail; "$0" "$1" cat "$2" /f | head -n 1';
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, MAIN, image]);
    assert.deepEqual([status, stdout.toString(), stderr.toString()], [0, 'line\n', '']);
  });

  test('as a process: streams and exit codes', async () => {
    const image = await newImage();
    const bytes = Buffer.alloc(3_000_000, 'stream ');
    assert.equal(spawnButterlock(['write', image, '/f'], { input: bytes }).status, 0);
    assert.ok(spawnButterlock(['cat', image, '/f']).stdout.equals(bytes));
    assert.equal(spawnButterlock(['cat', image, '/none']).status, 1);
    assert.equal(spawnButterlock(['frobnicate']).status, 2);
  });
});
