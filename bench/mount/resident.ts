/** Resident memory of another process. */
import { readFileSync, writeFileSync } from 'node:fs';

/** In MiB. */
export interface Resident {
  readonly now: number;
  /** The most since {@link resetPeak}, or since the process started. */
  readonly peak: number;
}

/** @see man 5 proc_pid_status */
export function residentOf(pid: number): Resident {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
  return { now: field('VmRSS'), peak: field('VmHWM') };
}

/** @see man 5 proc_pid_clear_refs */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
