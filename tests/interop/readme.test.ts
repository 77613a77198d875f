/** The README's program does what the README says. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

test('the example of the README runs', () => {
  const example = /```ts\n([\s\S]*?)```/.exec(readFileSync('README.md', 'utf8'))?.[1];
  assert.ok(example);
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', example], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const [noKeyName, letter] = stdout.trim().split('\n');
  assert.match(noKeyName ?? '', /^\[ '[A-Za-z0-9_-]{30,}' \]$/);
  assert.equal(letter, 'Dear diary');
});
