/** Telling a name that is not there from one that cannot be seen without its key. */
import { FsError, isFsError } from '../bytes/index.js';
import type { CommandVolume } from './command-volume.js';
import { parentOf } from './image-path.js';

/** The error to tell: that a key is missing, where that is why a name was not found. */
export function explained(volume: CommandVolume, error: unknown): unknown {
  if (!isFsError(error, 'ENOENT')) return error;
  const directory = [error.path, error.dest]
    .map((path) => lockedAbove(volume, path))
    .find((path) => path !== undefined);
  if (directory === undefined) return error;
  const text = `the names in ${directory} are encrypted`;
  return new FsError('ENOKEY', text, error.path === undefined ? {} : { path: error.path });
}

/** The deepest directory above a path that is there, if its names are encrypted and its key is not given. */
function lockedAbove({ fs, keyring }: CommandVolume, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    let directory = parentOf(Buffer.from(path));
    while (!fs.existsSync(directory) && directory.toString() !== '/') directory = parentOf(directory);
    const { masterKeyIdentifier } = fs.getPolicySync(directory);
    return keyring.status(masterKeyIdentifier) === 'present' ? undefined : directory.toString();
  } catch (inner) {
    if (isFsError(inner)) return undefined;
    throw inner;
  }
}
