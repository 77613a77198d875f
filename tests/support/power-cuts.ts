/** What every image that a power cut may leave must be: opened without a reason to stay read-only, and sound. */
import assert from 'node:assert/strict';
import { crashImages, type RecordingDevice } from '../../src/device/index.js';
import type { Filesystem } from '../../src/filesystem/index.js';
import { openVolumeDevices } from '../../src/volume/index.js';
import { assertSound } from './btrfs-check.js';
import { copyWithoutMarks } from './clear-marks.js';
import { deviceToFile } from './device-files.js';
import { openFilesystem } from './open-filesystem.js';
import { assertBooksBalance } from './soundness.js';

export interface Cuts {
  readonly recording: RecordingDevice;
  readonly seed: number;
  readonly imagesPerCut: number;
  readonly key: Uint8Array;
}

/** @param check - judges the filesystem, opened; `step` is the last mark, a number, that the cut came after */
export function afterEachCut(cuts: Cuts, check: (filesystem: Filesystem, step: number) => void): void {
  const { recording, key, ...options } = cuts;
  for (const { image, lastMark, description } of crashImages(recording, options)) {
    try {
      const { filesystem, transaction } = openFilesystem(image, { keys: [key] });
      assert.deepEqual(transaction.readOnlyReasons, []);
      check(filesystem, Number(lastMark ?? 0));
      filesystem.close();
      assertBooksBalance(openFilesystem(image, { keys: [key], readOnly: true }).transaction);
    } catch (error) {
      throw new Error(`${description}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}

/** Has btrfs check judge one in `every` of the images with a log, once it is replayed. */
export function checkReplayed({ recording, key, ...options }: Cuts, isEncrypted: boolean, every: number): void {
  let number = 0;
  for (const { image } of crashImages(recording, options)) {
    if (openVolumeDevices(image).superblock.logRoot === 0 || number++ % every !== 0) continue;
    openFilesystem(image, { keys: [key] }).filesystem.close();
    const path = deviceToFile(image);
    assertSound(isEncrypted ? copyWithoutMarks(path) : path);
  }
  assert.ok(number > every, 'some images had a log');
}
