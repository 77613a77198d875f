/**
 * Recognising what is already on a device, so that nothing is overwritten by mistake.
 *
 * A table of signatures as libblkid has it; what the table misses is only the extra question
 * before overwriting, never the reading of anything. No small library knows disk signatures
 * (those that recognise files do not look behind the first kilobytes).
 */
import type { BlockDevice } from '../device/index.js';
import { SUPER, superMirrorOffsets } from '../format/index.js';

interface Signature {
  readonly name: string;
  /** In bytes; negative ones count from the end of the device. */
  readonly at: number;
  readonly magic: Uint8Array;
}

const KIB = 1024;
const MIB = 1024 ** 2;
/** Bytes of an MBR's partition entries, four of 16, and where they begin. */
const MBR_TABLE = { at: 446, entry: 16, entries: 4, signature: 510 } as const;
const ZFS_UBERBLOCK = { first: 128 * KIB, end: 256 * KIB, step: KIB } as const;

const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const sign = (name: string, at: number, magic: string): Signature => ({ name, at, magic: ascii(magic) });

const SIGNATURES: readonly Signature[] = [
  sign('an ext2, ext3 or ext4 filesystem', 0x438, '\x53\xef'),
  sign('an XFS filesystem', 0, 'XFSB'),
  sign('a LUKS encrypted volume', 0, 'LUKS\xba\xbe'),
  ...[0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000].map((at) =>
    sign('a LUKS encrypted volume (its second header)', at, 'SKUL\xba\xbe'),
  ),
  sign('a BitLocker volume', 3, '-FVE-FS-'),
  sign('an exFAT filesystem', 3, 'EXFAT   '),
  sign('an NTFS filesystem', 3, 'NTFS    '),
  sign('a FAT filesystem', 0x36, 'FAT12   '),
  sign('a FAT filesystem', 0x36, 'FAT16   '),
  sign('a FAT filesystem', 0x36, 'FAT     '),
  sign('a FAT filesystem', 0x52, 'FAT32   '),
  ...[4, 8, 16, 32, 64].flatMap((pageKib) => [
    sign('swap space', pageKib * KIB - 10, 'SWAPSPACE2'),
    sign('swap space', pageKib * KIB - 10, 'SWAP-SPACE'),
    sign('a hibernated system', pageKib * KIB - 10, 'S1SUSPEND'),
  ]),
  ...[0x8001, 0x8801, 0x9001].flatMap((at) => [
    sign('an ISO 9660 filesystem', at, 'CD001'),
    sign('a UDF filesystem', at, 'BEA01'),
    sign('a UDF filesystem', at, 'NSR02'),
    sign('a UDF filesystem', at, 'NSR03'),
  ]),
  sign('a bcachefs filesystem', 0x1018, '\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef'),
  sign('a bcache or bcachefs device', 0x1018, '\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81'),
  sign('a SquashFS filesystem', 0, 'hsqs'),
  sign('a SquashFS filesystem', 0, 'sqsh'),
  sign('an EROFS filesystem', 0x400, '\xe2\xe1\xf5\xe0'),
  sign('a cramfs filesystem', 0, '\x45\x3d\xcd\x28'),
  sign('an F2FS filesystem', 0x400, '\x10\x20\xf5\xf2'),
  sign('a NILFS2 filesystem', 0x406, '\x34\x34'),
  sign('a JFS filesystem', 0x8000, 'JFS1'),
  sign('a ReiserFS filesystem', 0x10034, 'ReIsErFs'),
  sign('a ReiserFS filesystem', 0x10034, 'ReIsEr2Fs'),
  sign('a ReiserFS filesystem', 0x10034, 'ReIsEr3Fs'),
  sign('a ReiserFS filesystem', 0x2034, 'ReIsErFs'),
  sign('a GFS2 filesystem', 0x10000, '\x01\x16\x19\x70'),
  sign('an OCFS2 filesystem', 0x2000, 'OCFSV2'),
  sign('an APFS container', 0x20, 'NXSB'),
  sign('an HFS+ filesystem', 0x400, 'H+'),
  sign('an HFS+ filesystem', 0x400, 'HX'),
  sign('an HFS filesystem', 0x400, 'BD'),
  sign('a UFS filesystem', 0x255c, '\x19\x01\x54\x19'),
  sign('a UFS filesystem', 0x1055c, '\x19\x01\x54\x19'),
  ...[0, 1, 2, 3].map((sector) => sign('an LVM physical volume', sector * 512, 'LABELONE')),
  sign('a Linux RAID member', 0, '\xfc\x4e\x2b\xa9'),
  sign('a Linux RAID member', 0x1000, '\xfc\x4e\x2b\xa9'),
  sign('a VMFS volume', MIB, '\x0d\xd0\x01\xc0'),
  sign('a GPT partition table', 512, 'EFI PART'),
  sign('a GPT partition table', 4096, 'EFI PART'),
  sign('a GPT partition table (its backup)', -512, 'EFI PART'),
  sign('a GPT partition table (its backup)', -4096, 'EFI PART'),
  sign('a qcow2 disk image', 0, 'QFI\xfb'),
  sign('a VMDK disk image', 0, 'KDMV'),
  sign('a VHDX disk image', 0, 'vhdxfile'),
];

