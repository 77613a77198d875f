/**
 * How btrfs frames LZO (linux fs/btrfs/lzo.c): a u32 of the whole length, itself included, then
 * segments, each a u32 length and an LZO1X stream of at most one sector. A length never straddles a
 * sector: where fewer than 4 bytes are left in one, they are padding.
 */
import { corrupt, viewOf } from '../bytes/index.js';
import { decompressLzo1x } from './lzo1x.js';

const LENGTH_SIZE = 4;

/**
 * What an LZO extent holds, at most `outputMax` bytes.
 *
 * @throws FsError EUCLEAN
 */
export function decompressLzo(input: Uint8Array, outputMax: number, sectorSize: number, inline: boolean): Uint8Array {
  const output = new Uint8Array(outputMax);
  const view = viewOf(input);
  const total = input.length < LENGTH_SIZE ? 0 : view.getUint32(0, true);
  if (total > input.length || total < 2 * LENGTH_SIZE) {
    throw corrupt('lzo extent', `${total} bytes by its header, in ${input.length}`);
  }
  let written = 0;
  let at = LENGTH_SIZE;
  while (at < total) {
    if (at + LENGTH_SIZE > total) throw corrupt('lzo extent', `no segment fits at byte ${at} of ${total}`);
    const length = view.getUint32(at, true);
    at += LENGTH_SIZE;
    if (length > total - at || (inline && length !== total - at)) {
      throw corrupt('lzo extent', `segment of ${length} bytes at byte ${at} of ${total}`);
    }
    const room = output.subarray(written, written + sectorSize);
    written += decompressLzo1x(input.subarray(at, at + length), room);
    at += length;
    const left = sectorSize - (at % sectorSize);
    if (left < LENGTH_SIZE) at += left;
  }
  return output;
}
