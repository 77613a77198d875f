/** encrypt, policy: which directories are encrypted, and how. */
import { type Command, InvalidArgumentError } from 'commander';
import { isFsError } from '../../bytes/index.js';
import { ALLOWED_MODE_PAIRS } from '../../crypto/index.js';
import { modeByName, modeName, namePadding } from '../../fscrypt/index.js';
import type { FilePolicy } from '../../library/index.js';
import type { CommandFs } from '../command-volume.js';
import { policyFields } from '../entry.js';
import { UsageError } from '../failure.js';
import { imagePath } from '../image-path.js';
import { identifierOf, keyFiles, withKey } from '../key-files.js';
import { parseInteger } from '../numbers.js';
import { output } from '../output.js';
import { type ImageOptions, reading, withImageOptions, writing } from '../session.js';

interface EncryptOptions extends ImageOptions {
  readonly contents?: number;
  readonly filenames?: number;
  readonly padding: number;
}

const DEFAULT_CONTENTS = modeByName('AES-256-XTS');

export function addEncryptionCommands(program: Command): void {
  withImageOptions(program.command('encrypt <image> <dir>'))
    .description('encrypt an empty directory with the key of --key-file: whatever is made in it from now on')
    .option(
      '--contents <mode>',
      'for contents: AES-256-XTS (default), AES-128-CBC-ESSIV, SM4-XTS or Adiantum',
      parseModeName,
    )
    .option(
      '--filenames <mode>',
      'for names: AES-256-CTS, AES-256-HCTR2, AES-128-CTS, SM4-CTS or Adiantum',
      parseModeName,
    )
    .option('--padding <bytes>', 'pad names to a multiple of 4, 8, 16 or 32 bytes', parseInteger, 32)
    .action((image: string, directory: string, options: EncryptOptions) => {
      const keyIdentifier = chosenKey(options);
      const contentsMode = options.contents ?? DEFAULT_CONTENTS;
      const filenamesMode = options.filenames ?? partnerOf(contentsMode);
      writing(image, options, ({ fs }) => {
        fs.setPolicySync(imagePath(directory), {
          keyIdentifier,
          contentsMode,
          filenamesMode,
          padding: options.padding,
        });
      });
    });

  withImageOptions(program.command('policy <image> <path>'))
    .description('show how a file or directory is encrypted')
    .option('--json', 'print as JSON')
    .action((image: string, path: string, options: ImageOptions & { json?: boolean }) => {
      reading(image, options, (volume) => {
        const policy = policyOf(volume.fs, path);
        if (options.json === true) output.json(policy === undefined ? { encrypted: false } : jsonOf(policy));
        else
          showPolicy(policy, policy !== undefined && volume.keyring.status(policy.masterKeyIdentifier) === 'present');
      });
    });
}

/** The key to encrypt with: there must be exactly one, so that nobody has to guess which. */
function chosenKey({ keyFile }: ImageOptions): Uint8Array {
  const files = keyFile ?? keyFiles();
  const [file] = files;
  if (file === undefined || files.length > 1) throw new UsageError('encrypt needs exactly one --key-file');
  return withKey(file, identifierOf);
}

/** The usual mode for names beside a mode for contents. */
function partnerOf(contentsMode: number): number {
  const pair = ALLOWED_MODE_PAIRS.find(({ contents }) => contents === contentsMode);
  if (pair === undefined) throw new UsageError(`${modeName(contentsMode)} is no mode for contents`);
  return pair.filenames;
}

function policyOf(fs: CommandFs, path: string): FilePolicy | undefined {
  try {
    return fs.getPolicySync(imagePath(path), { follow: false });
  } catch (error) {
    if (isFsError(error, 'ENODATA')) return undefined;
    throw error;
  }
}

function jsonOf(policy: FilePolicy): object {
  return { encrypted: true, policy: policyFields(policy), nonce: policy.nonce };
}

function showPolicy(policy: FilePolicy | undefined, hasKey: boolean): void {
  if (policy === undefined) {
    output.line('not encrypted');
    return;
  }
  const rows: [string, string][] = [
    ['key', `${Buffer.from(policy.masterKeyIdentifier).toString('hex')}${hasKey ? '' : ' (not given)'}`],
    ['contents', modeName(policy.contentsMode)],
    ['filenames', modeName(policy.filenamesMode)],
    ['padding', String(namePadding(policy))],
    ['nonce', policy.nonce?.toString('hex') ?? "(none: the file takes its directory's policy)"],
  ];
  for (const [name, value] of rows) output.line(`${`${name}:`.padEnd(11)}${value}`);
}

function parseModeName(name: string): number {
  try {
    return modeByName(name);
  } catch (error) {
    if (isFsError(error, 'EINVAL')) throw new InvalidArgumentError(error.message.replace(/^EINVAL: /, ''));
    throw error;
  }
}
