/** Files that live as long as the test process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Every temporary directory starts so; the test script looks for mounts and loop devices left under it. */
const PREFIX = 'butterlock-test-';

let directory: string | undefined;
let names = 0;

/** The process's own temporary directory, removed with its contents when the process exits. */
export function temporaryDirectory(): string {
  if (directory === undefined) {
    const created = mkdtempSync(join(tmpdir(), PREFIX));
    process.on('exit', () => rmSync(created, { recursive: true, force: true }));
    directory = created;
  }
  return directory;
}

/** A path that nothing exists at yet, in {@link temporaryDirectory}. */
export function temporaryPath(suffix = ''): string {
  names += 1;
  return join(temporaryDirectory(), `${names}${suffix}`);
}
