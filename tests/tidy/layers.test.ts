/** The rows of the architecture: the same in the rules, in docs/DESIGN.md and in src. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Layer {
  readonly row: number;
  readonly folder: string;
  readonly knows: string;
}

const layers: Layer[] = JSON.parse(readFileSync('scripts/layers.json', 'utf8'));

test('docs/DESIGN.md shows the rows of the dependency rules', () => {
  const design = readFileSync('docs/DESIGN.md', 'utf8');
  const rows = [...design.matchAll(/^\| (\d+) \| `([a-z]+)\/` \| (.+) \|$/gm)];
  const shown = rows.map(([, row, folder, knows]) => ({ row: Number(row), folder, knows }));
  assert.deepEqual(shown, layers);
});

test('every folder of src has its row', () => {
  const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const unknown = folders.map(({ name }) => name).filter((name) => !layers.some(({ folder }) => folder === name));
  assert.deepEqual(unknown, []);
});
