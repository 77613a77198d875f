/**
 * Power cuts at every write of recorded workloads.
 *
 * Whatever the cut left of the writes since the last flush (kept, dropped, reordered, torn at 512
 * bytes), the volume opens, its books balance, and it holds exactly what the newest commit that
 * reached the disk held; and no commit that had returned is missing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CrashImage, crashImages, MemoryDevice, OverlayDevice, RecordingDevice } from '../../src/device/index.js';
import { cloneRange } from '../../src/filesystem/data/clone.js';
import type { Filesystem, Inode } from '../../src/filesystem/index.js';
import { createSnapshot, createSubvolume, deleteSubvolume } from '../../src/filesystem/subvolumes.js';
import { type ExtentContextPlace, makeVolume } from '../../src/mkfs/index.js';
import { openVolumeDevices } from '../../src/volume/index.js';
import { requireAbility } from '../support/abilities.js';
import { assertSound } from '../support/btrfs-check.js';
import { copyWithoutMarks } from '../support/clear-marks.js';
import { deviceToFile } from '../support/device-files.js';
import { listing, openFilesystem } from '../support/open-filesystem.js';
import { seededRandom, steppingClock } from '../support/seeded.js';
import { assertBooksBalance } from '../support/soundness.js';

const MIB = 1024 * 1024;
const SEED = 20_261_122;
const KEY = Buffer.alloc(64, 0x5a);
const OWNER = { uid: 0, gid: 0 };

interface Workload {
  readonly name: string;
  readonly size: number;
  readonly layout?: ExtentContextPlace;
  /** Done before the recording begins. */
  readonly prepare: (filesystem: Filesystem, top: Inode) => void;
  /** Each is followed by a commit. */
  readonly steps: readonly ((filesystem: Filesystem, top: Inode) => void)[];
}

interface Recorded {
  readonly recording: RecordingDevice;
  /** Listing by generation of the superblock. */
  readonly states: Map<number, Map<string, string>>;
}

const name = (text: string): Uint8Array => Buffer.from(text);

function put(
  filesystem: Filesystem,
  directory: Inode,
  file: string,
  offset: number,
  length: number,
  fill: number,
): Inode {
  const exists = [...filesystem.readDirectory(directory)].some((entry) => Buffer.from(entry.name).toString() === file);
  const inode = exists
    ? filesystem.lookup(directory, name(file))
    : filesystem.create(directory, name(file), 0o644, OWNER);
  inode.data.write(offset, Buffer.alloc(length, fill));
  return inode;
}

/** The directory the workload happens in: encrypted where the volume can be. */
function workplace(filesystem: Filesystem): Inode {
  const root = filesystem.root();
  const [first] = [...filesystem.readDirectory(root)];
  if (first !== undefined) return filesystem.lookup(root, first.name);
  const directory = filesystem.mkdir(root, name('vault'), 0o755, OWNER);
  if (filesystem.layout !== undefined) {
    const masterKeyIdentifier = filesystem.keyring.add(KEY);
    filesystem.setPolicy(directory, {
      contentsMode: 1,
      filenamesMode: 4,
      flags: 3,
      log2DataUnitSize: 0,
      masterKeyIdentifier,
    });
  }
  return directory;
}

const createAndOverwrite: Workload['steps'] = [
  (fs, top) => {
    put(fs, top, 'a', 0, 100_000, 1);
    put(fs, top, 'small', 0, 700, 2);
    fs.symlink(top, name('link'), name('a'), OWNER);
  },
  (fs, top) => {
    put(fs, top, 'a', 20_000, 30_000, 3);
    fs.rename(top, name('small'), top, name('renamed'));
    fs.link(fs.lookup(top, name('a')), top, name('hard'));
  },
  (fs, top) => {
    fs.lookup(top, name('a')).data.punchHole(8192, 16_384);
    fs.unlink(top, name('renamed'));
    put(fs, top, 'b', 5_000, 9_000, 4);
  },
  (fs, top) => fs.setAttributes(fs.lookup(top, name('a')), { size: 33_333 }),
  (fs, top) => {
    const a = fs.lookup(top, name('a'));
    const copy = fs.create(top, name('clone'), 0o600, OWNER);
    cloneRange(a, 0, 32_768, copy, 4096);
    fs.unlink(top, name('hard'));
    fs.unlink(top, name('a'));
  },
];

