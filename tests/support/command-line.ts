/** Runs the command line: here and now with streams of its own, or as a process, as a user would. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/cli/run.js';
import { temporaryPath } from './temporary.js';

/** The script that bin/butterlock runs, of this build. */
export const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export interface CommandLineOptions {
  readonly input?: string | Uint8Array;
}

export interface CommandLineResult {
  readonly status: number | null;
  readonly stdout: Buffer;
  /** What was printed, as text. */
  readonly text: string;
  readonly stderr: string;
}

/** Runs `butterlock WORDS…` to its end, in this process. */
export async function butterlock(
  words: readonly string[],
  options: CommandLineOptions = {},
): Promise<CommandLineResult> {
  let input = Buffer.from(options.input ?? '');
  const printed: Buffer[] = [];
  const complaints: string[] = [];
  const status = await run(words, {
    read(into) {
      const count = input.copy(into);
      input = input.subarray(count);
      return count;
    },
    write: (bytes) => printed.push(Buffer.from(bytes)),
    error: (text) => complaints.push(text),
  });
  const stdout = Buffer.concat(printed);
  return { status, stdout, text: stdout.toString(), stderr: complaints.join('') };
}

/** Runs `butterlock WORDS…`, which must succeed and say nothing on standard error. @returns what it printed */
export async function mustButterlock(words: readonly string[], options: CommandLineOptions = {}): Promise<string> {
  const { status, text, stderr } = await butterlock(words, options);
  if (status !== 0 || stderr !== '') throw new Error(`butterlock ${words.join(' ')}: exit ${status}\n${stderr}`);
  return text;
}

/** As {@link butterlock}, in a process of its own. */
export function spawnButterlock(
  words: readonly string[],
  options: CommandLineOptions & { readonly environment?: Readonly<Record<string, string>> } = {},
): CommandLineResult {
  const { BUTTERLOCK_KEY_FILES: _, ...inherited } = process.env;
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [MAIN, ...words], {
    input: options.input ?? '',
    env: { ...inherited, ...options.environment },
    maxBuffer: 2 ** 28,
  });
  if (error !== undefined) throw error;
  return { status, stdout, text: stdout.toString(), stderr: stderr.toString() };
}

/** A file that holds a key. */
export function keyFile(key: Uint8Array): string {
  const path = temporaryPath('.key');
  writeFileSync(path, key, { mode: 0o600 });
  return path;
}
