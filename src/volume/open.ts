/** Opening a volume: its superblock, then the chunks, first the system ones it embeds. */
import { corrupt, equalBytes, FsError, viewOf } from '../bytes/index.js';
import type { BlockDevice } from '../device/index.js';
import {
  CHUNK,
  CHUNK_ITEM_KEY,
  CHUNK_TREE_OBJECTID,
  checkChunk,
  chunkSize,
  DEV_ITEM_KEY,
  decodeChunk,
  decodeDevItem,
  FIRST_CHUNK_TREE_OBJECTID,
  INCOMPAT_RAID_STRIPE_TREE,
  KEY,
  Key,
  keyObjectidAt,
  keyOffsetAt,
  keyTypeAt,
  MAX_OFFSET,
  RAID_STRIPE_TREE_OBJECTID,
  ROOT_ITEM_KEY,
  ROOT_TREE_OBJECTID,
} from '../format/index.js';
import type { ChunkMapping } from './chunk-map.js';
import { checkReadable, readOnlyReasonsOf } from './features.js';
import { checkSuper, chooseSuper } from './superblock.js';
import { type LeafItem, visitLeaves } from './tree-walk.js';
import { Volume, type VolumeOptions } from './volume.js';

/**
 * Opens the volume on `device`. Reads the superblock, the chunk tree and little more.
 *
 * @throws FsError EINVAL when there is none or the device is cut short, EOPNOTSUPP for features
 *   that are not supported, EUCLEAN or EIO when it is damaged. The device stays open.
 */
export function openVolumeDevices(device: BlockDevice, options: VolumeOptions = {}): Volume {
  const choice = chooseSuper(device, options.warn ?? (() => {}));
  const { superblock } = choice;
  checkReadable(superblock);
  checkSuper(superblock, device);
  const volume = new Volume(device, superblock, choice.bytes, choice.checksum, options);
  if (!equalBytes(superblock.devItem.fsid, volume.metadataUuid)) {
    throw corrupt('superblock', 'its device belongs to another volume');
  }
  volume.readOnlyReasons.push(...readOnlyReasonsOf(superblock));
  if (choice.readOnlyReason !== undefined) volume.readOnlyReasons.push(choice.readOnlyReason);
  readSystemChunks(volume);
  readChunkTree(volume);
  if ((superblock.incompatFlags & INCOMPAT_RAID_STRIPE_TREE) !== 0n) refuseRaidStripeTree(volume);
  return volume;
}

/** The superblock's array: a key and a chunk, again and again. */
function readSystemChunks(volume: Volume): void {
  const array = volume.superblock.sysChunkArray;
  const view = viewOf(array);
  let at = 0;
  while (at < array.length) {
    const chunkAt = at + KEY.SIZE;
    if (chunkAt + CHUNK.SIZE > array.length) throw corrupt('system chunk array', 'cut off inside a chunk');
    const isChunk = keyTypeAt(view, at) === CHUNK_ITEM_KEY && keyObjectidAt(view, at) === FIRST_CHUNK_TREE_OBJECTID;
    if (!isChunk) throw corrupt('system chunk array', `holds something else than chunks at byte ${at}`);
    const size = chunkSize(view.getUint16(chunkAt + CHUNK.numStripes, true));
    if (chunkAt + size > array.length) throw corrupt('system chunk array', 'cut off inside the stripes of a chunk');
    const logical = keyOffsetAt(view, at);
    checkChunk(view, chunkAt, size, logical, volume.checkContext);
    volume.addChunk({ logical, chunk: decodeChunk(view, chunkAt) });
    at = chunkAt + size;
  }
}

function readChunkTree(volume: Volume): void {
  const { chunkRoot, chunkRootLevel, chunkRootGeneration } = volume.superblock;
  const root = {
    bytenr: chunkRoot,
    level: chunkRootLevel,
    generation: chunkRootGeneration,
    owner: CHUNK_TREE_OBJECTID,
  };
  const found: ChunkMapping[] = [];
  let devices = 0;
  visitLeaves(volume, root, {}, (item) => {
    if (item.type === CHUNK_ITEM_KEY) found.push(chunkOf(item));
    if (item.type === DEV_ITEM_KEY) {
      devices++;
      checkDevice(volume, item);
    }
  });
  if (devices !== 1) throw corrupt('chunk tree', `${devices} devices, the superblock says 1`);
  for (const mapping of found) addOrCompare(volume, mapping);
}

function chunkOf(item: LeafItem): ChunkMapping {
  return { logical: keyOffsetAt(item.view, item.keyAt), chunk: decodeChunk(item.view, item.at) };
}

function checkDevice(volume: Volume, item: LeafItem): void {
  const device = decodeDevItem(item.view, item.at);
  const own = volume.superblock.devItem;
  if (device.devid !== own.devid || !equalBytes(device.uuid, own.uuid)) {
    throw new FsError('EOPNOTSUPP', `the volume is on device ${device.devid}, which is not here`);
  }
  if (device.totalBytes !== own.totalBytes) {
    throw corrupt('chunk tree', `device of ${device.totalBytes} bytes, the superblock says ${own.totalBytes}`);
  }
}

/** System chunks are known from the superblock already, and must be the same. */
function addOrCompare(volume: Volume, mapping: ChunkMapping): void {
  const known = volume.chunkMap.find(mapping.logical);
  if (known === undefined || known.logical !== mapping.logical) {
    volume.addChunk(mapping);
    return;
  }
  const { chunk } = mapping;
  const same =
    known.chunk.length === chunk.length &&
    known.chunk.type === chunk.type &&
    known.chunk.stripes.length === chunk.stripes.length &&
    known.chunk.stripes.every((stripe, i) => stripe.offset === chunk.stripes[i]?.offset);
  if (!same) throw corrupt(`chunk at logical ${mapping.logical}`, 'differs from the superblock or appears twice');
}

/** Incompat bit 14 meant encryption once; a RAID stripe tree tells that it does not here. */
function refuseRaidStripeTree(volume: Volume): void {
  const { root: bytenr, rootLevel: level, generation } = volume.superblock;
  const range = {
    from: new Key(RAID_STRIPE_TREE_OBJECTID, ROOT_ITEM_KEY, 0),
    to: new Key(RAID_STRIPE_TREE_OBJECTID, ROOT_ITEM_KEY, MAX_OFFSET),
  };
  visitLeaves(volume, { bytenr, level, generation, owner: ROOT_TREE_OBJECTID }, range, () => {
    throw new FsError('EOPNOTSUPP', 'the volume uses features that are not supported: RAID_STRIPE_TREE');
  });
}
