/**
 * Device items and device extents: what a device is, and which of its bytes chunks use.
 *
 * On disk: `struct btrfs_dev_item`, key (DEV_ITEMS_OBJECTID, DEV_ITEM, devid) in the chunk tree
 * and a copy in the superblock; `struct btrfs_dev_extent`, key (devid, DEV_EXTENT, physical
 * start) in the device tree.
 */
import { readId, readU53, writeId, writeU53 } from '../bytes/index.js';
import { readBytes, writeBytes } from './byte-fields.js';
import { UUID_SIZE } from './constants.js';

export const DEV_ITEM = {
  devid: 0,
  totalBytes: 8,
  bytesUsed: 16,
  ioAlign: 24,
  ioWidth: 28,
  sectorSize: 32,
  type: 36,
  generation: 44,
  startOffset: 52,
  devGroup: 60,
  seekSpeed: 64,
  bandwidth: 65,
  uuid: 66,
  fsid: 82,
  SIZE: 98,
} as const;

export interface DevItem {
  devid: number;
  totalBytes: number;
  bytesUsed: number; // bytes in device extents: both copies of a DUP chunk count
  ioAlign: number;
  ioWidth: number;
  sectorSize: number;
  type: number; // 0
  generation: number; // 0
  startOffset: number; // 0
  devGroup: number;
  seekSpeed: number;
  bandwidth: number;
  uuid: Uint8Array;
  fsid: Uint8Array; // the metadata UUID where that feature is on
}

export function decodeDevItem(view: DataView, at: number): DevItem {
  return {
    devid: readU53(view, at + DEV_ITEM.devid),
    totalBytes: readU53(view, at + DEV_ITEM.totalBytes),
    bytesUsed: readU53(view, at + DEV_ITEM.bytesUsed),
    ioAlign: view.getUint32(at + DEV_ITEM.ioAlign, true),
    ioWidth: view.getUint32(at + DEV_ITEM.ioWidth, true),
    sectorSize: view.getUint32(at + DEV_ITEM.sectorSize, true),
    type: readU53(view, at + DEV_ITEM.type),
    generation: readU53(view, at + DEV_ITEM.generation),
    startOffset: readU53(view, at + DEV_ITEM.startOffset),
    devGroup: view.getUint32(at + DEV_ITEM.devGroup, true),
    seekSpeed: view.getUint8(at + DEV_ITEM.seekSpeed),
    bandwidth: view.getUint8(at + DEV_ITEM.bandwidth),
    uuid: readBytes(view, at + DEV_ITEM.uuid, UUID_SIZE),
    fsid: readBytes(view, at + DEV_ITEM.fsid, UUID_SIZE),
  };
}

export function encodeDevItem(view: DataView, at: number, item: DevItem): void {
  writeU53(view, at + DEV_ITEM.devid, item.devid);
  writeU53(view, at + DEV_ITEM.totalBytes, item.totalBytes);
  writeU53(view, at + DEV_ITEM.bytesUsed, item.bytesUsed);
  view.setUint32(at + DEV_ITEM.ioAlign, item.ioAlign, true);
  view.setUint32(at + DEV_ITEM.ioWidth, item.ioWidth, true);
  view.setUint32(at + DEV_ITEM.sectorSize, item.sectorSize, true);
  writeU53(view, at + DEV_ITEM.type, item.type);
  writeU53(view, at + DEV_ITEM.generation, item.generation);
  writeU53(view, at + DEV_ITEM.startOffset, item.startOffset);
  view.setUint32(at + DEV_ITEM.devGroup, item.devGroup, true);
  view.setUint8(at + DEV_ITEM.seekSpeed, item.seekSpeed);
  view.setUint8(at + DEV_ITEM.bandwidth, item.bandwidth);
  writeBytes(view, at + DEV_ITEM.uuid, item.uuid);
  writeBytes(view, at + DEV_ITEM.fsid, item.fsid);
}

export const DEV_EXTENT = {
  chunkTree: 0,
  chunkObjectid: 8,
  chunkOffset: 16,
  length: 24,
  chunkTreeUuid: 32,
  SIZE: 48,
} as const;

export interface DevExtent {
  chunkTree: number; // CHUNK_TREE_OBJECTID
  chunkObjectid: number; // FIRST_CHUNK_TREE_OBJECTID
  chunkOffset: number; // logical start of the chunk
  length: number; // bytes on this device
  chunkTreeUuid: Uint8Array;
}

export function decodeDevExtent(view: DataView, at: number): DevExtent {
  return {
    chunkTree: readId(view, at + DEV_EXTENT.chunkTree),
    chunkObjectid: readId(view, at + DEV_EXTENT.chunkObjectid),
    chunkOffset: readU53(view, at + DEV_EXTENT.chunkOffset),
    length: readU53(view, at + DEV_EXTENT.length),
    chunkTreeUuid: readBytes(view, at + DEV_EXTENT.chunkTreeUuid, UUID_SIZE),
  };
}

export function encodeDevExtent(view: DataView, at: number, extent: DevExtent): void {
  writeId(view, at + DEV_EXTENT.chunkTree, extent.chunkTree);
  writeId(view, at + DEV_EXTENT.chunkObjectid, extent.chunkObjectid);
  writeU53(view, at + DEV_EXTENT.chunkOffset, extent.chunkOffset);
  writeU53(view, at + DEV_EXTENT.length, extent.length);
  writeBytes(view, at + DEV_EXTENT.chunkTreeUuid, extent.chunkTreeUuid);
}
