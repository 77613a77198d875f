/** cat, write: the contents of files as streams, in pieces however long they are. */
import { constants } from 'node:fs';
import type { Command } from 'commander';
import { FsError } from '../../bytes/index.js';
import type { PathLike } from '../../library/index.js';
import type { CommandFs } from '../command-volume.js';
import { forEach } from '../each.js';
import { UsageError } from '../failure.js';
import { bytesOf, imagePath } from '../image-path.js';
import { parseSize } from '../numbers.js';
import { output } from '../output.js';
import { type ImageOptions, reading, withImageOptions, writing } from '../session.js';

const PIECE = 1024 * 1024;

interface WriteOptions extends ImageOptions {
  readonly offset?: number;
  readonly append?: boolean;
}

export function addContentsCommands(program: Command): void {
  withImageOptions(program.command('cat <image> <path...>'))
    .description('write the contents of files to standard output')
    .action((image: string, paths: string[], options: ImageOptions) => {
      reading(image, options, (volume) => forEach(volume, paths, (path, fs) => copyOut(fs, imagePath(path))));
    });

  withImageOptions(program.command('write <image> <path>'))
    .description('write standard input into a file, made if need be')
    .option('--offset <bytes>', 'from this place on, leaving the rest as it is', parseSize)
    .option('--append', 'to the end of the file')
    .action((image: string, path: string, options: WriteOptions) => {
      if (options.append === true && options.offset !== undefined)
        throw new UsageError('--append and --offset do not go together');
      writing(image, options, ({ fs }) => copyIn(fs, imagePath(path), options));
    });
}

function copyOut(fs: CommandFs, path: PathLike): void {
  if (fs.statSync(path).isDirectory())
    throw new FsError('EISDIR', 'it is a directory', { path: bytesOf(path).toString() });
  const fd = fs.openSync(path);
  const piece = Buffer.alloc(PIECE);
  try {
    for (let count = -1; count !== 0; output.bytes(piece.subarray(0, count)))
      count = fs.readSync(fd, piece, 0, piece.length, null);
  } finally {
    fs.closeSync(fd);
  }
}

function copyIn(fs: CommandFs, path: PathLike, { offset, append }: WriteOptions): void {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_APPEND } = constants;
  const keeps = append === true ? O_APPEND : offset === undefined ? O_TRUNC : 0;
  const fd = fs.openSync(path, O_WRONLY | O_CREAT | keeps);
  const piece = Buffer.alloc(PIECE);
  let position = offset ?? 0;
  try {
    for (let count = output.readInput(piece); count > 0; count = output.readInput(piece)) {
      writeAll(fs, fd, piece.subarray(0, count), append === true ? undefined : position);
      position += count;
    }
  } finally {
    fs.closeSync(fd);
  }
}

function writeAll(fs: CommandFs, fd: number, bytes: Uint8Array, position: number | undefined): void {
  for (let done = 0; done < bytes.length; ) {
    const count = fs.writeSync(fd, bytes, done, bytes.length - done, position === undefined ? null : position + done);
    if (count === 0) throw new FsError('ENOSPC', 'no space left on the volume');
    done += count;
  }
}
