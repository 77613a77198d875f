/** key: files with master keys, and the keys of a mount. */
import { closeSync } from 'node:fs';
import type { Command } from 'commander';
import { FsError, isFsError, toHex } from '../../bytes/index.js';
import { IDENTIFIER_SIZE, type KeyStatus } from '../../fscrypt/index.js';
import { addMountKey, type KeyClaims, keysOf, openMount, removeMountKey, type StillUsed } from '../../fuse/index.js';
import { attempt } from '../each.js';
import { generateKeyFile, identifierOf, withKey } from '../key-files.js';
import { output } from '../output.js';

const IDENTIFIER = new RegExp(`^[0-9a-f]{${2 * IDENTIFIER_SIZE}}$`, 'i');

const STILL_USED: Record<StillUsed, string> = {
  openFiles: 'the key is removed, but open files use it until they are closed',
  otherUsers: 'you have removed the key, but others have added it too: it stays until they remove it',
};

/** As the fscrypt ioctls call them. */
const STATUS_NAMES: Record<KeyStatus, string> = {
  present: 'present',
  incompletelyRemoved: 'incompletely removed',
  absent: 'absent',
};

interface KeyOptions {
  readonly json?: boolean;
  readonly allUsers?: boolean;
}

export function addKeyCommands(program: Command): void {
  const key = program.command('key').description('make key files, and add and remove the keys of a mount');

  key
    .command('generate <file>')
    .description('make a file with a new 64-byte key that only you may read; whoever loses it loses the data')
    .option('--json', 'print the identifier as JSON')
    .action((file: string, options: KeyOptions) => {
      generateKeyFile(file);
      showIdentifier(file, options);
    });

  key
    .command('identifier <file>')
    .description('print the identifier of the key in a file, as policies name it')
    .option('--json', 'print as JSON')
    .action(showIdentifier);

  addMountKeyCommands(key);
}

function addMountKeyCommands(key: Command): void {
  key
    .command('add <mount> <file...>')
    .description('add the keys in files to a mount: what they encrypt can be used until you remove them')
    .option('--json', 'one JSON object per line and key')
    .action((mount: string, files: string[], options: KeyOptions) =>
      onMount(mount, files, (fd, file) => {
        withKey(file, (raw) => addMountKey(fd, raw));
        showIdentifier(file, options);
      }),
    );

  key
    .command('remove <mount> <key...>')
    .description('remove keys from a mount, given by their files or identifiers: what they encrypt is locked')
    .option('--all-users', 'whoever has added them; for administrators')
    .action((mount: string, keys: string[], options: KeyOptions) =>
      onMount(mount, keys, (fd, which) => remove(fd, which, options.allUsers ?? false)),
    );

  key
    .command('list <mount>')
    .description('list the keys of a mount and whether they can be used')
    .option('--json', 'one JSON object per line and key')
    .action((mount: string, { json }: KeyOptions) =>
      onMount(mount, [mount], (fd) => {
        for (const key of keysOf(fd)) show(key, json ?? false);
      }),
    );
}

/** Does something for each of several things; one that fails does not keep the others from being done. */
function onMount(mount: string, things: readonly string[], work: (fd: number, thing: string) => void): void {
  const fd = openMount(mount);
  try {
    for (const thing of things) attempt(undefined, () => work(fd, thing));
  } finally {
    closeSync(fd);
  }
}

function remove(fd: number, which: string, allUsers: boolean): void {
  const identifier = IDENTIFIER.test(which) ? Buffer.from(which, 'hex') : withKey(which, identifierOf);
  const use = removeOrTell(fd, which, identifier, allUsers);
  if (use !== undefined) throw new FsError('EBUSY', STILL_USED[use], { path: which });
}

function removeOrTell(fd: number, which: string, identifier: Uint8Array, allUsers: boolean): StillUsed | undefined {
  try {
    return removeMountKey(fd, identifier, allUsers);
  } catch (error) {
    if (isFsError(error, 'ENOKEY'))
      throw new FsError('ENOENT', 'the mount has no such key, or others have added it', { path: which });
    if (isFsError(error, 'EACCES'))
      throw new FsError('EACCES', "only an administrator can remove others' keys", { path: which });
    throw error;
  }
}

function show({ identifier, status, userCount, isOwn }: KeyClaims, asJson: boolean): void {
  if (asJson) {
    output.json({ identifier, status: STATUS_NAMES[status], user_count: userCount, added_by_self: isOwn });
    return;
  }
  const users = `${userCount} ${userCount === 1 ? 'user' : 'users'}${isOwn ? ', you too' : ''}`;
  output.line(`${toHex(identifier)} ${STATUS_NAMES[status]}, added by ${users}`);
}

function showIdentifier(file: string, { json }: KeyOptions): void {
  const identifier = toHex(withKey(file, identifierOf));
  if (json === true) output.json({ file, identifier });
  else output.line(identifier);
}
