/** `dump-super`: a superblock in the lines of `btrfs inspect-internal dump-super`. */
import { equalBytes, FsError, viewOf } from '../../bytes/index.js';
import { type ChecksumAlgorithm, checksumAlgorithm } from '../../checksum/index.js';
import type { BlockDevice } from '../../device/index.js';
import * as format from '../../format/index.js';
import { ItemFields } from './item-fields.js';
import { dottedText } from './name-text.js';
import { backupRootLines, systemChunkLines } from './super-arrays.js';

const { DEV_ITEM, SUPER } = format;

export interface SuperLinesOptions {
  /** Which copy, from 0 on. Default 0. */
  readonly copy?: number;
  /** Also the system chunk array and the backup roots. */
  readonly full?: boolean;
}

/** By type, as mkfs.btrfs takes them. */
const CHECKSUM_NAMES = ['crc32c', 'xxhash64', 'sha256', 'blake2'];

const SUPER_FLAGS: readonly format.Feature[] = [
  { name: 'WRITTEN', bit: format.SUPER_FLAG_WRITTEN, support: 'yes' },
  { name: 'ERROR', bit: format.SUPER_FLAG_ERROR, support: 'yes' },
  { name: 'SEEDING', bit: format.SUPER_FLAG_SEEDING, support: 'yes' },
  { name: 'METADUMP', bit: format.SUPER_FLAG_METADUMP, support: 'yes' },
  { name: 'METADUMP_V2', bit: format.SUPER_FLAG_METADUMP_V2, support: 'yes' },
  { name: 'CHANGING_FSID', bit: format.SUPER_FLAG_CHANGING_FSID, support: 'yes' },
  { name: 'CHANGING_FSID_V2', bit: format.SUPER_FLAG_CHANGING_FSID_V2, support: 'yes' },
];

/**
 * The lines for one copy, whether its checksum is right or not.
 *
 * @throws FsError EINVAL when the device has no such copy or no magic number is there; EIO
 */
export function* superLines(device: BlockDevice, options: SuperLinesOptions = {}): Generator<string> {
  const { copy = 0, full = false } = options;
  const offset = format.superMirrorOffsets(device.size)[copy];
  if (offset === undefined) throw new FsError('EINVAL', `${device.name} is too small for superblock copy ${copy}`);
  const bytes = new Uint8Array(SUPER.SIZE);
  device.read(offset, bytes);
  const fields = new ItemFields(viewOf(bytes), 0, SUPER.SIZE);
  if (fields.u64(SUPER.magic) !== format.SUPER_MAGIC) {
    throw new FsError('EINVAL', `${device.name} holds no btrfs superblock at byte ${offset}`);
  }
  yield `superblock: bytenr=${offset}, device=${device.name}`;
  yield '-'.repeat(57);
  yield* checksumLines(bytes, fields);
  yield* identityLines(fields);
  yield* treeRootLines(fields);
  yield* featureLines(fields);
  yield* deviceLines(fields);
  if (full) {
    yield* systemChunkLines(fields);
    yield* backupRootLines(fields);
  }
  yield '';
}

/** A name and its value, lined up as far as three tabs go. */
function line(name: string, value: string | number | bigint): string {
  return `${name}${'\t'.repeat(Math.max(1, 3 - Math.floor(name.length / 8)))}${value}`;
}

function checksumLines(bytes: Uint8Array, fields: ItemFields): string[] {
  const type = fields.u16(SUPER.csumType);
  const algorithm = knownChecksum(type);
  const size = algorithm?.size ?? format.CSUM_SIZE;
  return [
    line('csum_type', `${type} (${CHECKSUM_NAMES[type] ?? 'INVALID'})`),
    line('csum_size', size),
    line('csum', `0x${fields.hex(SUPER.csum, size)} ${checksumVerdict(bytes, algorithm)}`),
  ];
}

function knownChecksum(type: number): ChecksumAlgorithm | undefined {
  try {
    return checksumAlgorithm(type);
  } catch {
    return undefined;
  }
}

function checksumVerdict(bytes: Uint8Array, algorithm: ChecksumAlgorithm | undefined): string {
  if (algorithm === undefined) return '[UNKNOWN CSUM TYPE OR SIZE]';
  const found = new Uint8Array(algorithm.size);
  algorithm.digestInto(bytes.subarray(format.CSUM_SIZE), found, 0);
  return matchText(equalBytes(found, bytes.subarray(0, algorithm.size)));
}

function matchText(matches: boolean): string {
  return matches ? '[match]' : "[DON'T MATCH]";
}

function identityLines(fields: ItemFields): string[] {
  const flags = fields.u64(SUPER.flags);
  const label = fields.bytes(SUPER.label, format.LABEL_SIZE);
  const labelEnd = label.indexOf(0);
  return [
    line('bytenr', fields.u64(SUPER.bytenr)),
    line('flags', hexText(flags)),
    ...flagLines(flags, SUPER_FLAGS),
    line('magic', `${dottedText(fields.bytes(SUPER.magic, 8))} ${matchText(true)}`),
    line('fsid', fields.uuid(SUPER.fsid)),
    line('metadata_uuid', fields.uuid(metadataUuidOffset(fields))),
    line('label', dottedText(labelEnd < 0 ? label : label.subarray(0, labelEnd))),
    line('generation', fields.u64(SUPER.generation)),
  ];
}

