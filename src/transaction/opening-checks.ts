/**
 * Sums that must agree before a volume is written: they are cheap to check, and a writer that goes
 * by wrong ones makes damage worse.
 *
 * The kernel refuses to mount a volume whose device extents and chunks differ; here it can still be
 * read. @see linux fs/btrfs/volumes.c btrfs_verify_dev_extents
 */
import { corrupt, equalBytes, isFsError } from '../bytes/index.js';
import {
  DEV_EXTENT_KEY,
  DEV_ITEM_KEY,
  DEV_ITEMS_OBJECTID,
  decodeDevExtent,
  decodeDevItem,
  Key,
} from '../format/index.js';
import type { Tree } from '../tree/index.js';
import type { Volume } from '../volume/index.js';
import type { BlockGroup } from './space/block-group.js';

export interface CheckedAtOpening {
  readonly volume: Volume;
  readonly chunkTree: Tree;
  readonly devTree: Tree;
  readonly space: { readonly groups: readonly BlockGroup[] };
}

/** Why a volume must not be written, as its own numbers show; empty when they agree. */
export function bookkeepingFaults(host: CheckedAtOpening): string[] {
  return [checkUsedBytes, checkDevice, checkDevExtents].flatMap((check) => {
    try {
      check(host);
      return [];
    } catch (error) {
      if (!isFsError(error, 'EUCLEAN', 'EIO')) throw error;
      return [error.message];
    }
  });
}

function checkUsedBytes({ volume, space }: CheckedAtOpening): void {
  const used = space.groups.reduce((sum, group) => sum + group.used, 0);
  const { bytesUsed } = volume.superblock;
  if (used !== bytesUsed) throw corrupt('block groups', `${used} bytes are used, the superblock says ${bytesUsed}`);
}

function checkDevice({ volume, chunkTree }: CheckedAtOpening): void {
  const { devid, bytesUsed, uuid } = volume.superblock.devItem;
  const cursor = chunkTree.get(new Key(DEV_ITEMS_OBJECTID, DEV_ITEM_KEY, devid));
  const item = cursor && decodeDevItem(cursor.view, cursor.at);
  if (item === undefined || item.bytesUsed !== bytesUsed || !equalBytes(item.uuid, uuid)) {
    throw corrupt('chunk tree', `device ${devid} is not as the superblock describes it`);
  }
}

/** Every stripe of every chunk has its device extent, which no other overlaps, and there are no more. */
function checkDevExtents({ volume, devTree }: CheckedAtOpening): void {
  const { devid, bytesUsed } = volume.superblock.devItem;
  let end = 0;
  let sum = 0;
  const cursor = devTree.seek(new Key(devid, DEV_EXTENT_KEY, 0));
  for (; cursor.isItemOf(devid, DEV_EXTENT_KEY); cursor.next()) {
    const start = cursor.keyOffset;
    const { chunkOffset, length } = decodeDevExtent(cursor.view, cursor.at);
    const mapping = volume.chunkMap.find(chunkOffset);
    const isStripe = mapping?.logical === chunkOffset && mapping.chunk.stripes.some(({ offset }) => offset === start);
    if (!isStripe || length !== mapping.chunk.length)
      throw corrupt(cursor.describe(), 'no chunk has this device extent');
    if (start < end) throw corrupt(cursor.describe(), 'device extents overlap');
    end = start + length;
    sum += length;
  }
  let mapped = 0;
  for (const { chunk } of volume.chunkMap) mapped += chunk.length * chunk.stripes.length;
  if (mapped !== sum) throw corrupt('device tree', `chunks use ${mapped} bytes of the device, its extents ${sum}`);
  if (sum !== bytesUsed) throw corrupt('device tree', `${sum} bytes are in chunks, the superblock says ${bytesUsed}`);
}
