/** key: files with master keys. */
import type { Command } from 'commander';
import { toHex } from '../../bytes/index.js';
import { Keyring } from '../../fscrypt/index.js';
import { generateKeyFile, withKeys } from '../key-files.js';
import { output } from '../output.js';

export function addKeyCommands(program: Command): void {
  const key = program.command('key').description('make key files and tell their identifiers');

  key
    .command('generate <file>')
    .description('make a file with a new 64-byte key that only you may read; whoever loses it loses the data')
    .option('--json', 'print the identifier as JSON')
    .action((file: string, options: { json?: boolean }) => {
      generateKeyFile(file);
      showIdentifier(file, options.json ?? false);
    });

  key
    .command('identifier <file>')
    .description('print the identifier of the key in a file, as policies name it')
    .option('--json', 'print as JSON')
    .action((file: string, options: { json?: boolean }) => showIdentifier(file, options.json ?? false));
}

/** The identifier of a key, in hexadecimal. */
export function identifierOf(key: Uint8Array): Uint8Array {
  const keyring = new Keyring();
  try {
    return keyring.add(key);
  } finally {
    keyring.close();
  }
}

function showIdentifier(file: string, asJson: boolean): void {
  withKeys([file], ([key]) => {
    const identifier = toHex(identifierOf(key ?? new Uint8Array(0)));
    if (asJson) output.json({ file, identifier });
    else output.line(identifier);
  });
}
