/**
 * Random operations on the data of two files, applied to the real thing and to plain byte arrays,
 * which must agree after each.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isFsError } from '../../src/bytes/index.js';
import type { BlockDevice } from '../../src/device/index.js';
import { cloneRange, dedupeRange, type Filesystem, type Inode } from '../../src/filesystem/index.js';
import { auditExtents } from './extent-audit.js';
import { newDirectory, newFile, openFilesystem, type TestVolumeOptions } from './new-filesystem.js';

const SECTOR = 4096;
const LIMIT = 40 * SECTOR;

export type Step =
  | {
      readonly kind: 'write';
      readonly file: number;
      readonly offset: number;
      readonly length: number;
      readonly fill: number;
    }
  | { readonly kind: 'truncate'; readonly file: number; readonly size: number }
  | {
      readonly kind: 'punch' | 'zero' | 'allocate';
      readonly file: number;
      readonly offset: number;
      readonly length: number;
      readonly keepSize: boolean;
    }
  | {
      readonly kind: 'clone' | 'dedupe';
      readonly file: number;
      readonly from: number;
      readonly to: number;
      readonly sectors: number;
    }
  | { readonly kind: 'flush' | 'commit'; readonly file: number };

const file = fc.nat(1);
/** Offsets like to meet each other, and the edges of sectors. */
const place = fc.oneof(
  fc.nat(LIMIT),
  fc.nat(LIMIT / SECTOR).map((sector) => sector * SECTOR),
  fc
    .tuple(fc.nat(LIMIT / SECTOR), fc.integer({ min: -3, max: 3 }))
    .map(([sector, by]) => Math.max(0, sector * SECTOR + by)),
  fc.nat(3000),
);
const length = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 1, max: 12 }).map((n) => n * SECTOR),
  fc.integer({ min: 1, max: 50_000 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      { kind: fc.constant('write' as const), file, offset: place, length, fill: fc.integer({ min: 1, max: 255 }) },
      { noNullPrototype: true },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('truncate' as const), file, size: place }, { noNullPrototype: true }),
  },
  {
    weight: 4,
    arbitrary: fc.record(
      {
        kind: fc.constantFrom('punch' as const, 'zero' as const, 'allocate' as const),
        file,
        offset: place,
        length,
        keepSize: fc.boolean(),
      },
      { noNullPrototype: true },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record(
      {
        kind: fc.constantFrom('clone' as const, 'clone' as const, 'dedupe' as const),
        file,
        from: fc.nat(30),
        to: fc.nat(30),
        sectors: fc.integer({ min: 1, max: 20 }),
      },
      { noNullPrototype: true },
    ),
  },
  {
    weight: 3,
    arbitrary: fc.record(
      { kind: fc.constantFrom('flush' as const, 'commit' as const), file },
      { noNullPrototype: true },
    ),
  },
);

/** The bytes of the two files. */
type Model = [Uint8Array, Uint8Array];

function resized(bytes: Uint8Array, size: number): Uint8Array {
  const result = new Uint8Array(size);
  result.set(bytes.subarray(0, size));
  return result;
}

function grown(bytes: Uint8Array, size: number): Uint8Array {
  return size > bytes.length ? resized(bytes, size) : bytes;
}

function patternOf(fill: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (fill + i * 7 + (i >> 8)) & 0xff);
}

function apply(step: Step, model: Model, files: readonly Inode[], filesystem: Filesystem): void {
  const inode = files[step.file];
  const bytes = model[step.file];
  assert.ok(inode !== undefined && bytes !== undefined);
  switch (step.kind) {
    case 'write': {
      const written = patternOf(step.fill, step.length);
      assert.equal(inode.data.write(step.offset, written), written.length);
      model[step.file] = grown(bytes, step.offset + step.length);
      model[step.file]?.set(written, step.offset);
      return;
    }
    case 'truncate':
      inode.data.truncate(step.size);
      model[step.file] = resized(bytes, step.size);
      return;
    case 'punch':
      inode.data.punchHole(step.offset, step.length);
      bytes.fill(0, step.offset, step.offset + step.length);
      return;
    case 'zero':
      inode.data.zeroRange(step.offset, step.length, step.keepSize);
      bytes.fill(0, step.offset, step.offset + step.length);
      if (!step.keepSize) model[step.file] = grown(bytes, step.offset + step.length);
      return;
    case 'allocate':
      inode.data.preallocate(step.offset, step.length, step.keepSize);
      if (!step.keepSize) model[step.file] = grown(bytes, step.offset + step.length);
      return;
    case 'clone':
    case 'dedupe':
      share(step, model, files);
      return;
    case 'flush':
      inode.data.flush();
      return;
    case 'commit':
      filesystem.commit();
      return;
  }
}

