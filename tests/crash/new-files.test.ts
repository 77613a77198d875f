/**
 * Power cuts around fsync of files that the last commit does not have: they are there by a name that
 * they had since, and what happened to names meanwhile harms nobody else's.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatheringDevice, MemoryDevice, RecordingDevice } from '../../src/device/index.js';
import type { Filesystem, Inode } from '../../src/filesystem/index.js';
import { type ExtentContextPlace, makeVolume } from '../../src/mkfs/index.js';
import { requireAbility } from '../support/abilities.js';
import { DurableNames, type Found } from '../support/durable-names.js';
import { openFilesystem } from '../support/open-filesystem.js';
import { afterEachCut, checkReplayed } from '../support/power-cuts.js';
import { seededRandom, steppingClock } from '../support/seeded.js';

const MIB = 1024 * 1024;
const SEED = 20_261_126;
const KEY = Buffer.alloc(64, 0x6e);
const OWNER = { uid: 0, gid: 0 };
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const DIRECTORIES = ['one', 'two'];
const STEPS = 70;

interface Recorded {
  readonly recording: RecordingDevice;
  readonly names: DurableNames;
  /** How often the log took a new file, and how often fsync committed. */
  readonly logged: number;
  readonly committed: number;
}

function makeDirectories(filesystem: Filesystem): void {
  const root = filesystem.root();
  for (const name of DIRECTORIES) {
    const directory = filesystem.mkdir(root, Buffer.from(name), 0o755, OWNER);
    if (filesystem.layout === undefined) continue;
    const masterKeyIdentifier = filesystem.keyring.add(KEY);
    const modes = { contentsMode: 1, filenamesMode: 4, flags: 3, log2DataUnitSize: 0 };
    filesystem.setPolicy(directory, { ...modes, masterKeyIdentifier });
  }
}

/** A directory and a name in it, of a path `directory/name`. */
function placeOf(filesystem: Filesystem, path: string): [Inode, Buffer] {
  const [directory = '', name = ''] = path.split('/');
  return [filesystem.lookup(filesystem.root(), Buffer.from(directory)), Buffer.from(name)];
}

function inodeAt(filesystem: Filesystem, path: string): Inode {
  return filesystem.lookup(...placeOf(filesystem, path));
}

/** Everything there is, without the directories themselves. */
function filesIn(filesystem: Filesystem): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const directory of DIRECTORIES) {
    const top = filesystem.lookup(filesystem.root(), Buffer.from(directory));
    for (const entry of [...filesystem.readDirectory(top)]) {
      const path = `${directory}/${Buffer.from(entry.name)}`;
      const inode = inodeAt(filesystem, path);
      const { size, nlink } = filesystem.stat(inode);
      const bytes = Buffer.alloc(size);
      assert.equal(inode.data.read(0, bytes), size);
      found.set(path, { contents: bytes.toString('latin1'), nlink });
    }
  }
  return found;
}

class Workload {
  readonly names = new DurableNames();
  logged = 0;
  committed = 0;
  private readonly filesystem: Filesystem;
  private readonly choose: (below: number) => number;

  constructor(filesystem: Filesystem, choose: (below: number) => number) {
    this.filesystem = filesystem;
    this.choose = choose;
  }

  /** Some changes, and a file made durable. */
  step(): void {
    for (let count = this.choose(4); count >= 0; count--) this.change();
    const path = this.some([...this.names.byName.keys()]);
    if (path !== undefined) this.sync(path);
    if (this.choose(12) === 0) {
      this.filesystem.commit();
      this.names.committed();
    }
    this.names.endStep();
  }

