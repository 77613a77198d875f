/** Runs one command line from its words to its exit code. */
import { CommanderError } from 'commander';
import { EXIT_OK, EXIT_USAGE } from './failure.js';
import { output } from './output.js';
import { buildProgram } from './program.js';
import { OutputClosed, type Streams } from './streams.js';

/** @param words - the command and its arguments. @returns the exit code */
export async function run(words: readonly string[], streams: Streams): Promise<number> {
  output.begin(streams);
  try {
    try {
      await buildProgram().parseAsync(words, { from: 'user' });
    } catch (error) {
      if (error instanceof CommanderError) output.noteExitCode(error.exitCode === 0 ? EXIT_OK : EXIT_USAGE);
      else if (error instanceof OutputClosed) return EXIT_OK;
      else output.failure(error);
    }
    return output.end();
  } catch (error) {
    if (error instanceof OutputClosed) return EXIT_OK;
    throw error;
  }
}
