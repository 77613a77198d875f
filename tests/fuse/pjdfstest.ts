/**
 * A program for scripts/pjdfstest: runs a checkout of pjdfstest on a fresh mount, and fails unless everything passes
 * and the volume is sound.
 *
 *     node pjdfstest.js CHECKOUT [TESTS…]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { toolEnvironment } from '../support/abilities.js';
import { MountedVolume, makeEncryptedDirectory, writeKeyFile } from '../support/mounted-volume.js';
import { temporaryPath } from '../support/temporary.js';

/**
 * What has to fail. A symlink's target is encrypted into one block together with its length, which leaves no
 * room for a target of PATH_MAX: the kernel's own filesystems with fscrypt fail the same two assertions.
 */
const TOO_LONG_TO_ENCRYPT = 'encrypted: symlink/03.t: Failed tests: 1-2';

/** Copies the program and its tests, which may lie where others cannot read. @returns the directory of the tests */
function copyTests(checkout: string): string {
  const copy = temporaryPath('-pjdfstest');
  mkdirSync(copy);
  for (const part of ['pjdfstest', 'tests']) cpSync(join(checkout, part), join(copy, part), { recursive: true });
  return join(copy, 'tests');
}

/** Runs tests in a directory, showing what `prove` prints. @returns its complaints, by test file */
async function prove(tests: string, wanted: readonly string[], directory: string): Promise<string[]> {
  const paths = wanted.length > 0 ? wanted.map((name) => join(tests, name)) : [tests];
  const harness = spawn('prove', ['--recurse', ...paths], {
    cwd: directory,
    env: toolEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  harness.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text);
    printed += text;
  });
  const [status] = await once(harness, 'close');
  const complaints = complaintsIn(printed, tests);
  return status !== 0 && complaints.length === 0 ? [`prove ended with status ${status}`] : complaints;
}

/** Reads the summary of `prove`: a line for each test file, followed by indented ones that say what is wrong. */
function complaintsIn(printed: string, tests: string): string[] {
  const summary = /^-+\n(.*)^Files=/ms.exec(printed)?.[1] ?? '';
  return summary
    .split(/^(?=\S)/m)
    .map((part) => {
      const [file = '', ...said] = part.trim().split(/\s*\n\s*/);
      const wrong = said
        .join(' ')
        .replace(/\w+ passed: [\d\s,-]*/, '')
        .replaceAll(/\s+/g, ' ');
      return wrong === '' ? '' : `${relative(tests, file.split(' ')[0] ?? '')}: ${wrong.trim()}`;
    })
    .filter((complaint) => complaint !== '');
}

async function main([checkout, ...wanted]: readonly string[]): Promise<void> {
  if (checkout === undefined) throw new Error('usage: pjdfstest CHECKOUT [TESTS…]');
  const tests = copyTests(checkout);
  const volume = new MountedVolume({ size: 2048 });
  mkdirSync(volume.at('plain'));
  makeEncryptedDirectory(volume.path, volume.at('encrypted'), writeKeyFile(1));
  const failures: string[] = [];
  for (const name of ['plain', 'encrypted']) {
    console.log(`in the directory ${name}:`);
    const complaints = await prove(tests, wanted, volume.at(name));
    failures.push(...complaints.map((complaint) => `${name}: ${complaint}`));
  }
  volume.finish();
  console.log('\nThe volume is sound.');
  const unexpected = failures.filter((failure) => failure !== TOO_LONG_TO_ENCRYPT);
  for (const failure of failures) console.log(unexpected.includes(failure) ? failure : `${failure}, as it must be`);
  process.exitCode = unexpected.length === 0 ? 0 : 1;
}

await main(process.argv.slice(2));