const snapshots: Workload['steps'] = [
  (fs, top) => void createSnapshot(top.subvolume, fs.root(), name('snap'), false),
  (fs, top) => {
    put(fs, top, 'file3', 4096, 4096, 9);
    fs.unlink(top, name('file1'));
    const inSnapshot = fs.lookup(fs.lookup(fs.root(), name('snap')), name('vault'));
    put(fs, inSnapshot, 'file2', 0, 5000, 8);
    fs.unlink(inSnapshot, name('file3'));
  },
  (fs) => void createSubvolume(fs.root(), name('sub'), OWNER),
  (fs) => void createSnapshot(fs.lookup(fs.root(), name('snap')).subvolume, fs.root(), name('snap2'), true),
  (fs) => deleteSubvolume(fs.root(), name('snap')),
  (fs, top) => {
    put(fs, top, 'file4', 0, 50_000, 7);
    deleteSubvolume(fs.root(), name('snap2'));
  },
];

const manyFiles = (fs: Filesystem, top: Inode): void => {
  for (let i = 0; i < 60; i++) put(fs, top, `file${i}`, 0, 3000 + i * 200, i);
};

/** Fills the volume until it says so, deletes on the full volume, and goes on. */
const fullDevice: Workload['steps'] = [
  (fs, top) => {
    const file = fs.create(top, name('filler'), 0o644, OWNER);
    const piece = Buffer.alloc(2 * MIB, 0x77);
    assert.throws(
      () => {
        for (let at = 0; at < 4096 * MIB; ) {
          const written = file.data.write(at, piece);
          if (written < piece.length) at += written;
          else at += piece.length;
        }
      },
      { code: 'ENOSPC' },
    );
  },
  (fs, top) => fs.unlink(top, name('file5')),
  (fs, top) => fs.unlink(top, name('filler')),
  (fs, top) => void put(fs, top, 'after', 0, 300_000, 6),
];

const WORKLOADS: Workload[] = [
  { name: 'create and overwrite, plain', size: 128 * MIB, prepare: () => {}, steps: createAndOverwrite },
  { name: 'create and overwrite, item', size: 128 * MIB, layout: 'item', prepare: () => {}, steps: createAndOverwrite },
  {
    name: 'create and overwrite, trailing',
    size: 128 * MIB,
    layout: 'trailing',
    prepare: () => {},
    steps: createAndOverwrite,
  },
  { name: 'snapshots and subvolumes, plain', size: 128 * MIB, prepare: manyFiles, steps: snapshots },
  { name: 'snapshots and subvolumes, item', size: 128 * MIB, layout: 'item', prepare: manyFiles, steps: snapshots },
  { name: 'a full device', size: 110 * MIB, layout: 'item', prepare: manyFiles, steps: fullDevice },
];

function record(workload: Workload): Recorded {
  const base = new MemoryDevice(workload.size);
  const random = seededRandom(workload.name);
  const clock = steppingClock();
  makeVolume(base, { random, clock, ...(workload.layout && { extentContext: workload.layout }) });
  const before = openFilesystem(base, { keys: [KEY], random, clock });
  workload.prepare(before.filesystem, workplace(before.filesystem));
  before.filesystem.close();

  const recording = new RecordingDevice(base);
  const { filesystem, volume } = openFilesystem(recording, { keys: [KEY], random, clock });
  const states = new Map([[volume.superblock.generation, listing(filesystem)]]);
  recording.mark(String(volume.superblock.generation));
  for (const step of workload.steps) {
    step(filesystem, workplace(filesystem));
    filesystem.commit();
    states.set(volume.superblock.generation, listing(filesystem));
    recording.mark(String(volume.superblock.generation));
  }
  addStatesBetween(recording, states);
  return { recording, states };
}

