/** Compressed extents, read: one answer for the three methods a file extent item can name. */
import { corrupt } from '../bytes/index.js';
import { decompressLzo } from './lzo-segments.js';
import { decompressZlib } from './zlib.js';
import { decompressZstd } from './zstd.js';

const ZLIB = 1;
const LZO = 2;
const ZSTD = 3;

/** No kernel compresses more than this into one extent. */
const OUTPUT_MAX = 128 * 1024;

/**
 * Decompresses a whole extent.
 *
 * @param type - `compression` of the file extent item: 1 zlib, 2 lzo, 3 zstd
 * @param input - the bytes on disk, with whatever padding follows the compressed stream
 * @param outputLength - bytes wanted, at most 128 KiB; what the stream falls short of it is zeros, as
 *   the kernel has it for the last extent of a file
 * @param sectorSize - lengths of LZO segments do not straddle sectors
 * @param inline - an inline extent: LZO has exactly one segment in it
 * @returns exactly `outputLength` bytes
 * @throws FsError EUCLEAN if the stream is damaged, or longer than `outputLength`
 */
export function decompress(
  type: number,
  input: Uint8Array,
  outputLength: number,
  sectorSize: number,
  inline: boolean,
): Uint8Array {
  if (outputLength > OUTPUT_MAX) throw corrupt('compressed extent', `${outputLength} bytes, more than ${OUTPUT_MAX}`);
  switch (type) {
    case ZLIB:
      return padded(decompressZlib(input, outputLength), outputLength);
    case LZO:
      return padded(decompressLzo(input, outputLength, sectorSize, inline), outputLength);
    case ZSTD:
      return padded(decompressZstd(input, outputLength), outputLength);
    default:
      throw corrupt('compressed extent', `unknown compression ${type}`);
  }
}

function padded(output: Uint8Array, length: number): Uint8Array {
  if (output.length === length) return output;
  const whole = new Uint8Array(length);
  whole.set(output);
  return whole;
}
