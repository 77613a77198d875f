import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BlockDevice, crashImages, MemoryDevice, RecordingDevice } from '../../../src/device/index.js';

const SECTOR = 512;

/** Two 1 KiB writes, a flush, a mark, one more write. */
function recordSample(): RecordingDevice {
  const initial = new MemoryDevice(8192);
  initial.write(0, new Uint8Array(8192).fill(9));
  const recording = new RecordingDevice(initial);
  recording.write(0, new Uint8Array(1024).fill(1));
  recording.write(4096, new Uint8Array(1024).fill(2));
  recording.flush();
  recording.mark('first');
  recording.write(0, new Uint8Array(1024).fill(3));
  return recording;
}

/** The first byte of each 512-byte sector, and a check that sectors are whole. */
function sectors(image: BlockDevice, offset: number, count: number): number[] {
  return Array.from({ length: count }, (_value, index) => {
    const bytes = new Uint8Array(SECTOR);
    image.read(offset + index * SECTOR, bytes);
    assert.ok(
      bytes.every((byte) => byte === bytes[0]),
      'a sector is torn inside',
    );
    return bytes[0] ?? -1;
  });
}

test('a recording reads as written, replays any prefix and leaves its base alone', () => {
  const recording = recordSample();
  assert.deepEqual(sectors(recording, 0, 2), [3, 3]);
  assert.deepEqual(sectors(recording.initial, 0, 2), [9, 9]);
  assert.deepEqual(sectors(recording.replay(1), 0, 2), [1, 1]);
  assert.deepEqual(sectors(recording.replay(1), 4096, 2), [9, 9]);
  assert.deepEqual(sectors(recording.replay(), 4096, 2), [2, 2]);
  assert.deepEqual(
    recording.events.map((event) => event.kind),
    ['write', 'write', 'flush', 'mark', 'write'],
  );
});

test('flushed writes survive every cut, unflushed ones may be kept, lost or torn', () => {
  const recording = recordSample();
  const seen = new Set<string>();
  for (const { image, afterEvents, lastMark, description } of crashImages(recording, { seed: 1, imagesPerCut: 32 })) {
    const first = sectors(image, 0, 2);
    const second = sectors(image, 4096, 2);
    assert.equal(lastMark, afterEvents > 3 ? 'first' : undefined, description);
    if (afterEvents === 3 || afterEvents === 4)
      assert.deepEqual(
        [first, second],
        [
          [1, 1],
          [2, 2],
        ],
        description,
      );
    if (afterEvents === 5)
      assert.ok(
        first.every((value) => value === 1 || value === 3),
        description,
      );
    if (afterEvents === 2) seen.add(`${first}/${second}`);
  }
  for (const wanted of ['1,1/2,2', '9,9/9,9', '1,1/9,9', '9,9/2,2']) assert.ok(seen.has(wanted), wanted);
  assert.ok(
    [...seen].some((state) => state.includes('1,9') || state.includes('9,1')),
    'no torn write',
  );
});

test('unflushed writes to one place may be done in any order', () => {
  const recording = new RecordingDevice(new MemoryDevice(4096));
  for (const value of [1, 2, 3]) recording.write(0, new Uint8Array(SECTOR).fill(value));
  const left = new Set<number | undefined>();
  for (const { image } of crashImages(recording, { seed: 3, imagesPerCut: 64, from: 3 }))
    left.add(sectors(image, 0, 1)[0]);
  assert.deepEqual([...left].sort(), [0, 1, 2, 3]);
});

test('a skipped flush makes flushed writes losable', () => {
  const options = { seed: 1, from: 4, to: 4, skipFlush: (flush: number) => flush === 0 };
  const images = [...crashImages(recordSample(), options)];
  assert.equal(images.length, 8);
  const states = new Set<string>();
  for (const { image } of crashImages(recordSample(), options)) states.add(sectors(image, 0, 2).join());
  assert.ok(states.has('9,9'));
});

test('one seed gives the same images, writes that may not tear are whole', () => {
  const list = (seed: number) =>
    [...crashImages(recordSample(), { seed, imagesPerCut: 32, mayTear: () => false })].map(
      (image) => image.description,
    );
  assert.deepEqual(list(7), list(7));
  assert.notDeepEqual(list(7), list(8));
  assert.ok(list(7).every((description) => !/\[.*t.*\]/.test(description)));
});
