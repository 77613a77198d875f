/** The command line: `butterlock COMMAND …`. */
import { CommanderError } from 'commander';
import { describeFailure, EXIT_OK, EXIT_USAGE, exitCodeOf } from './failure.js';
import { OutputClosed, output } from './output.js';
import { buildProgram } from './program.js';

async function run(words: string[]): Promise<number> {
  try {
    await buildProgram().parseAsync(words, { from: 'user' });
    output.flush();
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT_OK;
  } catch (error) {
    if (error instanceof OutputClosed) return EXIT_OK;
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    return fail(error);
  }
}

/** What was found before the failure is still shown. */
function fail(error: unknown): number {
  try {
    output.flush();
  } catch (closed) {
    if (!(closed instanceof OutputClosed)) throw closed;
  }
  process.stderr.write(`butterlock: ${describeFailure(error)}\n`);
  return exitCodeOf(error);
}

process.exitCode = await run(process.argv.slice(2));
