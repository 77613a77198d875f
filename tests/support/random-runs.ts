/**
 * How many random runs, from which seed. The seed is the commit's, so that each commit explores
 * something else and repeats itself; BUTTERLOCK_SEED and BUTTERLOCK_RUNS say otherwise.
 */
import { runCommand } from './command.js';

export interface RandomRuns {
  readonly seed: number;
  readonly numRuns: number;
  readonly includeErrorInReport: boolean;
}

export function randomRuns(numRuns: number): RandomRuns {
  const { BUTTERLOCK_SEED: seed, BUTTERLOCK_RUNS: runs } = process.env;
  return {
    seed: seed === undefined ? commitSeed() : Number(seed),
    numRuns: runs === undefined ? numRuns : Number(runs),
    includeErrorInReport: true,
  };
}

/** 1 outside of a checkout. */
function commitSeed(): number {
  const { status, stdout } = runCommand('git', 'rev-parse', 'HEAD');
  return status === 0 ? Number.parseInt(stdout.slice(0, 7), 16) : 1;
}
