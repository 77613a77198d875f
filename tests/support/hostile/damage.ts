/** Damage done to overlays of sound volumes: with checksums left as they are, or made right again. */
import fc from 'fast-check';
import { viewOf } from '../../../src/bytes/index.js';
import type { BlockDevice } from '../../../src/device/index.js';
import * as format from '../../../src/format/index.js';
import { replaceBlock, seal } from '../reseal.js';
import {
  type Field,
  fieldsOfItem,
  HEADER_FIELDS,
  hostileValues,
  KEY_FIELDS,
  POINTER_FIELDS,
  readField,
  SLOT_FIELDS,
  SUPER_FIELDS,
  writeField,
} from './fields.js';
import { type Anatomy, type FoundBlock, itemsOf } from './metadata.js';

/** Numbers that a mutation takes its choices from; fast-check makes and shrinks them. */
export interface Choices {
  readonly what: number;
  readonly block: number;
  readonly slot: number;
  readonly field: number;
  readonly value: number;
  readonly random: bigint;
}

export function choices(): fc.Arbitrary<Choices> {
  return fc.record({
    what: fc.nat(99),
    block: fc.nat(),
    slot: fc.nat(),
    field: fc.nat(),
    value: fc.nat(),
    random: fc.bigInt(0n, (1n << 64n) - 1n),
  });
}

function pick<T>(from: readonly T[], index: number): T {
  const picked = from[index % from.length];
  if (picked === undefined) throw new Error('nothing to pick from');
  return picked;
}

/** Changes one field somewhere in the metadata and seals it. @returns what was done, for messages */
export function damageField(device: BlockDevice, { volume, blocks }: Anatomy, chosen: Choices): string {
  if (chosen.what < 10) return damageSuper(device, chosen);
  const block = pickBlock(blocks, chosen);
  const bytes = block.bytes.slice();
  const { field, at } = pickField(bytes, block.level, chosen);
  const view = viewOf(bytes);
  const old = readField(view, at, field);
  const value = pick(hostileValues(old, field, chosen.random), chosen.value);
  writeField(view, at, field, value);
  replaceBlock(
    { superblock: volume.superblock, copies: volume.copies.bind(volume), device } as never,
    block.logical,
    bytes,
  );
  return `tree ${block.tree}, block ${block.logical}, byte ${at}, ${field.name}: ${old} -> ${value}`;
}

/** Trees weigh the same, however many blocks they have. */
function pickBlock(blocks: readonly FoundBlock[], { block, what }: Choices): FoundBlock {
  const trees = [...new Set(blocks.map(({ tree }) => tree))];
  const tree = pick(trees, what);
  return pick(
    blocks.filter((found) => found.tree === tree),
    block,
  );
}

function pickField(bytes: Uint8Array, level: number, { what, slot, field }: Choices): { field: Field; at: number } {
  const view = viewOf(bytes);
  const kind = field % 20;
  if (kind === 0) {
    const chosen = pick(HEADER_FIELDS, what);
    return { field: chosen, at: chosen.offset };
  }
  const count = view.getUint32(format.HEADER.nritems, true);
  if (level > 0) {
    const chosen = pick(POINTER_FIELDS, field);
    return { field: chosen, at: format.HEADER.SIZE + (slot % count) * format.KEY_PTR.SIZE + chosen.offset };
  }
  const items = [...itemsOf(bytes)];
  if (items.length === 0) return { field: pick(HEADER_FIELDS, what), at: pick(HEADER_FIELDS, what).offset };
  const item = pick(items, slot);
  const inItem = fieldsOfItem(item.key.type, item.size);
  if (kind < 4 || inItem.length === 0) {
    const chosen = pick([...KEY_FIELDS, ...SLOT_FIELDS], what);
    return { field: chosen, at: item.keyAt + chosen.offset };
  }
  const chosen = pick(inItem, Math.floor(field / 20));
  return { field: chosen, at: item.at + chosen.offset };
}

function damageSuper(device: BlockDevice, { field, value, random }: Choices): string {
  const chosen = pick(SUPER_FIELDS, field);
  let description = '';
  for (const offset of format.superMirrorOffsets(device.size)) {
    const bytes = new Uint8Array(format.SUPER.SIZE);
    device.read(offset, bytes);
    const view = viewOf(bytes);
    // An earlier damage may have made the type unknown: then nobody can tell a right checksum.
    const type = view.getUint16(format.SUPER.csumType, true) % 4;
    const old = readField(view, chosen.offset, chosen);
    const hostile = pick(hostileValues(old, chosen, random), value);
    writeField(view, chosen.offset, chosen, hostile);
    seal(bytes, type);
    device.write(offset, bytes);
    description = `superblock, ${chosen.name}: ${old} -> ${hostile}`;
  }
  return description;
}

/** Changes bytes without renewing checksums: bits, zeros, blocks exchanged. Both copies are hit or one. */
export function damageBytes(device: BlockDevice, { volume, blocks, data }: Anatomy, chosen: Choices): string {
  const { what, block, slot, field, value } = chosen;
  const place = what % 10;
  const logical =
    place < 5 || data.length === 0
      ? pickBlock(blocks, chosen).logical
      : pick(data, block).logical + Math.floor((slot % pick(data, block).length) / 4096) * 4096;
  const size = place < 5 ? volume.nodesize : 4096;
  const copies = place === 9 ? [{ physical: 65536 }] : volume.copies(logical, size);
  const hit = value % 3 === 0 ? copies.slice(0, 1) : copies;
  for (const { physical } of hit) {
    const bytes = new Uint8Array(size);
    device.read(physical, bytes);
    mangle(bytes, chosen);
    device.write(physical, bytes);
  }
  const where = place === 9 ? 'superblock' : `${hit.length} of ${copies.length} copies`;
  return `bytes at ${logical} (${where}), way ${field % 4}`;
}

function mangle(bytes: Uint8Array, { slot, field, random }: Choices): void {
  const at = slot % bytes.length;
  switch (field % 4) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << Number(random % 8n));
      return;
    case 1:
      bytes.fill(0, at, at + Number(random % 4096n));
      return;
    case 2:
      bytes.copyWithin(at, Number(random % BigInt(bytes.length)));
      return;
    default:
      bytes.fill(Number(random & 0xffn));
  }
}
