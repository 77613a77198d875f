/** create, info, enable-encryption, trim: whole volumes. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { createVolume, type OpenVolume, type VolumeInfo } from '../../library/index.js';
import { UsageError } from '../failure.js';
import { formatSize, parseSize } from '../numbers.js';
import { output, warn } from '../output.js';
import { type ImageOptions, reading, withImageOptions, writing } from '../session.js';

const CHECKSUMS: ReadonlyMap<string, number> = new Map([
  ['crc32c', 0],
  ['xxhash', 1],
  ['xxhash64', 1],
  ['sha256', 2],
  ['blake2', 3],
  ['blake2b', 3],
]);

interface CreateOptions {
  readonly size?: number;
  readonly label?: string;
  readonly uuid?: Uint8Array;
  readonly csum?: number;
  readonly nodesize?: number;
  readonly extentContext?: 'item' | 'trailing';
  readonly encrypt: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

interface TrimOptions extends ImageOptions {
  readonly offset: number;
  readonly length?: number;
  readonly minimum: number;
  readonly json?: boolean;
}

export function addVolumeCommands(program: Command): void {
  program
    .command('create <image>')
    .description('make a new volume in an image file or on a block device')
    .option('-s, --size <size>', 'size of the image file, like 512M or 1GiB', parseSize)
    .option('-L, --label <label>', 'name of the volume')
    .option('-U, --uuid <uuid>', 'UUID of the volume; random by default', parseUuid)
    .option('--csum <type>', 'checksums: crc32c (default), xxhash, sha256 or blake2', parseChecksum)
    .option('-n, --nodesize <size>', 'size of tree blocks: 4k to 64k; 16k by default', parseSize)
    .addOption(extentContextOption('where extents keep their encryption context'))
    .option('--no-encrypt', 'leave encryption off, so that every btrfs kernel can mount the volume')
    .option('-f, --force', 'overwrite a filesystem or file that is there')
    .option('--json', 'print the result as JSON')
    .action(create);

  withImageOptions(program.command('info <image>'))
    .description('show label, UUID, features, devices and usage')
    .option('--json', 'print as JSON')
    .action((image: string, options: ImageOptions & { json?: boolean }) => {
      reading(image, options, ({ info }) => {
        if (options.json === true) output.json(info);
        else showInfo(info);
      });
    });

  program
    .command('enable-encryption <image>')
    .description('turn encryption on for a volume made without it; unpatched kernels will no longer mount it')
    .addOption(extentContextOption('where extents will keep their encryption context'))
    .action((image: string, options: Pick<CreateOptions, 'extentContext'>) => {
      writing(image, {}, (volume) => volume.enableEncryption(options.extentContext ?? 'item'));
    });

  withImageOptions(program.command('trim <image>'))
    .description('give free space back to the file or device under the volume')
    .option('-o, --offset <bytes>', 'only from this byte of the device on', parseSize, 0)
    .option('-l, --length <bytes>', 'only so far from there', parseSize)
    .option('-m, --minimum <bytes>', 'leave shorter runs of free space alone', parseSize, 0)
    .option('--json', 'print the result as JSON')
    .action((image: string, options: TrimOptions) => {
      const { offset, length, minimum } = options;
      const range = { start: offset, minLength: minimum, ...(length === undefined ? {} : { length }) };
      const trimmed = writing(image, options, (volume) => volume.trim(range));
      if (options.json === true) output.json({ trimmed });
      else output.line(`${formatSize(trimmed)} given back`);
    });
}

function extentContextOption(text: string): Option {
  return new Option('--extent-context <place>', `${text} (default: item)`).choices(['item', 'trailing']);
}

function create(image: string, options: CreateOptions): void {
  const { size, label, uuid, csum, nodesize, force, encrypt } = options;
  if (!encrypt && options.extentContext !== undefined)
    throw new UsageError('--extent-context goes with encryption, not with --no-encrypt');
  const extentContext = options.extentContext ?? 'item';
  const volume = createVolume(image, {
    ...(size === undefined ? {} : { size }),
    ...(label === undefined ? {} : { label }),
    ...(uuid === undefined ? {} : { uuid }),
    ...(csum === undefined ? {} : { checksumType: csum }),
    ...(nodesize === undefined ? {} : { nodesize }),
    ...(encrypt ? { extentContext } : {}),
    force: force ?? false,
  });
  try {
    report(volume, options.json ?? false);
  } finally {
    volume.close();
  }
  if (encrypt && extentContext === 'trailing') {
    warn(
      'in the layout trailing, data checksums cover plaintext: equal blocks of different files show as equal checksums',
    );
  }
}

function report({ info }: OpenVolume, asJson: boolean): void {
  if (asJson) {
    output.json(info);
    return;
  }
  const name = info.label === '' ? '' : ` ${JSON.stringify(info.label)}`;
  output.line(`created volume${name} ${info.uuid}, ${formatSize(info.totalBytes)}`);
}

function showInfo(info: VolumeInfo): void {
  const rows: [string, string][] = [
    ['label', info.label === '' ? '(none)' : JSON.stringify(info.label)],
    ['uuid', info.uuid],
    ['generation', String(info.generation)],
    ['checksums', info.checksum],
    ['node size', String(info.nodesize)],
    ['sector size', String(info.sectorsize)],
    ['size', formatSize(info.totalBytes)],
    ['used', formatSize(info.usedBytes)],
    ['unallocated', formatSize(info.unallocatedBytes)],
    ['encryption', info.extentContext === undefined ? 'off' : `on, extent contexts: ${info.extentContext}`],
    ['features', info.features.join(' ')],
  ];
  for (const { id, name, uuid, totalBytes, allocatedBytes } of info.devices) {
    rows.push([`device ${id}`, `${name}, ${uuid}, ${formatSize(totalBytes)}, ${formatSize(allocatedBytes)} allocated`]);
  }
  for (const { type, profile, total, used } of info.usage) {
    rows.push([`${type}, ${profile}`, `${formatSize(total)}, ${formatSize(used)} used`]);
  }
  for (const [name, value] of rows) output.line(`${`${name}:`.padEnd(18)}${value}`);
  const reasons = info.readOnlyReasons.filter((reason) => !reason.includes('opened for reading only'));
  for (const reason of reasons) output.line(`${'read-only:'.padEnd(18)}${reason}`);
}

function parseUuid(text: string): Uint8Array {
  const hex = text.replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/i.test(hex)) throw new InvalidArgumentError(`'${text}' is no UUID`);
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

function parseChecksum(text: string): number {
  const type = CHECKSUMS.get(text.toLowerCase());
  if (type === undefined) throw new InvalidArgumentError(`'${text}' is none of ${[...CHECKSUMS.keys()].join(', ')}`);
  return type;
}
