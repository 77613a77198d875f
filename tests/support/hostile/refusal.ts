/** Command lines that must be refused. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from '../../../src/cli/run.js';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
const LONGEST_MILLISECONDS = 10_000;

export interface Circumstances {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** The user to be; makes it a process of its own. */
  readonly uid?: number;
  /** A process of its own, which can be ended when it hangs. */
  readonly apart?: boolean;
}

export interface Answer {
  readonly status: number | null;
  readonly stderr: string;
}

/** Runs `butterlock WORDS…`. @throws Error when it takes too long */
export async function answerTo(words: readonly string[], circumstances: Circumstances = {}): Promise<Answer> {
  const { uid, environment, apart } = circumstances;
  if (apart === true || uid !== undefined || environment !== undefined) return answerApart(words, circumstances);
  const started = performance.now();
  const answer = await answerHere(words, circumstances);
  const took = performance.now() - started;
  assert.ok(took < LONGEST_MILLISECONDS, `butterlock ${words.join(' ')} took ${Math.round(took)} ms`);
  return answer;
}

async function answerHere(words: readonly string[], { input = '' }: Circumstances): Promise<Answer> {
  let rest = Buffer.from(input);
  let stderr = '';
  const status = await run(words, {
    read(into) {
      const count = rest.copy(into);
      rest = rest.subarray(count);
      return count;
    },
    write() {},
    error(text) {
      stderr += text;
    },
  });
  return { status, stderr };
}

function answerApart(words: readonly string[], { input = '', environment, uid }: Circumstances): Answer {
  const { status, stderr, error } = spawnSync(process.execPath, [MAIN, ...words], {
    input,
    timeout: LONGEST_MILLISECONDS,
    maxBuffer: 2 ** 28,
    env: { ...process.env, BUTTERLOCK_KEY_FILES: '', ...environment },
    ...(uid === undefined ? {} : { uid }),
  });
  if (error !== undefined) throw new Error(`butterlock ${words.join(' ')}: ${error.message}`);
  return { status, stderr: stderr.toString() };
}

/** One line on standard error, an exit code other than 0, and `image`, if there is one, not written to. */
export async function assertRefused(
  words: readonly string[],
  image?: string,
  circumstances: Circumstances = {},
): Promise<void> {
  const before = image === undefined ? '' : writtenAt(image);
  const { status, stderr } = await answerTo(words, circumstances);
  const what = `butterlock ${words.join(' ').slice(0, 200)}`;
  assert.ok(status !== null && status !== 0, `${what}: exit code ${status}`);
  assert.match(stderr, /^butterlock: [^\n]+\n$/, `${what}: one line`);
  assert.doesNotMatch(stderr, /internal error|invariant/, what);
  if (image !== undefined) assert.equal(writtenAt(image), before, `${what} wrote to the image`);
}

function writtenAt(path: string): string {
  const { size, mtimeNs } = statSync(path, { bigint: true });
  return `${size} bytes, written at ${mtimeNs}`;
}
