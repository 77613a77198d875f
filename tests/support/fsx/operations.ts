/** What a run does to its files: each operation chooses at random, does it to the file and to the model. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { copyFileRange, dropPages, lseek, SEEK_DATA, SEEK_HOLE } from '../file-calls.js';
import { FALLOCATE, fallocate } from '../system-calls.js';
import { type DrivenFile, MAX_SIZE } from './driven-file.js';
import type { Fsx } from './fsx.js';

type Operation = (fsx: Fsx, file: DrivenFile) => void;

const SECTOR = 4096;

/** Some bytes of the file, or of where it could grow to. */
function anyRange({ random }: Fsx, limit: number, longest = 65536): { start: number; length: number } {
  let start = random.below(limit);
  let length = 1 + random.below(random.pick([16, 16, 4096, 4096, 20_000, longest]));
  if (random.oneIn(3)) {
    start -= start % SECTOR;
    if (random.oneIn(2)) length += SECTOR - (length % SECTOR);
  }
  return { start, length: Math.min(length, limit - start) };
}

const write: Operation = (fsx, file) => {
  const { start, length } = anyRange(fsx, MAX_SIZE);
  const bytes = fsx.someBytes(length);
  fsx.did('write', file, start, start + length);
  assert.equal(fs.writeSync(file.open.fd, bytes, 0, length, start), length);
  file.put(start, bytes);
};

const append: Operation = (fsx, file) => {
  const length = Math.min(1 + fsx.random.below(fsx.random.pick([100, 10_000])), MAX_SIZE - file.size);
  const bytes = fsx.someBytes(length);
  fsx.did('append', file, file.size, file.size + length);
  fs.writeSync(file.open.appending, bytes);
  file.put(file.size, bytes);
};

const writeDirectly: Operation = (fsx, file) => {
  const start = fsx.random.below(MAX_SIZE / SECTOR) * SECTOR;
  const length = Math.min(SECTOR * (1 + fsx.random.below(16)), MAX_SIZE - start);
  const bytes = fsx.someBytes(length);
  fsx.did('write O_DIRECT', file, start, start + length);
  assert.equal(fs.writeSync(file.open.direct, bytes, 0, length, start), length);
  file.put(start, bytes);
};

const writeMapped: Operation = (fsx, file) => {
  const { start, length } = anyRange(fsx, MAX_SIZE);
  if (start + length > file.size) setSize(fsx, file, start + length);
  const bytes = fsx.someBytes(length);
  fsx.did('write mapped', file, start, start + length);
  file.open.mapped.write(start, bytes);
  file.put(start, bytes);
  if (fsx.random.oneIn(8)) file.open.mapped.sync();
};

const read: Operation = (fsx, file) => {
  const { start, length } = anyRange(fsx, MAX_SIZE);
  const bytes = Buffer.alloc(length);
  const descriptor = fsx.random.oneIn(6) ? file.open.direct : file.open.fd;
  const count = fs.readSync(descriptor, bytes, 0, length, start);
  fsx.compare('read', file, start, bytes.subarray(0, count), Math.min(length, Math.max(0, file.size - start)));
};

const readMapped: Operation = (fsx, file) => {
  if (file.size === 0) return;
  const { start, length } = anyRange(fsx, file.size);
  fsx.compare('read mapped', file, start, file.open.mapped.read(start, length), length);
};

function setSize(fsx: Fsx, file: DrivenFile, size: number): void {
  fsx.did(`truncate from ${file.size}`, file, Math.min(size, file.size), Math.max(size, file.size));
  fs.ftruncateSync(file.open.fd, size);
  file.resize(size);
}

const truncate: Operation = (fsx, file) => {
  const { random } = fsx;
  const around = file.size + random.below(40_000) - 20_000;
  setSize(fsx, file, Math.max(0, Math.min(random.oneIn(8) ? random.below(MAX_SIZE) : around, MAX_SIZE)));
};

/** Now and then a file is small, as most files are. */
const shrink: Operation = (fsx, file) => setSize(fsx, file, fsx.random.below(fsx.random.pick([1, 3000, 9000])));

const punchHole: Operation = (fsx, file) => {
  const { start, length } = anyRange(fsx, MAX_SIZE, 200_000);
  fsx.did('punch hole', file, start, start + length);
  fallocate(file.open.fd, FALLOCATE.PUNCH_HOLE | FALLOCATE.KEEP_SIZE, start, length);
  file.zero(start, start + length);
};

