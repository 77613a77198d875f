/** What a linter does not look at: sizes of files, their names, and things left behind in them. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';

const MAX_LINES = 450;
const MAX_COLUMNS = 120;
const VAGUE_NAME = /util|helper|misc|manager|common/i;
const LEFT_BEHIND = /\bTODO\b|\bFIXME\b|\bXXX\b|@ts-ignore|@ts-expect-error|@ts-nocheck|biome-ignore/;
const NARROWED_RUN = /\b(test|it|describe|suite)\.(only|skip|todo)\b|\bonly: true|\bskip: true/;

interface Source {
  readonly path: string;
  readonly lines: readonly string[];
}

function sourcesIn(...folders: string[]): Source[] {
  return folders.filter(existsSync).flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.(ts|js|cjs)$/.test(path))
      .map((path) => `${folder}/${path}`)
      .map((path) => ({ path, lines: readFileSync(path, 'utf8').split('\n') })),
  );
}

/** This folder names what it forbids. */
const isTidy = ({ path }: Source): boolean => path.startsWith('tests/tidy/');

const sources = sourcesIn('src', 'tests', 'bench', 'demo', 'scripts');

/** The places, `path:line`, where `pattern` is found. */
function placesOf(pattern: RegExp, among: readonly Source[]): string[] {
  return among.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

test(`no source file has more than ${MAX_LINES} lines`, () => {
  const long = sources.filter(({ lines }) => lines.length - 1 > MAX_LINES);
  assert.deepEqual(
    long.map(({ path, lines }) => `${path}: ${lines.length - 1} lines`),
    [],
  );
});

test(`no line is longer than ${MAX_COLUMNS} columns, but for texts`, () => {
  const withoutText = new RegExp(`^(?!.*['"\`]|\\s*/[^*/]).{${MAX_COLUMNS + 1}}`);
  assert.deepEqual(placesOf(withoutText, sources), []);
});

test('files are named for what they hold', () => {
  assert.deepEqual(
    sources.map(({ path }) => path).filter((path) => VAGUE_NAME.test(basename(path))),
    [],
  );
});

test('nothing is left for later, and no check is silenced', () => {
  assert.deepEqual(
    placesOf(
      LEFT_BEHIND,
      sources.filter((source) => !isTidy(source)),
    ),
    [],
  );
});

test('no test is switched off or singled out', () => {
  assert.deepEqual(
    placesOf(
      NARROWED_RUN,
      sourcesIn('tests').filter((source) => !isTidy(source)),
    ),
    [],
  );
});
