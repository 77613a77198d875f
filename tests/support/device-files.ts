/** Devices in memory as image files, for programs that want a file. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import type { BlockDevice } from '../../src/device/index.js';
import { temporaryPath } from './temporary.js';

const PIECE = 1024 * 1024;

/** Writes a device's content to a sparse temporary file. @returns its path */
export function deviceToFile(device: BlockDevice): string {
  const path = temporaryPath('.img');
  const fd = openSync(path, 'w', 0o600);
  const piece = Buffer.alloc(PIECE);
  const zeros = Buffer.alloc(PIECE);
  ftruncateSync(fd, device.size);
  for (let at = 0; at < device.size; at += PIECE) {
    const part = piece.subarray(0, Math.min(PIECE, device.size - at));
    device.read(at, part);
    if (part.compare(zeros, 0, part.length) !== 0) writeSync(fd, part, 0, part.length, at);
  }
  closeSync(fd);
  return path;
}
