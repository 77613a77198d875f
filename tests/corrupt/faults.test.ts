/**
 * A device that fails at one call: whichever it is, the operation ends in a clean error, a failed
 * write or flush leaves the volume read-only, and the device holds what a commit had written whole.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FsError } from '../../src/bytes/index.js';
import { type BlockDevice, type Fault, FaultyDevice, RecordingDevice } from '../../src/device/index.js';
import type { ExtentContextPlace } from '../../src/mkfs/index.js';
import { openVolumeDevices } from '../../src/volume/index.js';
import { explore, fsErrorOf, type Sight } from '../support/hostile/explore.js';
import { nameBytes, overlayOf, ownSubject, type Subject } from '../support/hostile/subjects.js';
import { CHANGES, commitsIn } from '../support/hostile/workout.js';
import { type OpenedFilesystem, openFilesystem } from '../support/open-filesystem.js';
import { seededRandom, steppingClock } from '../support/seeded.js';
import { assertBooksBalance } from '../support/soundness.js';

/** Calls from one that fails to the next, of which there are hundreds; every one when asked for longer runs. */
const STRIDE = process.env.BUTTERLOCK_RUNS === undefined ? 5 : 1;

interface Outcome {
  readonly opened: OpenedFilesystem | undefined;
  readonly error: FsError | undefined;
}

/** Does the changes up to the first error. The same calls on the same device, every time. */
function runChanges(device: BlockDevice, keys: readonly Uint8Array[]): Outcome {
  let opened: OpenedFilesystem | undefined;
  const error = fsErrorOf(() => {
    opened = openFilesystem(device, { keys, clock: steppingClock(1_800_000_000), random: seededRandom('faults') });
    const { filesystem } = opened;
    for (const change of CHANGES) {
      const failed = fsErrorOf(() => change(filesystem, filesystem.lookup(filesystem.root(), nameBytes('vault'))));
      if (failed !== undefined && failed.code !== 'ENOTEMPTY') throw failed;
    }
    filesystem.close();
  });
  return { opened, error };
}

/** What the device shows after each commit, by generation. */
function statesOf(subject: Subject): Map<number, Sight> {
  const recording = new RecordingDevice(overlayOf(subject));
  assert.equal(runChanges(recording, subject.keys).error, undefined);
  const states = new Map<number, Sight>();
  for (const events of [0, ...commitsIn(recording)]) {
    const device = recording.replay(events);
    states.set(openVolumeDevices(device).superblock.generation, explore(device, subject.keys));
  }
  return states;
}

const LAYOUTS: (ExtentContextPlace | undefined)[] = [undefined, 'item', 'trailing'];
const FAULTS: Pick<Required<Fault>, 'of' | 'code'>[] = [
  { of: ['write'], code: 'EIO' },
  { of: ['write'], code: 'ENOSPC' },
  { of: ['flush'], code: 'EIO' },
  { of: ['read'], code: 'EIO' },
];

for (const layout of LAYOUTS) {
  const subject = ownSubject(layout);
  for (const { of, code } of FAULTS) {
    test(`${subject.name}: ${of} fails with ${code}`, () => {
      const states = statesOf(subject);
      const stride = of.includes('flush') ? 1 : STRIDE;
      for (let call = 1; ; call += stride) {
        const medium = overlayOf(subject);
        const device = new FaultyDevice(medium, { call, code, of });
        const { opened, error } = runChanges(device, subject.keys);
        if (!device.hasFailed) break;
        checkOutcome(`${of} ${call}`, medium, subject, states, opened, error, of.includes('read'));
      }
    });
  }
}

function checkOutcome(
  what: string,
  medium: BlockDevice,
  subject: Subject,
  states: Map<number, Sight>,
  opened: OpenedFilesystem | undefined,
  error: FsError | undefined,
  mayBeSurvived: boolean,
): void {
  const { generation } = openVolumeDevices(medium).superblock;
  const state = states.get(generation);
  if (error !== undefined && state !== undefined) assert.deepEqual(explore(medium, subject.keys), state, what);
  if (mayBeSurvived) return;
  assert.ok(error !== undefined, `${what}: the failure is reported`);
  assert.ok(state !== undefined, `${what}: generation ${generation} was never committed`);
  assert.notEqual(opened?.transaction.writable, true, `${what}: the volume is read-only afterwards`);
}

/** Reads fail from one call on, both copies of everything, until the device is well again. */
class AilingDevice implements BlockDevice {
  readonly size: number;
  readonly readOnly = false;
  readonly name = 'ailing device';
  isIll = true;
  private readonly base: BlockDevice;
  private readsLeft: number;

  constructor(base: BlockDevice, readsLeft: number) {
    this.base = base;
    this.size = base.size;
    this.readsLeft = readsLeft;
  }

  read(offset: number, into: Uint8Array): void {
    if (this.isIll && this.readsLeft-- <= 0) throw new FsError('EIO', 'the device is ill');
    this.base.read(offset, into);
  }

  write(offset: number, from: Uint8Array): void {
    this.base.write(offset, from);
  }

  flush(): void {}

  close(): void {}
}

for (const layout of LAYOUTS) {
  const subject = ownSubject(layout);
  test(`${subject.name}: nothing can be read for a while`, () => {
    for (let reads = 1; ; reads += STRIDE) {
      const medium = overlayOf(subject);
      const device = new AilingDevice(medium, reads);
      const { opened, error } = runChanges(device, subject.keys);
      if (error === undefined) break;
      device.isIll = false;
      fsErrorOf(() => opened?.filesystem.close());
      const again = openFilesystem(medium, { keys: subject.keys });
      assert.deepEqual(again.transaction.readOnlyReasons, [], `after ${reads} reads`);
      assertBooksBalance(again.transaction);
      assert.equal(explore(medium, subject.keys).get('error'), undefined);
    }
  });
}