function share(step: Extract<Step, { from: number }>, model: Model, files: readonly Inode[]): void {
  const [source, target] = [files[step.file], files[1 - step.file]];
  const [sourceBytes, targetBytes] = [model[step.file], model[1 - step.file]];
  assert.ok(source !== undefined && target !== undefined && sourceBytes !== undefined && targetBytes !== undefined);
  const from = step.from * SECTOR;
  const to = step.to * SECTOR;
  const length = Math.min(step.sectors * SECTOR, sourceBytes.length - from);
  if (length <= 0) return;
  const isOdd = length % SECTOR !== 0;
  if (step.kind === 'dedupe') {
    if (to + length > targetBytes.length || (isOdd && to + length !== targetBytes.length)) return;
    const isSame =
      Buffer.compare(sourceBytes.subarray(from, from + length), targetBytes.subarray(to, to + length)) === 0;
    assert.equal(dedupeRange(source, from, length, target, to), isSame);
    return;
  }
  if (isOdd && to + length < targetBytes.length) {
    assert.throws(
      () => cloneRange(source, from, length, target, to),
      (error) => isFsError(error, 'EINVAL'),
    );
    return;
  }
  cloneRange(source, from, length, target, to);
  const result = grown(targetBytes, to + length);
  result.set(sourceBytes.subarray(from, from + length), to);
  model[1 - step.file] = result;
}

function compare(files: readonly Inode[], model: Model): void {
  files.forEach((inode, i) => {
    const wanted = model[i] ?? new Uint8Array(0);
    assert.equal(inode.item.size, wanted.length, `size of file ${i}`);
    const found = new Uint8Array(wanted.length + 10);
    assert.equal(inode.data.read(0, found), wanted.length);
    const at = found.findIndex((byte, offset) => byte !== (wanted[offset] ?? 0));
    assert.equal(at, -1, `file ${i} differs first at byte ${at}`);
    compareHoles(inode, wanted);
  });
}

/** Between data and hole, holes must be zeros; data may be zeros too. */
function compareHoles(inode: Inode, wanted: Uint8Array): void {
  for (let position = 0; position < wanted.length; ) {
    let data = wanted.length;
    try {
      data = inode.data.dataAfter(position);
    } catch (error) {
      assert.ok(isFsError(error, 'ENXIO'));
    }
    assert.ok(
      wanted.subarray(position, data).every((byte) => byte === 0),
      `hole from ${position} to ${data} holds data`,
    );
    if (data === wanted.length) return;
    position = inode.data.holeAfter(data);
    assert.ok(position > data, 'data has a length');
  }
}

export const steps: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 1, maxLength: 40, size: 'max' });

/** The volumes worth a run each: places of contexts, explicit holes, other checksums and small nodes. */
export const VARIANTS: Record<string, TestVolumeOptions> = {
  plain: {},
  'plain with explicit holes': { explicitHoles: true },
  'encrypted, layout item': { layout: 'item' },
  'encrypted, layout trailing': { layout: 'trailing' },
  'encrypted, small nodes, sha256': { layout: 'item', nodesize: 4096, checksumType: 2 },
};

/** Runs steps on two new files in a new directory, and compares them once more when reopened. */
export function runSteps(
  device: BlockDevice,
  directoryName: string,
  steps: readonly Step[],
  between?: BetweenSteps,
): void {
  const filesystem = openFilesystem(device);
  const directory = newDirectory(filesystem, directoryName);
  const files = [newFile(filesystem, directory, 'a'), newFile(filesystem, directory, 'b')];
  const model: Model = [new Uint8Array(0), new Uint8Array(0)];
  steps.forEach((step, i) => {
    between?.(filesystem, i);
    apply(step, model, files, filesystem);
    compare(files, model);
    if (step.kind === 'commit') auditExtents(filesystem, files);
  });
  filesystem.commit();
  auditExtents(filesystem, files);
  assert.equal(filesystem.transaction.reservedDataBytes, 0, 'all promised space is used or given back');
  assert.equal(filesystem.writeback.bytes, 0);
  const reopened = openFilesystem(device);
  const found = files.map(({ subvolume, ino }) => reopened.inode(subvolume.id, ino));
  compare(found, model);
  auditExtents(reopened, found);
}

/** Something to do before a step that leaves the files as they are. */
export type BetweenSteps = (filesystem: Filesystem, step: number) => void;
