/** docs/CLI.md is true: it names every command, and its exit codes are the program's. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Command } from 'commander';
import * as failure from '../../../src/cli/failure.js';
import { buildProgram } from '../../../src/cli/program.js';

const manual = readFileSync('docs/CLI.md', 'utf8');

function namesOf(command: Command): string[] {
  return command.commands.map((below) => below.name());
}

test('every command is in the table', () => {
  const table = manual.slice(manual.indexOf('## Commands'), manual.indexOf('## Keys'));
  for (const name of namesOf(buildProgram())) assert.match(table, new RegExp(`[\`, ]${name}[\` ]`), name);
  for (const group of ['subvolume', 'key', 'xattr']) {
    const command = buildProgram().commands.find((below) => below.name() === group);
    assert.ok(command);
    for (const name of namesOf(command)) assert.ok(table.includes(name), `${group} ${name}`);
  }
});

test('every command has a description, and so has every option', () => {
  const visit = (command: Command): void => {
    assert.notEqual(command.description(), '', command.name());
    for (const option of command.options) assert.notEqual(option.description, '', `${command.name()} ${option.flags}`);
    command.commands.forEach(visit);
  };
  visit(buildProgram());
});

test('the exit codes', () => {
  const codes = Object.entries(failure).flatMap(([name, value]) => (name.startsWith('EXIT_') ? [value] : []));
  const documented = [...manual.matchAll(/^\| (\d) \|/gm)].map(([, code]) => Number(code));
  assert.deepEqual(documented, codes.sort());
});
