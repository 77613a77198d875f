import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FaultyDevice, GatheringDevice, MemoryDevice, RecordingDevice } from '../../../src/device/index.js';

const SIZE = 300_000;

type Step =
  | { readonly kind: 'write'; readonly offset: number; readonly length: number; readonly value: number }
  | { readonly kind: 'follow'; readonly length: number; readonly value: number }
  | { readonly kind: 'read'; readonly offset: number; readonly length: number }
  | { readonly kind: 'discard'; readonly offset: number; readonly length: number }
  | { readonly kind: 'flush' };

const length = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 5000 }) },
  fc.integer({ min: 1, max: 60_000 }),
);
const value = fc.integer({ min: 1, max: 255 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), offset: fc.nat(SIZE - 60_000), length, value }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('follow' as const), length, value }) },
  fc.record({ kind: fc.constant('read' as const), offset: fc.nat(SIZE - 60_000), length }),
  fc.record({ kind: fc.constant('discard' as const), offset: fc.nat(SIZE - 60_000), length }),
  fc.record({ kind: fc.constant('flush' as const) }),
);

test('reads see what was written, and a flush leaves all of it below', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const below = new MemoryDevice(SIZE);
      const device = new GatheringDevice(below);
      const wanted = Buffer.alloc(SIZE);
      let end = 0;
      for (const one of steps) {
        if (one.kind === 'write' || one.kind === 'follow') {
          const offset = one.kind === 'write' ? one.offset : Math.min(end, SIZE - one.length);
          end = offset + one.length;
          device.write(offset, Buffer.alloc(one.length, one.value));
          wanted.fill(one.value, offset, end);
        } else if (one.kind === 'discard') {
          device.discard?.(one.offset, one.length);
          wanted.fill(0, one.offset, one.offset + one.length);
        } else {
          const at = one.kind === 'read' ? one.offset : 0;
          const into = Buffer.alloc(one.kind === 'read' ? one.length : SIZE);
          if (one.kind === 'flush') device.flush();
          (one.kind === 'flush' ? below : device).read(at, into);
          assert.ok(into.equals(wanted.subarray(at, at + into.length)));
        }
      }
      device.close();
    }),
  );
});

test('neighbours go down as one write, in order with the others, before the flush', () => {
  const below = new RecordingDevice(new MemoryDevice(SIZE));
  const device = new GatheringDevice(below);
  for (const offset of [0, 4096, 8192, 100_000, 104_096]) device.write(offset, new Uint8Array(4096));
  device.write(108_192, new Uint8Array(64 * 1024));
  device.write(0, new Uint8Array(10));
  device.flush();
  assert.deepEqual(
    below.events.map((event) => (event.kind === 'write' ? [event.offset, event.bytes.length] : event.kind)),
    [[0, 12_288], [100_000, 8192], [108_192, 65_536], [0, 10], 'flush'],
  );
});

test('what could not be written fails every write and flush from then on', () => {
  const faulty = new FaultyDevice(new MemoryDevice(SIZE), { call: 1, code: 'EIO', of: ['write'] });
  const device = new GatheringDevice(faulty);
  device.write(0, Uint8Array.of(1));
  assert.ok(!faulty.hasFailed);
  assert.throws(() => device.flush(), { code: 'EIO' });
  assert.throws(() => device.flush(), { code: 'EIO' });
  assert.throws(() => device.write(5, Uint8Array.of(1)), { code: 'EIO' });
  device.close();
});

test('a write that would not fit below is refused at once', () => {
  const device = new GatheringDevice(new MemoryDevice(4096));
  assert.throws(() => device.write(4090, new Uint8Array(7)), { code: 'EIO' });
});

test('it takes bytes back if the device below does', () => {
  const below = new MemoryDevice(SIZE);
  assert.notEqual(new GatheringDevice(below).discard, undefined);
  assert.equal(new GatheringDevice(new RecordingDevice(below)).discard, undefined);
});