const zeroRange: Operation = (fsx, file) => {
  const { start, length } = anyRange(fsx, MAX_SIZE, 100_000);
  const keepsSize = fsx.random.oneIn(2);
  fsx.did(keepsSize ? 'zero range, keep size' : 'zero range', file, start, start + length);
  fallocate(file.open.fd, FALLOCATE.ZERO_RANGE | (keepsSize ? FALLOCATE.KEEP_SIZE : 0), start, length);
  file.zero(start, start + length);
  if (!keepsSize) file.size = Math.max(file.size, start + length);
};

const preallocate: Operation = (fsx, file) => {
  const { start, length } = anyRange(fsx, MAX_SIZE, 100_000);
  const keepsSize = fsx.random.oneIn(2);
  fsx.did(keepsSize ? 'preallocate, keep size' : 'preallocate', file, start, start + length);
  fallocate(file.open.fd, keepsSize ? FALLOCATE.KEEP_SIZE : 0, start, length);
  if (!keepsSize) file.size = Math.max(file.size, start + length);
};

/** Shares sectors where both ends allow it; the kernel copies the rest. */
const copy: Operation = (fsx, target) => {
  const { random } = fsx;
  const source = random.oneIn(2) ? target : random.pick(fsx.files);
  if (source.size === 0) return;
  const isAligned = !random.oneIn(5);
  let [from, to] = [random.below(source.size), random.below(MAX_SIZE)];
  let length = Math.min(1 + random.below(random.pick([SECTOR, 200_000])), source.size - from, MAX_SIZE - to);
  if (isAligned) {
    [from, to] = [from - (from % SECTOR), to - (to % SECTOR)];
    length = Math.min(Math.ceil(length / SECTOR) * SECTOR, source.size - from, MAX_SIZE - to);
  }
  if (source === target && Math.abs(from - to) < length + SECTOR) return;
  fsx.did(`copy from file ${source.number} at ${from}`, target, to, to + length, { file: source.number, start: from });
  for (let done = 0; done < length; ) {
    const count = copyFileRange(source.open.fd, from + done, target.open.fd, to + done, length - done);
    assert.ok(count > 0, 'copy_file_range goes on');
    done += count;
  }
  target.put(to, source.wanted.subarray(from, from + length));
};

/** What SEEK_DATA and SEEK_HOLE call a hole reads as zeros. */
const seek: Operation = (fsx, file) => {
  for (let position = 0; position < file.size; ) {
    const data = nextData(file, position);
    fsx.compareZeros('seek', file, position, data);
    if (data === file.size) return;
    position = lseek(file.open.fd, data, SEEK_HOLE);
    assert.ok(position > data && position <= file.size, `a hole at ${position}, after data at ${data}`);
  }
};

function nextData({ open, size }: DrivenFile, position: number): number {
  try {
    return lseek(open.fd, position, SEEK_DATA);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENXIO') return size;
    throw error;
  }
}

const synchronise: Operation = (fsx, file) => {
  fsx.did('fsync', file, 0, Number.POSITIVE_INFINITY);
  if (fsx.random.oneIn(2)) fs.fdatasyncSync(file.open.fd);
  else fs.fsyncSync(file.open.fd);
};

const reopen: Operation = (fsx, file) => {
  fsx.did('reopen', file, 0, Number.POSITIVE_INFINITY);
  file.close();
};

const drop: Operation = (fsx, file) => {
  fsx.did('drop pages', file, 0, Number.POSITIVE_INFINITY);
  if (fsx.random.oneIn(2)) file.open.mapped.sync();
  dropPages(file.open.fd);
};

/** How often each is done, in relation to the others. */
const WEIGHTS: readonly (readonly [Operation, number])[] = [
  [write, 20],
  [append, 4],
  [writeDirectly, 3],
  [writeMapped, 12],
  [read, 16],
  [readMapped, 12],
  [truncate, 8],
  [shrink, 1],
  [punchHole, 5],
  [zeroRange, 5],
  [preallocate, 4],
  [copy, 8],
  [seek, 1],
  [synchronise, 0.5],
  [reopen, 0.5],
  [drop, 2],
];

const TICKETS: readonly Operation[] = WEIGHTS.flatMap(([operation, weight]) =>
  new Array<Operation>(weight * 2).fill(operation),
);

export function nextOperation({ random }: Fsx): Operation {
  return random.pick(TICKETS);
}
