/**
 * The main job, told step by step: an encrypted directory in a real btrfs volume, in an image file.
 *
 * Everything is done by the command line as a user would type it, in a temporary directory that is
 * removed at the end.
 */
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { btrfsCheckComplaints } from '../tests/support/btrfs-check.js';
import { copyWithoutMarks } from '../tests/support/clear-marks.js';

const BUTTERLOCK = join(import.meta.dirname, '..', '..', 'bin', 'butterlock');
const MIB = 1024 ** 2;
/** What a failed command is when it is the point of the step. */
const EXIT_NO_KEY = 4;

const isTerminal = process.stdout.isTTY;
const directory = mkdtempSync(join(tmpdir(), 'butterlock-demo-'));
process.chdir(directory);

function tell(text: string): void {
  console.log(isTerminal ? `\n\x1b[1m${text}\x1b[0m` : `\n${text}`);
}

/** Runs one command of Butterlock and shows it. @returns what it printed */
function butterlock(...words: string[]): string {
  return run(words, 0);
}

function run(words: string[], expected: number): string {
  console.log(`  $ butterlock ${words.map(quoted).join(' ')}`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [BUTTERLOCK, ...words], { encoding: 'utf8' });
  for (const line of `${stdout}${stderr}`.split('\n').filter((text) => text !== '')) console.log(`  ${line}`);
  if (status !== expected) throw new Error(`butterlock ${words[0]} ended with exit code ${status}, not ${expected}`);
  return stdout;
}

function quoted(word: string): string {
  return /^[\w./:=-]+$/.test(word) ? word : `'${word}'`;
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function makeSources(): void {
  mkdirSync('papers');
  writeFileSync('papers/letter.txt', 'Dear reader,\nnobody without the key will see this line.\n');
  writeFileSync('papers/photo.raw', randomBytes(8 * MIB));
}

function story(): void {
  tell('A btrfs volume in a file, and a key of 64 random bytes that stays outside of it.');
  butterlock('create', 'vault.img', '--size', '512M', '--label', 'vault');
  butterlock('key', 'generate', 'my.key');

  tell('A subvolume with an encrypted directory. Other directories stay plain.');
  butterlock('subvolume', 'create', 'vault.img', '/home');
  butterlock('mkdir', 'vault.img', '/home/private', '/home/public');
  butterlock('encrypt', 'vault.img', '/home/private', '--key-file', 'my.key');

  tell('Files go in: modes, times, links, holes and attributes are kept.');
  butterlock('put', '-r', 'vault.img', 'papers', '/home/private', '--key-file', 'my.key');
  butterlock('put', 'vault.img', 'papers/letter.txt', '/home/public');

  tell('A snapshot and a reflink: both share the ciphertext, so they cost next to nothing.');
  butterlock('subvolume', 'snapshot', '-r', 'vault.img', '/home', '/home-today');
  const [from, to] = ['/home/private/papers/photo.raw', '/home/private/copy.raw'];
  butterlock('cp', '--reflink=always', 'vault.img', from, to, '--key-file', 'my.key');
  butterlock('info', 'vault.img');

  tell('Without the key there are only no-key names, and no contents.');
  butterlock('ls', '-lR', 'vault.img');
  run(['cat', 'vault.img', '/home/private/papers/letter.txt'], EXIT_NO_KEY);

  tell('With the key everything is there, in the snapshot too.');
  butterlock('ls', '-lR', 'vault.img', '--key-file', 'my.key');
  butterlock('cat', 'vault.img', '/home-today/private/papers/letter.txt', '--key-file', 'my.key');

  tell('Every byte comes back.');
  mkdirSync('back');
  butterlock(
    'get',
    '-r',
    'vault.img',
    '/home/private/papers',
    '/home/private/copy.raw',
    'back',
    '--key-file',
    'my.key',
  );
  for (const copy of ['back/papers/photo.raw', 'back/copy.raw']) {
    if (sha256(copy) !== sha256('papers/photo.raw')) throw new Error(`${copy} is not what was put in`);
    console.log(`  ${sha256(copy)}  ${copy}: the same as papers/photo.raw`);
  }
  judge();
}

/** Stock tools refuse encrypted volumes, so a copy with the marks of encryption taken off is judged. */
function judge(): void {
  if (spawnSync('btrfs', ['--version']).status !== 0) {
    tell('With btrfs-progs installed, `btrfs check` would now judge the volume.');
    return;
  }
  tell('The judge: `btrfs check --check-data-csum`, on a copy without the marks of encryption.');
  const complaints = btrfsCheckComplaints(copyWithoutMarks(join(directory, 'vault.img')));
  if (complaints.length > 0) throw new Error(`btrfs check complains:\n${complaints.join('\n')}`);
  console.log('  no error found');
}

try {
  makeSources();
  story();
  tell('Done.');
} finally {
  process.chdir(tmpdir());
  rmSync(directory, { recursive: true, force: true });
}
