/** Items about trees, devices and long jobs as lines. */
import * as format from '../../format/index.js';
import { groupFlagText, qgroupFlagText, rootFlagText } from './flag-text.js';
import type { ItemFields, PrintedItem } from './item-fields.js';
import { objectText } from './key-text.js';
import { nameText } from './name-text.js';

const { CHUNK, DEV_EXTENT, DEV_ITEM, QGROUP_STATUS, ROOT_ITEM, ROOT_REF, STRIPE } = format;

/** Root items of kernels before 3.6 end where the rest reads as zeros. */
export function rootItemLines({ fields: stored }: PrintedItem): string[] {
  const fields = stored.padded(ROOT_ITEM.SIZE);
  const u64 = (offset: number): bigint => fields.u64(offset);
  const flags = u64(ROOT_ITEM.flags);
  const lines = [
    `generation ${u64(ROOT_ITEM.generation)} root_dirid ${u64(ROOT_ITEM.rootDirid)} ` +
      `bytenr ${u64(ROOT_ITEM.bytenr)} byte_limit ${u64(ROOT_ITEM.byteLimit)} bytes_used ${u64(ROOT_ITEM.bytesUsed)}`,
    `last_snapshot ${u64(ROOT_ITEM.lastSnapshot)} flags 0x${flags.toString(16)}(${rootFlagText(flags)}) ` +
      `refs ${fields.u32(ROOT_ITEM.refs)}`,
    `drop_progress ${fields.key(ROOT_ITEM.dropProgress)} drop_level ${fields.u8(ROOT_ITEM.dropLevel)}`,
    `level ${fields.u8(ROOT_ITEM.level)} generation_v2 ${u64(ROOT_ITEM.generationV2)}`,
  ];
  if (u64(ROOT_ITEM.generation) === u64(ROOT_ITEM.generationV2)) lines.push(...rootIdentityLines(fields));
  return lines;
}

function rootIdentityLines(fields: ItemFields): string[] {
  const transid = (name: 'ctransid' | 'otransid' | 'stransid' | 'rtransid'): string =>
    `${name} ${fields.u64(ROOT_ITEM[name])}`;
  return [
    `uuid ${fields.uuid(ROOT_ITEM.uuid)}`,
    `parent_uuid ${fields.uuid(ROOT_ITEM.parentUuid)}`,
    `received_uuid ${fields.uuid(ROOT_ITEM.receivedUuid)}`,
    `${transid('ctransid')} ${transid('otransid')} ${transid('stransid')} ${transid('rtransid')}`,
    `ctime ${fields.time(ROOT_ITEM.ctime)}`,
    `otime ${fields.time(ROOT_ITEM.otime)}`,
    `stime ${fields.time(ROOT_ITEM.stime)}`,
    `rtime ${fields.time(ROOT_ITEM.rtime)}`,
  ];
}

export function rootRefLines({ fields, key }: PrintedItem): string[] {
  const tag = key.type === format.ROOT_REF_KEY ? 'ref' : 'backref';
  const name = nameText(fields.bytes(ROOT_REF.SIZE, fields.u16(ROOT_REF.nameLen)));
  const place = `dirid ${fields.u64(ROOT_REF.dirid)} sequence ${fields.u64(ROOT_REF.sequence)}`;
  return [`root ${tag} key ${place} name ${name}`];
}

export function uuidLines({ fields }: PrintedItem): string[] {
  const lines: string[] = [];
  for (let at = 0; at < fields.size; at += format.UUID_ITEM_ENTRY_SIZE) lines.push(`subvol_id ${fields.u64(at)}`);
  return lines;
}

export function chunkLines({ fields }: Pick<PrintedItem, 'fields'>): string[] {
  const stripes = fields.u16(CHUNK.numStripes);
  const type = groupFlagText(fields.u64(CHUNK.type));
  const lines = [
    `length ${fields.u64(CHUNK.length)} owner ${fields.u64(CHUNK.owner)} ` +
      `stripe_len ${fields.u64(CHUNK.stripeLen)} type ${type}`,
    `io_align ${fields.u32(CHUNK.ioAlign)} io_width ${fields.u32(CHUNK.ioWidth)} ` +
      `sector_size ${fields.u32(CHUNK.sectorSize)}`,
    `num_stripes ${stripes} sub_stripes ${fields.u16(CHUNK.subStripes)}`,
  ];
  for (let i = 0; i < stripes; i++) {
    const stripe = fields.part(format.chunkSize(i), STRIPE.SIZE);
    lines.push(
      `\tstripe ${i} devid ${stripe.u64(STRIPE.devid)} offset ${stripe.u64(STRIPE.offset)}`,
      `\tdev_uuid ${stripe.uuid(STRIPE.devUuid)}`,
    );
  }
  return lines;
}

export function devItemLines({ fields }: PrintedItem): string[] {
  const u32 = (offset: number): number => fields.u32(offset);
  const u64 = (offset: number): bigint => fields.u64(offset);
  return [
    `devid ${u64(DEV_ITEM.devid)} total_bytes ${u64(DEV_ITEM.totalBytes)} bytes_used ${u64(DEV_ITEM.bytesUsed)}`,
    `io_align ${u32(DEV_ITEM.ioAlign)} io_width ${u32(DEV_ITEM.ioWidth)} ` +
      `sector_size ${u32(DEV_ITEM.sectorSize)} type ${u64(DEV_ITEM.type)}`,
    `generation ${u64(DEV_ITEM.generation)} start_offset ${u64(DEV_ITEM.startOffset)} ` +
      `dev_group ${u32(DEV_ITEM.devGroup)}`,
    `seek_speed ${fields.u8(DEV_ITEM.seekSpeed)} bandwidth ${fields.u8(DEV_ITEM.bandwidth)}`,
    `uuid ${fields.uuid(DEV_ITEM.uuid)}`,
    `fsid ${fields.uuid(DEV_ITEM.fsid)}`,
  ];
}

