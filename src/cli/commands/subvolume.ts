/** subvolume: create, delete, list, show, set-default, snapshot. */
import type { Command } from 'commander';
import { formatUuid, isZero } from '../../bytes/index.js';
import type { Subvolume } from '../../library/index.js';
import type { CommandFs } from '../command-volume.js';
import { forEach } from '../each.js';
import { baseName, imagePath } from '../image-path.js';
import { formatTime } from '../numbers.js';
import { output, shown } from '../output.js';
import { type ImageOptions, reading, withImageOptions, writing } from '../session.js';
import { placeFor } from './copy.js';

interface SubvolumeOptions extends ImageOptions {
  readonly json?: boolean;
  readonly readOnly?: boolean;
}

const TOP_SUBVOLUME = 5;

export function addSubvolumeCommands(program: Command): void {
  const subvolume = program
    .command('subvolume')
    .alias('sub')
    .description('make, delete and show subvolumes and snapshots');

  withImageOptions(subvolume.command('create <image> <path...>'))
    .description('make empty subvolumes')
    .action((image: string, paths: string[], options: SubvolumeOptions) => {
      writing(image, options, (volume) =>
        forEach(volume, paths, (path, fs) => fs.createSubvolumeSync(imagePath(path))),
      );
    });

  withImageOptions(subvolume.command('delete <image> <path...>'))
    .description('delete subvolumes with everything in them')
    .action((image: string, paths: string[], options: SubvolumeOptions) => {
      writing(image, options, (volume) =>
        forEach(volume, paths, (path, fs) => fs.deleteSubvolumeSync(imagePath(path))),
      );
    });

  withImageOptions(subvolume.command('snapshot <image> <source> <dest>'))
    .description('make a snapshot of a subvolume; if DEST is a directory, in it')
    .option('-r, --read-only', 'that cannot be changed')
    .action((image: string, source: string, dest: string, options: SubvolumeOptions) => {
      writing(image, options, ({ fs }) => {
        const place = placeFor(fs, imagePath(source), imagePath(dest), false);
        fs.snapshotSync(imagePath(source), place, { readOnly: options.readOnly ?? false });
      });
    });

  withImageOptions(subvolume.command('list <image>'))
    .description('list all subvolumes')
    .option('--json', 'one JSON object per line and subvolume')
    .action((image: string, options: SubvolumeOptions) => {
      reading(image, options, ({ fs }) => listAll(fs, options.json ?? false));
    });

  withImageOptions(subvolume.command('show <image> <path>'))
    .description('show the subvolume that a path lies in')
    .option('--json', 'print as JSON')
    .action((image: string, path: string, options: SubvolumeOptions) => {
      reading(image, options, ({ fs }) => show(fs.subvolumeSync(imagePath(path)), options.json ?? false));
    });

  withImageOptions(subvolume.command('set-default <image> <subvolume>'))
    .description('choose the subvolume that is shown without further words: its PATH or ID')
    .action((image: string, which: string, options: SubvolumeOptions) => {
      const id = /^\d+$/.test(which) ? Number(which) : imagePath(which);
      writing(image, options, ({ fs }) => fs.setDefaultSubvolumeSync(id));
    });
}

function listAll(fs: CommandFs, asJson: boolean): void {
  for (const subvolume of fs.listSubvolumesSync()) {
    if (asJson) output.json(fields(subvolume));
    else if (subvolume.id !== TOP_SUBVOLUME) output.line(lineOf(subvolume));
  }
}

/** The line of `btrfs subvolume list`. */
function lineOf({ id, generation, parentId, path }: Subvolume): string {
  const where = path === undefined ? '<unreachable>' : shown(path);
  return `ID ${id} gen ${generation} top level ${parentId ?? 0} path ${where}`;
}

function fields(subvolume: Subvolume): object {
  return {
    id: subvolume.id,
    parent_id: subvolume.parentId ?? null,
    path: subvolume.path === undefined ? null : shown(subvolume.path),
    generation: subvolume.generation,
    created_generation: subvolume.originalGeneration,
    created_ns: BigInt(subvolume.created.sec) * 1_000_000_000n + BigInt(subvolume.created.nsec),
    uuid: uuidText(subvolume.uuid),
    parent_uuid: uuidText(subvolume.parentUuid),
    received_uuid: uuidText(subvolume.receivedUuid),
    read_only: subvolume.readOnly,
    default: subvolume.isDefault,
  };
}

function show(subvolume: Subvolume, asJson: boolean): void {
  if (asJson) {
    output.json(fields(subvolume));
    return;
  }
  const { path, created } = subvolume;
  const name = path === undefined ? '<unreachable>' : path.length === 0 ? '<FS_TREE>' : shown(baseName(path));
  const rows: [string, string][] = [
    ['Name', name],
    ['Path', path === undefined ? '-' : `/${shown(path)}`],
    ['UUID', uuidText(subvolume.uuid) ?? '-'],
    ['Parent UUID', uuidText(subvolume.parentUuid) ?? '-'],
    ['Received UUID', uuidText(subvolume.receivedUuid) ?? '-'],
    ['Creation time', `${formatTime(BigInt(created.sec) * 1_000_000_000n)} UTC`],
    ['Subvolume ID', String(subvolume.id)],
    ['Generation', String(subvolume.generation)],
    ['Gen at creation', String(subvolume.originalGeneration)],
    ['Parent ID', String(subvolume.parentId ?? 0)],
    ['Flags', subvolume.readOnly ? 'readonly' : '-'],
    ['Default', subvolume.isDefault ? 'yes' : 'no'],
  ];
  for (const [title, value] of rows) output.line(`${`${title}:`.padEnd(20)}${value}`);
}

function uuidText(uuid: Uint8Array): string | null {
  return isZero(uuid) ? null : formatUuid(uuid);
}
