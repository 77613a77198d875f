/**
 * Checksum items: one checksum per sector of data, key (EXTENT_CSUM_OBJECTID, EXTENT_CSUM, bytenr).
 *
 * An item's run may span several extents and may be split anywhere between two sectors.
 */
import { ITEM, leafDataSize } from './block-header.js';

/** The kernel keeps one item's run within what a page-sized bio vector can name. */
const MAX_SECTORS_PER_ITEM = 4096;

/** Most checksums of `csumSize` bytes in one item. @see linux fs/btrfs/file-item.c MAX_CSUM_ITEMS */
export function maxChecksumsPerItem(nodesize: number, csumSize: number): number {
  const room = leafDataSize(nodesize) - ITEM.SIZE * 2;
  return Math.min(Math.floor(room / csumSize) - 1, MAX_SECTORS_PER_ITEM);
}
