/** A tree block as lines: its header, then its items or its pointers. */
import { corrupt, formatUuid, isFsError, readU64 } from '../../bytes/index.js';
import * as format from '../../format/index.js';
import type { Volume } from '../../volume/index.js';
import { headerFlagText } from './flag-text.js';
import { ItemFields } from './item-fields.js';
import { itemLines } from './item-lines.js';
import { keyText, objectText } from './key-text.js';
import type { Report } from './tree-levels.js';

const { HEADER, ITEM, KEY_PTR } = format;

const BACKREF_REVISION_SHIFT = 56;

/** Lines of a block that was read and checked. What makes no sense in an item goes to `report`. */
export function* blockLines(volume: Volume, view: DataView, report: Report): Generator<string> {
  const level = view.getUint8(HEADER.level);
  const nritems = view.getUint32(HEADER.nritems, true);
  yield* headerLines(volume, view);
  for (let slot = 0; slot < nritems; slot++) {
    if (level > 0) yield pointerLine(view, HEADER.SIZE + slot * KEY_PTR.SIZE);
    else yield* slotLines(volume, view, slot, report);
  }
}

function headerLines(volume: Volume, view: DataView): string[] {
  const level = view.getUint8(HEADER.level);
  const nritems = view.getUint32(HEADER.nritems, true);
  const bytenr = readU64(view, HEADER.bytenr);
  const kind = level > 0 ? 'node' : 'leaf';
  const free = level > 0 ? format.maxKeyPtrs(volume.nodesize) - nritems : leafFreeSpace(volume, view, nritems);
  const about = `${level > 0 ? `level ${level} ` : ''}items ${nritems} free space ${free}`;
  const owner = objectText(readU64(view, HEADER.owner));
  const allFlags = readU64(view, HEADER.flags);
  const flags = BigInt.asUintN(BACKREF_REVISION_SHIFT, allFlags);
  const revision = allFlags >> BigInt(BACKREF_REVISION_SHIFT);
  return [
    `${kind} ${bytenr} ${about} generation ${readU64(view, HEADER.generation)} owner ${owner}`,
    `${kind} ${bytenr} flags 0x${flags.toString(16)}(${headerFlagText(flags)}) backref revision ${revision}`,
    `fs uuid ${formatUuid(format.bytesAt(view, HEADER.fsid, format.UUID_SIZE))}`,
    `chunk uuid ${formatUuid(format.bytesAt(view, HEADER.chunkTreeUuid, format.UUID_SIZE))}`,
  ];
}

/** Bytes between the last item's slot and its data. */
function leafFreeSpace(volume: Volume, view: DataView, nritems: number): number {
  const slots = nritems * ITEM.SIZE;
  if (nritems === 0) return format.leafDataSize(volume.nodesize);
  return view.getUint32(HEADER.SIZE + slots - ITEM.SIZE + ITEM.offset, true) - slots;
}

function pointerLine(view: DataView, at: number): string {
  const key = keyText(format.decodeKey(view, at));
  return `\t${key} block ${readU64(view, at + KEY_PTR.blockptr)} gen ${readU64(view, at + KEY_PTR.generation)}`;
}

function slotLines(volume: Volume, view: DataView, slot: number, report: Report): string[] {
  const slotAt = HEADER.SIZE + slot * ITEM.SIZE;
  const key = format.decodeKey(view, slotAt);
  const offset = view.getUint32(slotAt + ITEM.offset, true);
  const size = view.getUint32(slotAt + ITEM.size, true);
  const at = HEADER.SIZE + offset;
  const head = `\titem ${slot} ${keyText(key)} itemoff ${offset} itemsize ${size}`;
  const { sectorsize, checksum } = volume;
  const fields = new ItemFields(view, at, size);
  try {
    return [head, ...itemLines({ key, fields, view, at, size, sectorsize, csumSize: checksum.size })];
  } catch (error) {
    if (!isFsError(error, 'EUCLEAN')) throw error;
    report(corrupt(`leaf ${readU64(view, HEADER.bytenr)} item ${slot}`, error.message));
    return [head];
  }
}
