/** The command line: `butterlock COMMAND …`. */
import { run } from './run.js';
import { processStreams } from './streams.js';

process.exitCode = await run(process.argv.slice(2), processStreams);
