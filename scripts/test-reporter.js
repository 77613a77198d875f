/**
 * Reports a run of node --test: a line for each test file, failures in full when they happen,
 * and closing lines that stay: what was skipped and why, what failed, and node's own counts.
 * With CI=true a skipped test fails the run.
 */
import { relative } from 'node:path';

const COUNTS = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /;

const sourceOf = (file) =>
  relative(process.cwd(), file ?? '')
    .replace(/^build\//, '')
    .replace(/\.js$/, '.ts');

/** The error as the test threw it, without the runner's wrapping. */
function reasonOf(error) {
  const cause = error?.code === 'ERR_TEST_FAILURE' && error.cause !== undefined ? error.cause : error;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

const indented = (text) => text.replace(/^/gm, '    ');

/** A failure of a suite, or of a file as a whole, only repeats its tests' failures. */
const isOwnFailure = ({ details }) => details.error?.failureType !== 'subtestsFailed' && details.type !== 'suite';

export default async function* report(source) {
  const files = new Map();
  const failures = [];
  const skips = new Map();
  const counts = [];

  for await (const { type, data } of source) {
    if (type === 'test:pass' || type === 'test:fail') {
      const file = sourceOf(data.file);
      const seen = files.get(file) ?? { passed: 0, failed: 0, skipped: 0, milliseconds: 0 };
      files.set(file, seen);
      if (data.nesting === 0) seen.milliseconds += data.details.duration_ms ?? 0;
      if (type === 'test:fail') {
        if (!isOwnFailure(data)) continue;
        seen.failed += 1;
        failures.push(`${file}: ${data.name}`);
        yield `FAIL ${file}: ${data.name}\n${indented(reasonOf(data.details.error))}\n`;
      } else if (data.skip !== undefined) {
        seen.skipped += 1;
        const reason = data.skip === true ? 'no reason given' : data.skip;
        skips.set(reason, [...(skips.get(reason) ?? []), `${file}: ${data.name}`]);
      } else {
        seen.passed += 1;
      }
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      yield data.message;
    } else if (type === 'test:diagnostic' && data.nesting === 0 && COUNTS.test(data.message)) {
      counts.push(data.message);
    }
  }

  for (const [file, { passed, failed, skipped, milliseconds }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const parts = [`${passed} passed`, failed > 0 && `${failed} FAILED`, skipped > 0 && `${skipped} skipped`];
    yield `${file}: ${parts.filter(Boolean).join(', ')} (${(milliseconds / 1000).toFixed(1)} s)\n`;
  }
  for (const [reason, names] of skips) {
    yield `\nskipped, ${reason}:\n${names.map((name) => `  ${name}\n`).join('')}`;
  }
  if (skips.size > 0 && process.env.CI === 'true') {
    yield '\nwith CI=true nothing may be skipped\n';
    process.exitCode = 1;
  }
  if (failures.length > 0) yield `\nfailed:\n${failures.map((name) => `  ${name}\n`).join('')}`;
  yield `\n${counts.map((line) => `# ${line}\n`).join('')}`;
}