/** The fsid serves where the volume has no metadata UUID of its own. */
function metadataUuidOffset(fields: ItemFields): number {
  const separate = (fields.u64(SUPER.incompatFlags) & format.INCOMPAT_METADATA_UUID) !== 0n;
  return separate ? SUPER.metadataUuid : SUPER.fsid;
}

function treeRootLines(fields: ItemFields): string[] {
  return [
    line('root', fields.u64(SUPER.root)),
    line('sys_array_size', fields.u32(SUPER.sysChunkArraySize)),
    line('chunk_root_generation', fields.u64(SUPER.chunkRootGeneration)),
    line('root_level', fields.u8(SUPER.rootLevel)),
    line('chunk_root', fields.u64(SUPER.chunkRoot)),
    line('chunk_root_level', fields.u8(SUPER.chunkRootLevel)),
    line('log_root', fields.u64(SUPER.logRoot)),
    line('log_root_transid (deprecated)', fields.u64(SUPER.logRootTransid)),
    line('log_root_level', fields.u8(SUPER.logRootLevel)),
    line('total_bytes', fields.u64(SUPER.totalBytes)),
    line('bytes_used', fields.u64(SUPER.bytesUsed)),
    line('sectorsize', fields.u32(SUPER.sectorsize)),
    line('nodesize', fields.u32(SUPER.nodesize)),
    line('leafsize (deprecated)', fields.u32(SUPER.leafsize)),
    line('stripesize', fields.u32(SUPER.stripesize)),
    line('root_dir', fields.u64(SUPER.rootDirObjectid)),
    line('num_devices', fields.u64(SUPER.numDevices)),
  ];
}

function featureLines(fields: ItemFields): string[] {
  const flags = (name: string, offset: number, features: readonly format.Feature[]): string[] => {
    const value = fields.u64(offset);
    return [line(name, hexText(value)), ...flagLines(value, features)];
  };
  return [
    ...flags('compat_flags', SUPER.compatFlags, format.COMPAT_FEATURES),
    ...flags('compat_ro_flags', SUPER.compatRoFlags, format.COMPAT_RO_FEATURES),
    ...flags('incompat_flags', SUPER.incompatFlags, format.INCOMPAT_FEATURES),
    line('cache_generation', fields.u64(SUPER.cacheGeneration)),
    line('uuid_tree_generation', fields.u64(SUPER.uuidTreeGeneration)),
  ];
}

/** One line for each flag by name, then one for all that have none. */
function flagLines(flags: bigint, known: readonly format.Feature[]): string[] {
  if (flags === 0n) return [];
  const words = known.filter(({ bit }) => (flags & bit) !== 0n).map(({ name }) => name);
  const unknown = known.reduce((rest, { bit }) => rest & ~bit, flags);
  if (unknown !== 0n) words.push(`unknown flag: ${hexText(unknown)}`);
  return words.map((word, i) => {
    const start = i === 0 ? '( ' : '  ';
    return `\t\t\t${start}${word} ${i === words.length - 1 ? ')' : '|'}`;
  });
}

function deviceLines(fields: ItemFields): string[] {
  const device = fields.part(SUPER.devItem, DEV_ITEM.SIZE);
  const fsid = device.bytes(DEV_ITEM.fsid, format.UUID_SIZE);
  const wanted = fields.bytes(metadataUuidOffset(fields), format.UUID_SIZE);
  return [
    line('dev_item.uuid', device.uuid(DEV_ITEM.uuid)),
    line('dev_item.fsid', `${device.uuid(DEV_ITEM.fsid)} ${matchText(equalBytes(fsid, wanted))}`),
    line('dev_item.type', device.u64(DEV_ITEM.type)),
    line('dev_item.total_bytes', device.u64(DEV_ITEM.totalBytes)),
    line('dev_item.bytes_used', device.u64(DEV_ITEM.bytesUsed)),
    line('dev_item.io_align', device.u32(DEV_ITEM.ioAlign)),
    line('dev_item.io_width', device.u32(DEV_ITEM.ioWidth)),
    line('dev_item.sector_size', device.u32(DEV_ITEM.sectorSize)),
    line('dev_item.devid', device.u64(DEV_ITEM.devid)),
    line('dev_item.dev_group', device.u32(DEV_ITEM.devGroup)),
    line('dev_item.seek_speed', device.u8(DEV_ITEM.seekSpeed)),
    line('dev_item.bandwidth', device.u8(DEV_ITEM.bandwidth)),
    line('dev_item.generation', device.u64(DEV_ITEM.generation)),
  ];
}

function hexText(value: bigint): string {
  return `0x${value.toString(16)}`;
}