  private change(): void {
    const { filesystem, names } = this;
    const there = this.some([...names.byName.keys()]);
    const path = `${this.some(DIRECTORIES)}/${this.some(NAMES)}`;
    const what = this.choose(10);
    if (there === undefined || what < 4) {
      if (names.byName.has(path)) this.unlink(path);
      this.make(path);
      if (this.choose(2) === 0) this.sync(path);
    } else if (what < 6) {
      this.write(there);
    } else if (what === 6) {
      this.unlink(there);
    } else if (what === 7 && !names.byName.has(path)) {
      filesystem.link(inodeAt(filesystem, there), ...placeOf(filesystem, path));
      names.link(there, path);
    } else if (names.byName.get(path) !== names.byName.get(there)) {
      filesystem.rename(...placeOf(filesystem, there), ...placeOf(filesystem, path), 'replace');
      names.rename(there, path);
    }
  }

  private make(path: string): void {
    const [directory, name] = placeOf(this.filesystem, path);
    this.filesystem.create(directory, name, 0o644, OWNER);
    this.names.make(path);
    this.write(path);
  }

  private write(path: string): void {
    // Above what is kept inline: that makes fsync commit.
    const contents = this.names.nextContents(path, 2100 + this.choose(20_000));
    inodeAt(this.filesystem, path).data.write(0, Buffer.from(contents, 'latin1'));
  }

  private unlink(path: string): void {
    this.filesystem.unlink(...placeOf(this.filesystem, path));
    this.names.remove(path);
  }

  private sync(path: string): void {
    const inode = inodeAt(this.filesystem, path);
    const { transaction } = this.filesystem;
    const { transid } = transaction;
    const isNew = inode.item.generation === transid;
    this.filesystem.fsync(inode);
    if (transaction.transid > transid) {
      this.names.committed();
      this.committed += 1;
    } else {
      this.names.synced(path);
      if (isNew) this.logged += 1;
    }
  }

  private some<T>(all: readonly T[]): T | undefined {
    return all[this.choose(all.length)];
  }
}

function record(layout: ExtentContextPlace | undefined, seed: string): Recorded {
  const base = new MemoryDevice(128 * MIB);
  const random = seededRandom(seed);
  const clock = steppingClock();
  makeVolume(base, { random, clock, ...(layout && { extentContext: layout }) });
  const before = openFilesystem(base, { keys: [KEY], random, clock });
  makeDirectories(before.filesystem);
  before.filesystem.close();
  const recording = new RecordingDevice(base);
  const { filesystem } = openFilesystem(new GatheringDevice(recording), { keys: [KEY], random, clock });
  const workload = new Workload(filesystem, (below) => {
    const bytes = new Uint8Array(4);
    random.fill(bytes);
    return below === 0 ? 0 : new DataView(bytes.buffer).getUint32(0) % below;
  });
  const { names } = workload;
  names.endStep();
  recording.mark('0');
  for (let step = 1; step <= STEPS; step++) {
    workload.step();
    recording.mark(String(step));
  }
  return { recording, names, logged: workload.logged, committed: workload.committed };
}

for (const layout of [undefined, 'item', 'trailing'] as const) {
  for (const seed of ['i', 'ii', 'iii']) {
    test(`power cuts around fsync of new files, ${layout ?? 'plain'}, ${seed}`, () => {
      const { recording, names, logged, committed } = record(layout, `new files ${layout} ${seed}`);
      assert.ok(logged > 10 && committed > 5, `${logged} times by the log, ${committed} times by a commit`);
      afterEachCut({ recording, seed: SEED, imagesPerCut: 2, key: KEY }, (filesystem, step) => {
        names.check(step, filesIn(filesystem));
        filesystem.create(...placeOf(filesystem, 'one/another'), 0o644, OWNER);
      });
    });
  }
}

test('a volume that got new files from its log passes btrfs check', requireAbility('btrfs-progs'), () => {
  for (const layout of [undefined, 'item'] as const) {
    const { recording } = record(layout, `check new files ${layout}`);
    checkReplayed({ recording, seed: SEED, imagesPerCut: 2, key: KEY }, layout !== undefined, 37);
  }
});
