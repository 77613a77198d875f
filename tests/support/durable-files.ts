/** What must be found after a kill, by what {@link Change}s were begun and which of them were durable. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { BLOCK, type Change, MAX_BLOCKS } from './kill-load.js';

/** Numbers of changes that a block may show: the last durable one and every one begun after it. */
type Candidates = Set<number>;

/** No change has written it: there is no such block, or it is a hole. */
const NOTHING = 0;

interface ExpectedFile {
  /** Whether the name may be missing; must be, if nothing else is left. */
  mayBeMissing: boolean;
  mayBeThere: boolean;
  readonly blocks: Candidates[];
}

export class DurableFiles {
  /** Durable changes seen. */
  count = 0;
  private readonly files = new Map<string, ExpectedFile>();

  note(change: Change): void {
    const file = this.files.get(change.file) ?? {
      mayBeMissing: true,
      mayBeThere: false,
      blocks: Array.from({ length: MAX_BLOCKS }, () => new Set([NOTHING])),
    };
    this.files.set(change.file, file);
    const isDurable = change.kind === 'durable';
    if (isDurable) this.count += 1;
    if (change.what === 'remove') file.mayBeMissing = true;
    else file.mayBeThere = true;
    if (isDurable) file[change.what === 'remove' ? 'mayBeThere' : 'mayBeMissing'] = false;
    file.blocks.forEach((candidates, index) => {
      if (change.what === 'remove' && !isDurable) return;
      const isWritten = index >= change.first && index < change.end;
      if (!isWritten && change.what === 'overwrite') return;
      if (isDurable) candidates.clear();
      candidates.add(isWritten ? change.number : NOTHING);
    });
  }

  /** Fails unless every file in `directory` shows what it may show. */
  check(directory: string): void {
    for (const [name, file] of this.files) {
      const path = `${directory}/${name}`;
      const isThere = existsSync(path);
      if (!isThere) assert.ok(file.mayBeMissing, `${path} is missing`);
      else if (!file.mayBeThere) assert.fail(`${path} is there again`);
      else checkBlocks(path, readFileSync(path), file.blocks);
    }
  }
}

function checkBlocks(path: string, bytes: Buffer, blocks: readonly Candidates[]): void {
  blocks.forEach((candidates, index) => {
    const block = bytes.subarray(index * BLOCK, (index + 1) * BLOCK);
    const found = block.length === 0 ? NOTHING : block.readUInt32LE();
    assert.ok(candidates.has(found), `${path}, block ${index}: change ${found}, not one of ${[...candidates]}`);
    for (let at = 0; at < block.length; at += 4) assert.equal(block.readUInt32LE(at), found, `${path} at ${at}`);
  });
}
