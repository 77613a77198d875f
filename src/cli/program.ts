/** All commands of the command line. Each group has its file in commands/. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addChangeCommands } from './commands/change.js';
import { addContentsCommands } from './commands/contents.js';
import { addCopyCommands } from './commands/copy.js';
import { addEncryptionCommands } from './commands/encryption.js';
import { addKeyCommands } from './commands/key.js';
import { addListCommands } from './commands/list.js';
import { addMountCommands } from './commands/mount.js';
import { addSubvolumeCommands } from './commands/subvolume.js';
import { addTransferCommands } from './commands/transfer.js';
import { addVolumeCommands } from './commands/volume.js';
import { addXattrCommands } from './commands/xattr.js';
import { registerInspect } from './inspect/index.js';
import { output } from './output.js';

const ABOUT = `btrfs volumes with fscrypt encryption, in image files, on block devices, and mounted.

An IMAGE is an image file, a block device, or a directory in a mount of butterlock.
PATHs start at the top of the volume, or at that directory. For a name that cannot be typed,
write hex: and the bytes of the whole path in hexadecimal.`;

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 called wrongly, 3 the volume is damaged, 4 a key is missing,
5 it is in use, 6 the volume is full.`;

export function buildProgram(): Command {
  const program = new Command('butterlock')
    .description(ABOUT)
    .version(packageVersion(), '-V, --version', 'print the version')
    .addHelpText('after', EXIT_CODES)
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .helpCommand('help [command]', 'explain a command');
  addVolumeCommands(program);
  addListCommands(program);
  addContentsCommands(program);
  addTransferCommands(program);
  addChangeCommands(program);
  addCopyCommands(program);
  addXattrCommands(program);
  addSubvolumeCommands(program);
  addKeyCommands(program);
  addEncryptionCommands(program);
  addMountCommands(program);
  registerInspect(program);
  settle(program);
  return program;
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  const { version }: { version: string } = JSON.parse(text);
  return version;
}

/** Errors become exceptions and one line; a group without a subcommand is called wrongly. */
function settle(command: Command): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => output.text(text),
    writeErr: (text) => output.errorText(text),
    outputError: (text, write) => write(text.replace(/^error: /, 'butterlock: ')),
  });
  for (const below of command.commands) settle(below);
}
