/**
 * Zstandard frames (RFC 8878), by libzstd compiled to WebAssembly.
 *
 * The library is set up while this module loads, the one wait below the command line; every call
 * after that is synchronous. It wants the frame without the padding behind it, so the end of the
 * frame is found here, from the headers of its blocks.
 */
import { ZSTDDecoder } from 'zstddec';
import { corrupt, viewOf } from '../bytes/index.js';

const MAGIC = 0xfd2fb528;
const BLOCK_HEADER_SIZE = 3;
const RLE_BLOCK = 1;
const CHECKSUM_SIZE = 4;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];

const decoder = new ZSTDDecoder();
await decoder.init();

/**
 * What a frame holds, at most `outputMax` bytes.
 *
 * @throws FsError EUCLEAN
 */
export function decompressZstd(input: Uint8Array, outputMax: number): Uint8Array {
  const output = decoder.decode(input.subarray(0, frameLength(input)), Math.max(1, outputMax));
  // The decoder has no other sign of an error; an extent is never empty.
  if (output.length === 0) throw corrupt('zstd extent', `no frame of up to ${outputMax} bytes`);
  return output;
}

/** Bytes of the frame that `input` begins with. @throws FsError EUCLEAN */
function frameLength(input: Uint8Array): number {
  const view = viewOf(input);
  if (input.length < 5 || view.getUint32(0, true) !== MAGIC) throw corrupt('zstd extent', 'no frame begins it');
  const descriptor = view.getUint8(4);
  let at = frameHeaderLength(descriptor);
  let last = false;
  while (!last) {
    if (at + BLOCK_HEADER_SIZE > input.length) throw corrupt('zstd extent', 'its blocks do not end');
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    last = (header & 1) === 1;
    const isRle = ((header >>> 1) & 3) === RLE_BLOCK;
    at += BLOCK_HEADER_SIZE + (isRle ? 1 : header >>> 3);
  }
  const hasChecksum = (descriptor & 4) !== 0;
  const end = at + (hasChecksum ? CHECKSUM_SIZE : 0);
  if (end > input.length) throw corrupt('zstd extent', `a frame of ${end} bytes in ${input.length}`);
  return end;
}

/** Magic, descriptor, and the fields that the descriptor says follow. */
function frameHeaderLength(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >>> 6;
  const contentSize = isSingleSegment && sizeFlag === 0 ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0);
  const windowDescriptor = isSingleSegment ? 0 : 1;
  return 5 + windowDescriptor + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0) + contentSize;
}
