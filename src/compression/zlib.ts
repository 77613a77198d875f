/** zlib streams (RFC 1950), by node:zlib. */
import { inflateSync } from 'node:zlib';
import { FsError } from '../bytes/index.js';

/**
 * What a zlib stream holds, at most `outputMax` bytes; what follows the stream is not looked at.
 *
 * @throws FsError EUCLEAN
 */
export function decompressZlib(input: Uint8Array, outputMax: number): Uint8Array {
  try {
    return inflateSync(input, { maxOutputLength: Math.max(1, outputMax), chunkSize: Math.max(64, outputMax) });
  } catch (cause) {
    throw new FsError('EUCLEAN', `zlib extent: no stream of up to ${outputMax} bytes`, { cause });
  }
}
