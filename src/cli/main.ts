/** The command line: `butterlock COMMAND …`. */

import { run } from './run.js';
import { processStreams } from './streams.js';
import { isHelperCall, runMountHelper } from './system-mount.js';

const words = process.argv.slice(2);
process.exitCode = isHelperCall(words) ? await runMountHelper(words) : await run(words, processStreams);
