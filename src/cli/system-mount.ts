/**
 * The mount helper: what mount(8) runs for `-t fuse.butterlock`, as /sbin/mount.fuse.butterlock or,
 * through the helper of fuse3, as `butterlock IMAGE DIR -o OPTIONS`.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { FsError, isFsError } from '../bytes/index.js';
import { describeFailure, UsageError } from './failure.js';
import { parseMountOptions } from './mount-options.js';
import { mountVolume } from './mount-server.js';

/** Exit codes of mount(8). */
const EXIT = { done: 0, usage: 1, system: 2, mount: 32 } as const;

interface HelperCall {
  readonly image: string;
  readonly mountPoint: string;
  readonly options: string;
  /** Do everything but mount. */
  readonly isFake: boolean;
  readonly isSloppy: boolean;
  /** A mount namespace, by its file. */
  readonly namespace: string | undefined;
}

/** Whether the helper of fuse3 calls: with a path where the name of a command would be. */
export function isHelperCall(words: readonly string[]): boolean {
  return words.length === 4 && words[2] === '-o' && (words[0] ?? '').includes('/');
}

/** @param words - `IMAGE DIR [-sfnv] [-N NAMESPACE] [-t TYPE] [-o OPTIONS]`. @returns the exit code */
export async function runMountHelper(words: readonly string[]): Promise<number> {
  try {
    const call = parseCall(words);
    if (call.namespace !== undefined) return runIn(call.namespace, call);
    const request = parseMountOptions(call.options, call.isSloppy);
    if (!call.isFake) await mountVolume(call.image, call.mountPoint, request);
    return EXIT.done;
  } catch (error) {
    process.stderr.write(`mount.fuse.butterlock: ${describeFailure(error)}\n`);
    if (error instanceof UsageError) return EXIT.usage;
    return isFsError(error, 'ENOMEM', 'EAGAIN', 'EMFILE', 'ENFILE') ? EXIT.system : EXIT.mount;
  }
}

function parseCall(words: readonly string[]): HelperCall {
  const { positionals, values } = parsed(words);
  const [image, mountPoint] = positionals;
  if (image === undefined || mountPoint === undefined || positionals.length > 2)
    throw new UsageError('usage: mount.fuse.butterlock IMAGE DIR [-sfnv] [-N NAMESPACE] [-t TYPE] [-o OPTIONS]');
  return {
    image,
    mountPoint,
    options: (values.options ?? []).join(','),
    isFake: values.fake ?? false,
    isSloppy: values.sloppy ?? false,
    namespace: values.namespace,
  };
}

function parsed(words: readonly string[]) {
  try {
    return parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        options: { type: 'string', short: 'o', multiple: true },
        fake: { type: 'boolean', short: 'f' },
        sloppy: { type: 'boolean', short: 's' },
        'no-mtab': { type: 'boolean', short: 'n' },
        verbose: { type: 'boolean', short: 'v' },
        namespace: { type: 'string', short: 'N' },
        type: { type: 'string', short: 't' },
      },
    });
  } catch (error) {
    if (error instanceof TypeError && 'code' in error) throw new UsageError(error.message);
    throw error;
  }
}

/** A process of several threads cannot change its mount namespace: it is run again, in there. */
function runIn(namespace: string, { image, mountPoint, options, isFake, isSloppy }: HelperCall): number {
  const [script = ''] = process.argv.slice(1);
  const flags = [...(isFake ? ['-f'] : []), ...(isSloppy ? ['-s'] : []), ...(options === '' ? [] : ['-o', options])];
  const command = [`--mount=${namespace}`, '--', process.execPath, script, image, mountPoint, ...flags];
  const { error, status } = spawnSync('nsenter', command, { stdio: 'inherit' });
  if (error !== undefined) throw new FsError('ENOENT', 'nsenter cannot be run: install the package util-linux');
  return status ?? EXIT.system;
}
