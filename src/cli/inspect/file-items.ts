/** Items of files and directories as lines. */
import * as format from '../../format/index.js';
import { inodeFlagText } from './flag-text.js';
import type { PrintedItem } from './item-fields.js';
import { nameText } from './name-text.js';

const { FILE_EXTENT, INODE_ITEM } = format;

/** Attribute values are cut off after as many bytes as the longest name has. */
const SHOWN_DATA = format.NAME_LEN;

const DIR_ENTRY_TYPES = ['', 'FILE', 'DIR', 'CHRDEV', 'BLKDEV', 'FIFO', 'SOCK', 'SYMLINK', 'XATTR'];
const COMPRESSIONS = ['none', 'zlib', 'lzo', 'zstd'];
const EXTENT_TYPES = ['inline', 'regular', 'prealloc'];
const ENCRYPTIONS = ['none', 'fscrypt'];

export function inodeLines({ fields }: PrintedItem): string[] {
  const u32 = (offset: number): number => fields.u32(offset);
  const u64 = (offset: number): bigint => fields.u64(offset);
  const flags = u64(INODE_ITEM.flags);
  const mode = u32(INODE_ITEM.mode).toString(8);
  const owner = `uid ${u32(INODE_ITEM.uid)} gid ${u32(INODE_ITEM.gid)}`;
  return [
    `generation ${u64(INODE_ITEM.generation)} transid ${u64(INODE_ITEM.transid)} ` +
      `size ${u64(INODE_ITEM.size)} nbytes ${u64(INODE_ITEM.nbytes)}`,
    `block group ${u64(INODE_ITEM.blockGroup)} mode ${mode} links ${u32(INODE_ITEM.nlink)} ${owner} ` +
      `rdev ${u64(INODE_ITEM.rdev)}`,
    `sequence ${u64(INODE_ITEM.sequence)} flags 0x${flags.toString(16)}(${inodeFlagText(flags)})`,
    `atime ${fields.time(INODE_ITEM.atime)}`,
    `ctime ${fields.time(INODE_ITEM.ctime)}`,
    `mtime ${fields.time(INODE_ITEM.mtime)}`,
    `otime ${fields.time(INODE_ITEM.otime)}`,
  ];
}

export function inodeRefLines({ view, at, size }: PrintedItem): string[] {
  return format
    .decodeInodeRefs(view, at, size)
    .map(({ index, name }) => `index ${index} namelen ${name.length} name: ${nameText(name)}`);
}

export function inodeExtrefLines({ view, at, size }: PrintedItem): string[] {
  return format
    .decodeInodeExtrefs(view, at, size)
    .map((ref) => `index ${ref.index} parent ${ref.parent} namelen ${ref.name.length} name: ${nameText(ref.name)}`);
}

/** Directory entries and attributes. The mark of encryption over an entry's type is not shown. */
export function dirItemLines({ fields }: PrintedItem): string[] {
  const { DIR_ITEM } = format;
  const lines: string[] = [];
  for (let at = 0; at < fields.size; ) {
    const nameLen = fields.u16(at + DIR_ITEM.nameLen);
    const dataLen = fields.u16(at + DIR_ITEM.dataLen);
    const nameAt = at + DIR_ITEM.SIZE;
    const type = fields.u8(at + DIR_ITEM.type) & ~format.FT_ENCRYPTED;
    lines.push(
      `location ${fields.key(at + DIR_ITEM.location)} type ${DIR_ENTRY_TYPES[type] || `DIR_ITEM.${type}`}`,
      `transid ${fields.u64(at + DIR_ITEM.transid)} data_len ${dataLen} name_len ${nameLen}`,
      `name: ${nameText(fields.bytes(nameAt, nameLen))}`,
    );
    const data = fields.bytes(nameAt + nameLen, dataLen);
    if (dataLen > 0) lines.push(`data ${nameText(data.subarray(0, SHOWN_DATA))}`);
    at = nameAt + nameLen + dataLen;
  }
  return lines;
}

export function dirLogLines({ fields }: PrintedItem): string[] {
  return [`dir log end ${fields.u64(format.DIR_LOG_ITEM.end)}`];
}

export function fileExtentLines({ fields }: PrintedItem): string[] {
  const type = fields.u8(FILE_EXTENT.type);
  const number = fields.u8(FILE_EXTENT.compression);
  const compression = `compression ${number} (${COMPRESSIONS[number] ?? `UNKNOWN.${number}`})`;
  const lines = [`generation ${fields.u64(FILE_EXTENT.generation)} type ${type} (${EXTENT_TYPES[type] ?? 'unknown'})`];
  if (type === format.FILE_EXTENT_INLINE) {
    const stored = fields.size - FILE_EXTENT.inlineData;
    lines.push(`inline extent data size ${stored} ram_bytes ${fields.u64(FILE_EXTENT.ramBytes)} ${compression}`);
    return lines;
  }
  const disk = `disk byte ${fields.u64(FILE_EXTENT.diskBytenr)} nr ${fields.u64(FILE_EXTENT.diskNumBytes)}`;
  const range = `offset ${fields.u64(FILE_EXTENT.offset)} nr ${fields.u64(FILE_EXTENT.numBytes)}`;
  if (type === format.FILE_EXTENT_PREALLOC) {
    lines.push(`prealloc data ${disk}`, `prealloc data ${range}`);
  } else {
    const ram = `ram ${fields.u64(FILE_EXTENT.ramBytes)}`;
    lines.push(`extent data ${disk}`, `extent data ${range} ${ram}`, `extent ${compression}`);
  }
  return [...lines, ...encryptionLines({ fields })];
}

/** Nothing for a plain extent, which tools without encryption print the same. */
function encryptionLines({ fields }: Pick<PrintedItem, 'fields'>): string[] {
  const lines: string[] = [];
  const encryption = fields.u8(FILE_EXTENT.encryption);
  if (encryption !== format.ENCRYPTION_NONE) {
    lines.push(`extent encryption ${encryption} (${ENCRYPTIONS[encryption] ?? `UNKNOWN.${encryption}`})`);
  }
  const trailing = fields.size - FILE_EXTENT.SIZE;
  if (trailing > 0) lines.push(`encryption context: ${fields.hex(FILE_EXTENT.SIZE, trailing)}`);
  return lines;
}

export function fscryptContextLines({ fields }: PrintedItem): string[] {
  return [`value: ${fields.hex(0, fields.size)}`];
}