export function devExtentLines({ fields }: PrintedItem): string[] {
  const chunk = `chunk_objectid ${fields.u64(DEV_EXTENT.chunkObjectid)}`;
  return [
    `dev extent chunk_tree ${fields.u64(DEV_EXTENT.chunkTree)}`,
    `${chunk} chunk_offset ${fields.u64(DEV_EXTENT.chunkOffset)} length ${fields.u64(DEV_EXTENT.length)}`,
    `chunk_tree_uuid ${fields.uuid(DEV_EXTENT.chunkTreeUuid)}`,
  ];
}

export function qgroupStatusLines({ fields }: PrintedItem): string[] {
  const flags = qgroupFlagText(fields.u64(QGROUP_STATUS.flags));
  const generation = fields.u64(QGROUP_STATUS.generation);
  return [
    `version ${fields.u64(QGROUP_STATUS.version)} generation ${generation} flags ${flags} ` +
      `scan ${fields.u64(QGROUP_STATUS.rescan)}`,
  ];
}

/** `struct btrfs_qgroup_info_item`: five numbers. */
export function qgroupInfoLines({ fields }: PrintedItem): string[] {
  return [
    `generation ${fields.u64(0)}`,
    `referenced ${fields.u64(8)} referenced_compressed ${fields.u64(16)}`,
    `exclusive ${fields.u64(24)} exclusive_compressed ${fields.u64(32)}`,
  ];
}

/** `struct btrfs_qgroup_limit_item`: flags and four numbers. */
export function qgroupLimitLines({ fields }: PrintedItem): string[] {
  return [
    `flags ${fields.u64(0).toString(16)}`,
    `max_referenced ${fields.signed64(8)} max_exclusive ${fields.signed64(16)}`,
    `rsv_referenced ${fields.signed64(24)} rsv_exclusive ${fields.signed64(32)}`,
  ];
}

export function persistentLines({ fields, key }: PrintedItem): string[] {
  const object = objectText(key.objectidU64, key.type);
  const lines = [`persistent item objectid ${object} offset ${key.offsetU64}`];
  if (key.objectidU64 !== BigInt(format.DEV_STATS_OBJECTID)) {
    return [...lines, `unknown persistent item objectid ${key.objectidU64}`];
  }
  const [write, read, flush, corruption, generation] = [0, 8, 16, 24, 32].map((at) => fields.u64(at));
  return [
    ...lines,
    'device stats',
    `write_errs ${write} read_errs ${read} flush_errs ${flush} corruption_errs ${corruption} generation ${generation}`,
  ];
}

export function temporaryLines({ fields, key }: PrintedItem): string[] {
  const object = objectText(key.objectidU64, key.type);
  const lines = [`temporary item objectid ${object} offset ${key.offsetU64}`];
  if (BigInt.asIntN(64, key.objectidU64) !== BigInt(format.BALANCE_OBJECTID)) {
    return [...lines, `unknown temporary item objectid ${key.objectidU64}`];
  }
  return [...lines, ...balanceLines(fields)];
}

/** `struct btrfs_balance_item` has the flags, then one `struct btrfs_disk_balance_args` for each type. */
const BALANCE = { flags: 0, data: 8, metadata: 144, system: 280, ARGS_SIZE: 136 } as const;

const BALANCE_ARGS = {
  profiles: 0,
  usageMin: 8,
  usageMax: 12,
  devid: 16,
  pstart: 24,
  pend: 32,
  vstart: 40,
  vend: 48,
  target: 56,
  flags: 64,
  limitMin: 72,
  limitMax: 76,
  stripesMin: 80,
  stripesMax: 84,
} as const;

function balanceLines(fields: ItemFields): string[] {
  const argumentsOf = (name: string, offset: number): string[] => {
    const args = fields.part(offset, BALANCE.ARGS_SIZE);
    const u32 = (at: number): number => args.u32(at);
    const u64 = (at: number): bigint => args.u64(at);
    return [
      name,
      `profiles ${u64(BALANCE_ARGS.profiles)} devid ${u64(BALANCE_ARGS.devid)} ` +
        `target ${u64(BALANCE_ARGS.target)} flags ${u64(BALANCE_ARGS.flags)}`,
      `usage_min ${u32(BALANCE_ARGS.usageMin)} usage_max ${u32(BALANCE_ARGS.usageMax)} ` +
        `pstart ${u64(BALANCE_ARGS.pstart)} pend ${u64(BALANCE_ARGS.pend)}`,
      `vstart ${u64(BALANCE_ARGS.vstart)} vend ${u64(BALANCE_ARGS.vend)} ` +
        `limit_min ${u32(BALANCE_ARGS.limitMin)} limit_max ${u32(BALANCE_ARGS.limitMax)}`,
      `stripes_min ${u32(BALANCE_ARGS.stripesMin)} stripes_max ${u32(BALANCE_ARGS.stripesMax)}`,
    ];
  };
  return [
    `balance status flags ${fields.u64(BALANCE.flags)}`,
    ...argumentsOf('DATA', BALANCE.data),
    ...argumentsOf('METADATA', BALANCE.metadata),
    ...argumentsOf('SYSTEM', BALANCE.system),
  ];
}

export function stringLines({ fields }: PrintedItem): string[] {
  return [`item data ${nameText(fields.bytes(0, fields.size))}`];
}
