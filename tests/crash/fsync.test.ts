/**
 * Power cuts around fsync: what it returned for is there, by the commit or by the log beside it.
 *
 * A cut leaves each file as the last fsync or commit that had returned left it, or as the one that
 * was under way would have; never anything else, and the volume that replayed its log is sound.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashImages, GatheringDevice, MemoryDevice, RecordingDevice } from '../../src/device/index.js';
import type { Filesystem, Inode } from '../../src/filesystem/index.js';
import { type ExtentContextPlace, makeVolume } from '../../src/mkfs/index.js';
import { requireAbility } from '../support/abilities.js';
import { openFilesystem } from '../support/open-filesystem.js';
import { afterEachCut, checkReplayed } from '../support/power-cuts.js';
import { seededRandom, steppingClock } from '../support/seeded.js';

const MIB = 1024 * 1024;
const SEED = 20_261_125;
const KEY = Buffer.alloc(64, 0x6b);
const OWNER = { uid: 0, gid: 0 };
const FILES = ['a', 'b', 'c'];
const FILE_SIZE = 400_000;
const STEPS = 40;

type Contents = ReadonlyMap<string, string>;

interface Recorded {
  readonly recording: RecordingDevice;
  /** What was durable after each step, by its number. */
  readonly durable: Contents[];
  /** How often the log did, and how often it took a commit. */
  readonly logged: number;
  readonly committed: number;
}

/** The directory with the files: encrypted where the volume can be. */
function workplace(filesystem: Filesystem): Inode {
  const root = filesystem.root();
  const [first] = [...filesystem.readDirectory(root)];
  if (first !== undefined) return filesystem.lookup(root, first.name);
  const directory = filesystem.mkdir(root, Buffer.from('vault'), 0o755, OWNER);
  if (filesystem.layout !== undefined) {
    const masterKeyIdentifier = filesystem.keyring.add(KEY);
    const modes = { contentsMode: 1, filenamesMode: 4, flags: 3, log2DataUnitSize: 0 };
    filesystem.setPolicy(directory, { ...modes, masterKeyIdentifier });
  }
  return directory;
}

function contentsOf(filesystem: Filesystem): Contents {
  const top = workplace(filesystem);
  return new Map(
    FILES.map((name) => {
      const inode = filesystem.lookup(top, Buffer.from(name));
      const bytes = Buffer.alloc(filesystem.stat(inode).size);
      assert.equal(inode.data.read(0, bytes), bytes.length);
      return [name, bytes.toString('latin1')];
    }),
  );
}

function record(layout: ExtentContextPlace | undefined, seed: string): Recorded {
  const base = new MemoryDevice(128 * MIB);
  const random = seededRandom(seed);
  const clock = steppingClock();
  makeVolume(base, { random, clock, ...(layout && { extentContext: layout }) });
  const before = openFilesystem(base, { keys: [KEY], random, clock });
  for (const name of FILES) {
    const inode = before.filesystem.create(workplace(before.filesystem), Buffer.from(name), 0o644, OWNER);
    inode.data.write(0, Buffer.alloc(FILE_SIZE, name));
  }
  before.filesystem.close();

  const recording = new RecordingDevice(base);
  const { filesystem, volume } = openFilesystem(new GatheringDevice(recording), { keys: [KEY], random, clock });
  const durable: Contents[] = [contentsOf(filesystem)];
  recording.mark('0');
  const counts = { logged: 0, committed: 0 };
  const choose = (below: number): number => {
    const bytes = new Uint8Array(4);
    random.fill(bytes);
    return new DataView(bytes.buffer).getUint32(0) % below;
  };
  for (let step = 1; step <= STEPS; step++) {
    const name = FILES[choose(FILES.length)] ?? 'a';
    const { generation } = volume.superblock;
    change(filesystem, name, step, choose);
    const inode = filesystem.lookup(workplace(filesystem), Buffer.from(name));
    filesystem.fsync(inode);
    const isCommitted = volume.superblock.generation > generation;
    const now = contentsOf(filesystem);
    const last = durable[step - 1] ?? now;
    durable.push(isCommitted ? now : new Map([...last, [name, now.get(name) ?? '']]));
    counts[isCommitted ? 'committed' : 'logged'] += 1;
    recording.mark(String(step));
  }
  return { recording, durable, ...counts };
}

/** Changes a file, and now and then another one that nobody syncs. */
function change(filesystem: Filesystem, name: string, step: number, choose: (below: number) => number): void {
  const top = workplace(filesystem);
  const write = (file: string): void => {
    const inode = filesystem.lookup(top, Buffer.from(file));
    const bytes = Buffer.alloc(1 + choose(20_000), step);
    inode.data.write(choose(FILE_SIZE), bytes);
  };
  for (let count = choose(4); count >= 0; count--) write(name);
  if (choose(3) === 0) write(FILES[choose(FILES.length)] ?? 'a');
  const inode = filesystem.lookup(top, Buffer.from(name));
  if (choose(12) === 0) filesystem.setAttributes(inode, { size: choose(FILE_SIZE) });
  if (choose(12) === 0) inode.data.punchHole(choose(FILE_SIZE), 30_000);
  if (choose(15) === 0) filesystem.rename(top, Buffer.from(name), top, Buffer.from(name));
}

for (const layout of [undefined, 'item', 'trailing'] as const) {
  test(`power cuts around fsync, ${layout ?? 'plain'}`, () => {
    const { recording, durable, logged, committed } = record(layout, `fsync ${layout}`);
    assert.ok(logged > 10 && committed > 2, `${logged} times by the log, ${committed} times by a commit`);
    afterEachCut({ recording, seed: SEED, imagesPerCut: 3, key: KEY }, (filesystem, step) => {
      for (const [name, found] of contentsOf(filesystem)) {
        const wanted = [durable[step]?.get(name), durable[step + 1]?.get(name)];
        assert.ok(wanted.includes(found), `${name} is as step ${step} or ${step + 1} left it`);
      }
    });
  });
}

test('a volume that replayed its log passes btrfs check', requireAbility('btrfs-progs'), () => {
  for (const layout of [undefined, 'item'] as const) {
    const { recording } = record(layout, `check ${layout}`);
    checkReplayed({ recording, seed: SEED, imagesPerCut: 2, key: KEY }, layout !== undefined, 29);
  }
});

test('leaving out either flush of the log is noticed', () => {
  const { recording, durable } = record('item', 'flushes');
  for (const parity of [0, 1]) {
    const images = crashImages(recording, { seed: SEED, imagesPerCut: 12, skipFlush: (flush) => flush % 2 === parity });
    assert.throws(() => {
      for (const { image, lastMark } of images) {
        const { filesystem } = openFilesystem(image, { keys: [KEY] });
        const step = Number(lastMark ?? 0);
        for (const [name, found] of contentsOf(filesystem)) {
          assert.ok([durable[step]?.get(name), durable[step + 1]?.get(name)].includes(found));
        }
      }
    }, `without every other flush, beginning with ${parity}`);
  }
});
