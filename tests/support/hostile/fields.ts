/** The fields of every on-disk structure, from the offset tables of the codecs, and values to put there. */
import * as format from '../../../src/format/index.js';

export interface Field {
  readonly name: string;
  /** From the start of the structure. */
  readonly offset: number;
  readonly bytes: number;
}

type OffsetTable = Readonly<Record<string, number>> & { readonly SIZE: number };

/** A field reaches to the next one; long ones (names, UUIDs) are hit in their first 8 bytes. */
export function fieldsOf(structure: string, table: OffsetTable, base = 0): Field[] {
  const offsets = Object.entries(table).filter(([name]) => name !== 'SIZE');
  return offsets.flatMap(([name, offset]) => {
    const later = offsets.map(([, other]) => other).filter((other) => other > offset);
    const end = Math.min(...later, table.SIZE);
    return end > offset
      ? [{ name: `${structure}.${name}`, offset: base + offset, bytes: Math.min(8, end - offset) }]
      : [];
  });
}

const bytes = (name: string, offset: number, length: number): Field => ({ name, offset, bytes: length });

const INLINE_REFS = [
  bytes('first inline ref type', format.EXTENT_ITEM.SIZE, 1),
  bytes('first inline ref root', format.EXTENT_ITEM.SIZE + 1, 8),
  bytes('first inline ref objectid', format.EXTENT_ITEM.SIZE + 9, 8),
  bytes('first inline ref offset', format.EXTENT_ITEM.SIZE + 17, 8),
  bytes('first inline ref count', format.EXTENT_ITEM.SIZE + 25, 4),
];
const DIR_FIELDS = [
  ...fieldsOf('location', format.KEY, format.DIR_ITEM.location),
  ...fieldsOf('dir item', format.DIR_ITEM),
  bytes('name', format.DIR_ITEM.SIZE, 4),
];
const EXTENT_FIELDS = [...fieldsOf('extent item', format.EXTENT_ITEM), ...INLINE_REFS];
const CONTEXT_FIELDS = [bytes('context start', 0, 4), bytes('context flags', 3, 1), bytes('context key', 8, 8)];
const FREE_SPACE_FIELDS = fieldsOf('free space info', format.FREE_SPACE_INFO);

const FIELDS: ReadonlyMap<number, readonly Field[]> = new Map([
  [format.INODE_ITEM_KEY, fieldsOf('inode item', format.INODE_ITEM)],
  [format.INODE_REF_KEY, [...fieldsOf('inode ref', format.INODE_REF), bytes('name', format.INODE_REF.SIZE, 2)]],
  [format.INODE_EXTREF_KEY, fieldsOf('inode extref', format.INODE_EXTREF)],
  [format.XATTR_ITEM_KEY, DIR_FIELDS],
  [format.DIR_ITEM_KEY, DIR_FIELDS],
  [format.DIR_INDEX_KEY, DIR_FIELDS],
  [format.FSCRYPT_INODE_CTX_KEY, CONTEXT_FIELDS],
  [format.FSCRYPT_CTX_KEY, CONTEXT_FIELDS],
  [format.EXTENT_DATA_KEY, [...fieldsOf('file extent', format.FILE_EXTENT), bytes('trailing context', 53, 8)]],
  [format.EXTENT_CSUM_KEY, [bytes('checksum', 0, 4)]],
  [format.ROOT_ITEM_KEY, fieldsOf('root item', format.ROOT_ITEM)],
  [format.ROOT_REF_KEY, fieldsOf('root ref', format.ROOT_REF)],
  [format.ROOT_BACKREF_KEY, fieldsOf('root backref', format.ROOT_REF)],
  [format.EXTENT_ITEM_KEY, EXTENT_FIELDS],
  [format.METADATA_ITEM_KEY, EXTENT_FIELDS],
  [format.EXTENT_DATA_REF_KEY, fieldsOf('data ref', format.EXTENT_DATA_REF)],
  [format.SHARED_DATA_REF_KEY, [bytes('shared data ref', 0, 4)]],
  [format.BLOCK_GROUP_ITEM_KEY, fieldsOf('block group', format.BLOCK_GROUP_ITEM)],
  [format.FREE_SPACE_INFO_KEY, FREE_SPACE_FIELDS],
  [format.DEV_EXTENT_KEY, fieldsOf('dev extent', format.DEV_EXTENT)],
  [format.DEV_ITEM_KEY, fieldsOf('dev item', format.DEV_ITEM)],
  [
    format.CHUNK_ITEM_KEY,
    [...fieldsOf('chunk', format.CHUNK), ...fieldsOf('stripe', format.STRIPE, format.CHUNK.SIZE)],
  ],
]);

export const KEY_FIELDS = fieldsOf('key', format.KEY);
export const HEADER_FIELDS = fieldsOf('header', format.HEADER).filter(({ offset }) => offset >= format.HEADER.bytenr);
export const SLOT_FIELDS = [bytes('item offset', format.ITEM.offset, 4), bytes('item size', format.ITEM.size, 4)];
export const POINTER_FIELDS = fieldsOf('pointer', format.KEY_PTR);
export const SUPER_FIELDS = [
  ...fieldsOf('super', format.SUPER).filter(({ offset }) => offset >= format.SUPER.bytenr),
  ...fieldsOf('super dev item', format.DEV_ITEM, format.SUPER.devItem),
  ...fieldsOf('system chunk key', format.KEY, format.SUPER.sysChunkArray),
  ...fieldsOf('system chunk', format.CHUNK, format.SUPER.sysChunkArray + format.KEY.SIZE),
  ...fieldsOf('system stripe', format.STRIPE, format.SUPER.sysChunkArray + format.KEY.SIZE + format.CHUNK.SIZE),
  ...fieldsOf('backup root', format.BACKUP_ROOT, format.SUPER.backupRoots),
];

/** The fields of an item that lie in its `size` bytes. */
export function fieldsOfItem(type: number, size: number): Field[] {
  return (FIELDS.get(type) ?? [bytes('first bytes', 0, 8)]).filter((field) => field.offset + field.bytes <= size);
}

const SECTOR = 4096n;

/** Values that break things, from the old one and some random bits. */
export function hostileValues(old: bigint, field: Field, random: bigint): bigint[] {
  const max = (1n << BigInt(field.bytes * 8)) - 1n;
  const values = [0n, 1n, max, max >> 1n, old + 1n, old - 1n, old + SECTOR, old - SECTOR, old * 2n, old >> 1n];
  values.push(
    old ^ (1n << (random % BigInt(field.bytes * 8))),
    random,
    (1n << 53n) - 1n,
    (1n << 53n) - SECTOR,
    256n,
    5n,
  );
  values.push((old / SECTOR) * SECTOR + (random % 64n) * SECTOR);
  return values.map((value) => BigInt.asUintN(field.bytes * 8, value));
}

export function readField(view: DataView, at: number, { bytes: length }: Field): bigint {
  let value = 0n;
  for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(view.getUint8(at + i));
  return value;
}

export function writeField(view: DataView, at: number, { bytes: length }: Field, value: bigint): void {
  for (let i = 0; i < length; i++) view.setUint8(at + i, Number((value >> BigInt(8 * i)) & 0xffn));
}