/** Commits inside a step: their states are read from the disk as it is when nothing is lost. */
function addStatesBetween(recording: RecordingDevice, states: Recorded['states']): void {
  const all = crashImages(recording, { seed: SEED, imagesPerCut: 2 });
  for (const { image, description } of all) {
    if (!description.includes('image 0')) continue;
    const { generation } = openVolumeDevices(image).superblock;
    if (!states.has(generation))
      states.set(generation, listing(openFilesystem(image, { keys: [KEY], readOnly: true }).filesystem));
  }
}

/** @throws AssertionError, FsError when the image breaks a promise */
function checkImage({ image, lastMark, description }: CrashImage, states: Recorded['states']): void {
  try {
    const { volume, filesystem, transaction } = openFilesystem(new OverlayDevice(image), {
      keys: [KEY],
      readOnly: true,
    });
    const { generation } = volume.superblock;
    assert.ok(
      generation >= Number(lastMark ?? 0),
      `generation ${generation} is older than the commit ${lastMark} that had returned`,
    );
    assert.deepEqual(listing(filesystem), states.get(generation), `what generation ${generation} held`);
    assertBooksBalance(transaction);
  } catch (error) {
    throw new Error(`${description}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** A writable opening finishes what the cut interrupted, and the volume goes on working. */
function checkGoingOn({ image, description }: CrashImage): void {
  const opened = openFilesystem(image, { keys: [KEY] });
  const top = workplace(opened.filesystem);
  put(opened.filesystem, top, 'goes on', 0, 10_000, 1);
  opened.filesystem.close();
  const again = openFilesystem(image, { keys: [KEY], readOnly: true });
  assert.ok(
    [...listing(again.filesystem).keys()].some((path) => path.endsWith('/goes on')),
    description,
  );
  assertBooksBalance(again.transaction);
}

for (const workload of WORKLOADS) {
  test(`power cuts: ${workload.name}`, () => {
    const { recording, states } = record(workload);
    let number = 0;
    for (const crash of crashImages(recording, { seed: SEED, imagesPerCut: 6 })) {
      checkImage(crash, states);
      if (number++ % 9 === 0) checkGoingOn(crash);
    }
    assert.ok(number > 100, `${number} images were looked at`);
  });
}

test('power cuts: btrfs check agrees', requireAbility('btrfs-progs'), () => {
  for (const workload of WORKLOADS.filter(({ name }) => /plain|item/.test(name))) {
    const { recording } = record(workload);
    let number = 0;
    for (const { image } of crashImages(recording, { seed: SEED, imagesPerCut: 3 })) {
      if (number++ % 97 !== 0) continue;
      const path = deviceToFile(image);
      assertSound(workload.layout === undefined ? path : copyWithoutMarks(path));
    }
  }
});

test('power cuts: the test bites when any one flush of the commit is left out', () => {
  const workload = WORKLOADS.find(({ name }) => name === 'create and overwrite, item');
  assert.ok(workload);
  const { recording, states } = record(workload);
  const flushes = recording.events.filter(({ kind }) => kind === 'flush').length;
  const perCommit = flushes / workload.steps.length;
  assert.equal(perCommit, 2, 'a commit flushes before and after the first superblock');
  for (let which = 0; which < perCommit; which++) {
    const images = crashImages(recording, {
      seed: SEED,
      imagesPerCut: 24,
      skipFlush: (flush) => flush % perCommit === which,
    });
    assert.throws(() => {
      for (const crash of images) checkImage(crash, states);
    }, `without flush ${which} of ${perCommit}`);
  }
});

test('a commit costs a known number of writes and flushes', () => {
  const base = new MemoryDevice(128 * MIB);
  makeVolume(base, { random: seededRandom('count'), clock: steppingClock() });
  const recording = new RecordingDevice(base);
  const { filesystem } = openFilesystem(recording);
  const count = (kind: string) => recording.events.filter((event) => event.kind === kind).length;
  filesystem.commit();
  assert.equal(recording.events.length, 0, 'nothing changed, nothing is written');
  filesystem.create(filesystem.root(), name('empty'), 0o644, OWNER);
  filesystem.commit();
  // Neighbouring blocks go in one write, to both copies of DUP; then two superblock copies.
  assert.deepEqual({ writes: count('write'), flushes: count('flush') }, { writes: 2 + 2, flushes: 2 });
  filesystem.commit();
  assert.equal(count('flush'), 2);
});
