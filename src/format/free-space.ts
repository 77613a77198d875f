/**
 * Free-space tree: the free runs of each block group.
 *
 * FREE_SPACE_INFO (start, length of the group) holds `struct btrfs_free_space_info`. The runs are
 * either FREE_SPACE_EXTENT items (start, length of the run; empty) or FREE_SPACE_BITMAP items
 * (start, length covered) with one bit per sector, least significant first, set when free.
 */
import { roundUp } from '../bytes/index.js';

export const FREE_SPACE_INFO = { extentCount: 0, flags: 4, SIZE: 8 } as const;

/** The group's runs are kept as bitmaps. */
export const FREE_SPACE_USING_BITMAPS = 1;

/** Bytes of a full bitmap item, and the sectors it covers. */
export const FREE_SPACE_BITMAP_SIZE = 256;
export const FREE_SPACE_BITMAP_BITS = FREE_SPACE_BITMAP_SIZE * 8;

export interface FreeSpaceInfo {
  extentCount: number; // free runs of the group, in either form
  flags: number; // FREE_SPACE_USING_BITMAPS or 0
}

export function decodeFreeSpaceInfo(view: DataView, at: number): FreeSpaceInfo {
  return {
    extentCount: view.getUint32(at + FREE_SPACE_INFO.extentCount, true),
    flags: view.getUint32(at + FREE_SPACE_INFO.flags, true),
  };
}

export function encodeFreeSpaceInfo(view: DataView, at: number, info: FreeSpaceInfo): void {
  view.setUint32(at + FREE_SPACE_INFO.extentCount, info.extentCount, true);
  view.setUint32(at + FREE_SPACE_INFO.flags, info.flags, true);
}

/** Bytes of a bitmap item that covers `length` bytes of logical space. */
export function freeSpaceBitmapSize(length: number, sectorsize: number): number {
  return roundUp(length / sectorsize, 8) / 8;
}
