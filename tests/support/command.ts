/** Runs the system's tools and reports them in full when they fail. */
import { spawnSync } from 'node:child_process';
import { toolEnvironment } from './abilities.js';

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever its exit status. @throws Error if it cannot be started */
export function runCommand(program: string, ...args: string[]): CommandResult {
  const result = spawnSync(program, args, { encoding: 'utf8', env: toolEnvironment(), maxBuffer: 2 ** 28 });
  if (result.error !== undefined) throw result.error;
  return result;
}

/** Runs a program that must succeed. @returns its standard output */
export function mustRun(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = runCommand(program, ...args);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${status}\n${stdout}${stderr}`);
  return stdout;
}
