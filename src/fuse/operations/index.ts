/** Which function answers which request. A request without one is answered with ENOSYS. */
import { OPCODE } from '../protocol/numbers.js';
import type { Operation } from '../server.js';
import { getAttributes, setAttributes, statx } from './attributes.js';
import { readDirectory, readDirectoryWithAttributes } from './directories.js';
import { allocate, close, copyRange, copyRange64, open, read, seek, write } from './files.js';
import { ioctl } from './ioctl.js';
import { forget, forgetMany, initialise, statFilesystem, syncEverything, syncInode } from './mount.js';
import {
  create,
  createUnnamed,
  exchangeOrRename,
  link,
  lookUp,
  makeDirectory,
  makeNode,
  makeSymlink,
  readLink,
  removeDirectory,
  rename,
  unlink,
} from './names.js';
import { getXattr, listXattrs, removeXattr, setXattr } from './xattrs.js';

interface Answer {
  readonly run: Operation;
  /** The kernel expects no reply. */
  readonly isSilent: boolean;
  /** It can be answered only when all that programs wrote to the file is here. */
  readonly needsContents: boolean;
}

const ANSWERS: readonly (readonly [number, Operation])[] = [
  [OPCODE.INIT, initialise],
  [OPCODE.LOOKUP, lookUp],
  [OPCODE.GETATTR, getAttributes],
  [OPCODE.SETATTR, setAttributes],
  [OPCODE.STATX, statx],
  [OPCODE.READLINK, readLink],
  [OPCODE.SYMLINK, makeSymlink],
  [OPCODE.MKNOD, makeNode],
  [OPCODE.MKDIR, makeDirectory],
  [OPCODE.UNLINK, unlink],
  [OPCODE.RMDIR, removeDirectory],
  [OPCODE.RENAME, rename],
  [OPCODE.RENAME2, exchangeOrRename],
  [OPCODE.LINK, link],
  [OPCODE.CREATE, create],
  [OPCODE.TMPFILE, createUnnamed],
  [OPCODE.OPEN, open],
  [OPCODE.READ, read],
  [OPCODE.WRITE, write],
  [OPCODE.RELEASE, close],
  [OPCODE.FALLOCATE, allocate],
  [OPCODE.LSEEK, seek],
  [OPCODE.COPY_FILE_RANGE, copyRange],
  [OPCODE.COPY_FILE_RANGE_64, copyRange64],
  [OPCODE.READDIR, readDirectory],
  [OPCODE.READDIRPLUS, readDirectoryWithAttributes],
  [OPCODE.GETXATTR, getXattr],
  [OPCODE.LISTXATTR, listXattrs],
  [OPCODE.SETXATTR, setXattr],
  [OPCODE.REMOVEXATTR, removeXattr],
  [OPCODE.STATFS, statFilesystem],
  [OPCODE.FSYNC, syncInode],
  [OPCODE.FSYNCDIR, syncInode],
  [OPCODE.SYNCFS, syncEverything],
  [OPCODE.DESTROY, syncEverything],
  [OPCODE.IOCTL, ioctl],
];

const SILENT: readonly (readonly [number, Operation])[] = [
  [OPCODE.FORGET, forget],
  [OPCODE.BATCH_FORGET, forgetMany],
  [OPCODE.INTERRUPT, () => undefined],
];

/** By opcode. */
export const OPERATIONS: readonly (Answer | undefined)[] = (() => {
  const table: (Answer | undefined)[] = new Array(64).fill(undefined);
  for (const [opcode, run] of ANSWERS) {
    table[opcode] = { run, isSilent: false, needsContents: opcode === OPCODE.LSEEK };
  }
  for (const [opcode, run] of SILENT) table[opcode] = { run, isSilent: true, needsContents: false };
  return table;
})();