/**
 * What the device holds, in words that complete "it holds …"; undefined when nothing is known to
 * be there. Reads only.
 */
export function probeFilesystem(device: BlockDevice): string | undefined {
  if (hasBtrfs(device)) return 'a btrfs filesystem';
  const found = SIGNATURES.find(({ at, magic }) => matches(device, at < 0 ? device.size + at : at, magic));
  if (found !== undefined) return found.name;
  if (hasZfs(device)) return 'a ZFS member';
  if (hasOldRaid(device)) return 'a Linux RAID member';
  if (hasPartitions(device)) return 'a DOS partition table';
  return undefined;
}

/** Any copy of the superblock counts: a volume whose first one is damaged is still worth a question. */
function hasBtrfs(device: BlockDevice): boolean {
  return superMirrorOffsets(device.size).some((offset) => matches(device, offset + SUPER.magic, ascii('_BHRfS_M')));
}

/** Uberblocks of the first label, in either byte order. */
function hasZfs(device: BlockDevice): boolean {
  const magics = [ascii('\x0c\xb1\xba\x00\x00\x00\x00\x00'), ascii('\x00\x00\x00\x00\x00\xba\xb1\x0c')];
  for (let at = ZFS_UBERBLOCK.first; at < ZFS_UBERBLOCK.end; at += ZFS_UBERBLOCK.step) {
    if (magics.some((magic) => matches(device, at, magic))) return true;
  }
  return false;
}

/** Metadata versions 0.90 and 1.0 lie near the end, at aligned places. */
function hasOldRaid(device: BlockDevice): boolean {
  const size = device.size - (device.size % (64 * KIB));
  const magic = ascii('\xfc\x4e\x2b\xa9');
  const atV1 = device.size - (device.size % 4096) - 8 * KIB;
  return matches(device, size - 64 * KIB, magic) || matches(device, atV1, magic);
}

/** The boot signature alone says little: there must be a partition, and each entry must be plausible. */
function hasPartitions(device: BlockDevice): boolean {
  const sector = readAt(device, 0, 512);
  if (sector === undefined || sector[MBR_TABLE.signature] !== 0x55 || sector[MBR_TABLE.signature + 1] !== 0xaa)
    return false;
  const entries = Array.from({ length: MBR_TABLE.entries }, (_, i) => MBR_TABLE.at + i * MBR_TABLE.entry);
  const plausible = entries.every((at) => ((sector[at] ?? 0) & 0x7f) === 0);
  return plausible && entries.some((at) => (sector[at + 4] ?? 0) !== 0);
}

function matches(device: BlockDevice, at: number, magic: Uint8Array): boolean {
  const found = readAt(device, at, magic.length);
  return found !== undefined && Buffer.compare(found, magic) === 0;
}

function readAt(device: BlockDevice, at: number, length: number): Uint8Array | undefined {
  if (at < 0 || at + length > device.size) return undefined;
  const bytes = new Uint8Array(length);
  device.read(at, bytes);
  return bytes;
}
