/** docs/FORMAT.md shows the offset tables and the features as they are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as format from '../../../src/format/index.js';

type OffsetTable = Readonly<Record<string, number>> & { readonly SIZE: number };

const TABLES: Readonly<Record<string, OffsetTable>> = {
  Key: format.KEY,
  'Block header': format.HEADER,
  Item: format.ITEM,
  'Key pointer': format.KEY_PTR,
  Superblock: format.SUPER,
  'Backup root': format.BACKUP_ROOT,
  Chunk: format.CHUNK,
  Stripe: format.STRIPE,
  'Device item': format.DEV_ITEM,
  'Device extent': format.DEV_EXTENT,
  'Device replace': format.DEV_REPLACE_ITEM,
  'Block group item': format.BLOCK_GROUP_ITEM,
  'Free space info': format.FREE_SPACE_INFO,
  'Extent item': format.EXTENT_ITEM,
  'Tree block info': format.TREE_BLOCK_INFO,
  'Inline reference': format.INLINE_REF,
  'Data reference': format.EXTENT_DATA_REF,
  'Shared data reference': format.SHARED_DATA_REF,
  'Root item': format.ROOT_ITEM,
  'Root reference': format.ROOT_REF,
  'Quota status': format.QGROUP_STATUS,
  Timespec: format.TIMESPEC,
  'Inode item': format.INODE_ITEM,
  'Inode reference': format.INODE_REF,
  'Extended inode reference': format.INODE_EXTREF,
  'Directory entry': format.DIR_ITEM,
  'Directory log': format.DIR_LOG_ITEM,
  'File extent': format.FILE_EXTENT,
  'Trailing context': format.TRAILING_CONTEXT,
  'Inode context': format.INODE_CONTEXT,
  'Extent context': format.EXTENT_CONTEXT,
};

const FEATURES: Readonly<Record<string, readonly format.Feature[]>> = {
  'Incompatible features': format.INCOMPAT_FEATURES,
  'Features that forbid writing': format.COMPAT_RO_FEATURES,
  'Compatible features': format.COMPAT_FEATURES,
};

const sections = readSections();

test('every offset table is shown, and nothing else is', () => {
  const exported = Object.values<unknown>(format).filter(isOffsetTable);
  const shown = Object.values(TABLES);
  assert.deepEqual(
    exported.filter((table) => !shown.includes(table)),
    [],
  );
  const titles = [...sections].filter(([, rows]) => rows.length > 0).map(([title]) => title);
  assert.deepEqual(titles.sort(), [...Object.keys(TABLES), ...Object.keys(FEATURES)].sort());
});

for (const [title, table] of Object.entries(TABLES)) {
  test(`the table of ${title}`, () => {
    const shown = sections.get(title)?.map(([offset, size, field]) => [offset, size, field]);
    assert.deepEqual(shown, rowsOf(table));
  });
}

for (const [title, features] of Object.entries(FEATURES)) {
  test(`the table of ${title}`, () => {
    const wanted = features.map(({ name, bit, support }) => [`${bit.toString(2).length - 1}`, name, support]);
    assert.deepEqual(sections.get(title), wanted);
  });
}

/** Offset, bytes up to the next field, name; at last the size of the whole. */
function rowsOf(table: OffsetTable): string[][] {
  const fields = Object.entries(table).filter(([field]) => field !== 'SIZE');
  const rows = fields.map(([field, offset]) => {
    const later = Object.values(table).filter((other) => other > offset);
    return [`${offset}`, later.length === 0 ? '' : `${Math.min(...later) - offset}`, field];
  });
  return [...rows, [`${table.SIZE}`, '', 'end']];
}

function isOffsetTable(value: unknown): value is OffsetTable {
  return typeof value === 'object' && value !== null && 'SIZE' in value;
}

/** The cells of each section's table, without its head. */
function readSections(): Map<string, string[][]> {
  const found = new Map<string, string[][]>();
  let rows: string[][] = [];
  for (const line of readFileSync('docs/FORMAT.md', 'utf8').split('\n')) {
    if (line.startsWith('### ')) {
      rows = [];
      found.set(line.slice(4), rows);
    } else if (line.startsWith('| ') && !/^\| (offset|bit|---) /.test(line)) {
      const cells = line.slice(1, -1).split('|');
      rows.push(cells.map((cell) => cell.trim()));
    }
  }
  return found;
}
