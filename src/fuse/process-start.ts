/** Telling whether a process is still the one it was: its number may be another's by now. */
import { readFileSync } from 'node:fs';

/** When a process started, in ticks since boot; undefined once it has ended. */
export function startOf(pid: number | 'self'): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? undefined : fields[18];
  } catch {
    return undefined;
  }
}
