/** mount, umount and sync: a volume as a directory of this machine. */
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { FsError, isFsError } from '../../bytes/index.js';
import { endMount, Log, Mount, syncMount } from '../../fuse/index.js';
import { exitCodeOf } from '../failure.js';
import { keyFiles } from '../key-files.js';
import { parseInteger } from '../numbers.js';
import { output } from '../output.js';

interface MountCommandOptions {
  readonly subvolume?: string;
  readonly readOnly?: boolean;
  readonly allowOther?: boolean;
  readonly commit?: number;
  readonly foreground?: boolean;
  readonly keyFile?: string[];
  readonly atime: boolean;
  readonly log?: string;
}

export function addMountCommands(program: Command): void {
  program
    .command('mount <image> <mountpoint>')
    .description('mount a volume; returns when it can be used, with a process behind it that serves it')
    .option('--subvolume <path>', 'mount this subvolume (from the top of the volume), not the default one')
    .option('-r, --read-only', 'so that nothing can be changed')
    .option('--allow-other', 'let other users in, as far as permissions go')
    .option('--commit <seconds>', 'make changes durable after this time at the latest (default 30)', parseInteger)
    .option('--no-atime', 'do not note when files were read')
    .option('-f, --foreground', 'serve in this process, until the mount ends')
    .option('--log <file>', 'write what goes wrong into this file')
    .option(
      '--key-file <file>',
      'add the master key in this file (repeatable; also BUTTERLOCK_KEY_FILES=FILE:FILE…)',
      (file: string, before: string[] = []) => [...before, file],
    )
    .action(async (image: string, mountPoint: string, options: MountCommandOptions) => {
      if (options.foreground === true || process.send !== undefined) await serve(image, mountPoint, options);
      else await startServer();
    });

  program
    .command('umount <mountpoint>')
    .description('unmount a volume, and return when everything is durable')
    .action((mountPoint: string) => endMount(mountPoint));

  program
    .command('sync <mountpoint>')
    .description('make everything written to a mounted volume so far durable')
    .action((mountPoint: string) => syncMount(mountPoint));
}

/** What the serving process tells the one that started it. */
type Report = { readonly isMounted: true } | { readonly code: string; readonly message: string };

/**
 * Runs this very command again in a process of its own, and waits until it has mounted or failed.
 * The server keeps none of our streams open: whoever reads them would wait as long as it runs.
 */
async function startServer(): Promise<void> {
  const [script = '', ...args] = process.argv.slice(1);
  const server = spawn(process.execPath, [...process.execArgv, script, ...args], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const report = await new Promise<Report>((resolve) => {
    server.once('message', (message) => resolve(message as Report));
    server.once('error', (error) => resolve({ code: 'EIO', message: `EIO: ${error.message}` }));
    server.once('exit', () =>
      resolve({ code: 'EIO', message: 'EIO: the serving process ended before it had mounted' }),
    );
  });
  if ('code' in report) throw failureOf(report);
  server.disconnect();
  server.unref();
}

function failureOf({ code, message }: { readonly code: string; readonly message: string }): FsError {
  return new FsError(code as FsError['code'], message.slice(message.indexOf(' ') + 1));
}

async function serve(image: string, mountPoint: string, options: MountCommandOptions): Promise<void> {
  const log = options.foreground === true ? undefined : new Log(options.log ?? defaultLog(mountPoint));
  const write =
    log === undefined ? (line: string) => process.stderr.write(`${line}\n`) : (line: string) => log.write(line);
  const mount = await start(image, mountPoint, options, write);
  if (mount === undefined) return;
  const end = (): void => {
    mount.end().catch((error: unknown) => write(String(error)));
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end);
  write(`mounted ${image} at ${mount.mountPoint}`);
  if (process.send === undefined) output.line(mount.mountPoint);
  await tell({ isMounted: true });
  if (process.connected) process.disconnect();
  if (log !== undefined) process.chdir('/');
  const { failure } = await mount.ended;
  write(failure === undefined ? 'unmounted, all is durable' : `ended: ${failure}`);
  process.exit(failure === undefined ? 0 : exitCodeOf(new FsError('EIO', failure)));
}

/** @returns undefined after telling the other process why not */
async function start(
  image: string,
  mountPoint: string,
  options: MountCommandOptions,
  log: (line: string) => void,
): Promise<Mount | undefined> {
  try {
    return await Mount.start({
      image,
      mountPoint,
      log,
      keyFiles: keyFiles(options.keyFile).map((file) => realpathSync(file)),
      ...(options.subvolume !== undefined && { subvolume: options.subvolume }),
      ...(options.readOnly !== undefined && { readOnly: options.readOnly }),
      ...(options.allowOther !== undefined && { allowOther: options.allowOther }),
      ...(options.commit !== undefined && { commitSeconds: options.commit }),
      accessTimes: options.atime,
    });
  } catch (error) {
    if (process.send === undefined) throw error;
    const code = isFsError(error) || (error instanceof Error && 'code' in error) ? String(error.code) : 'EIO';
    await tell({ code, message: error instanceof Error ? error.message : String(error) });
    process.disconnect();
    return undefined;
  }
}

function tell(report: Report): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(report, () => resolve());
  });
}

/** /var/log for root, the user's state directory (XDG base directory specification) for others. */
function defaultLog(mountPoint: string): string {
  const name = `${realpathSync(mountPoint).slice(1).replaceAll('/', '-') || 'root'}.log`;
  if (process.getuid?.() === 0) return join('/var/log/butterlock', name);
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'butterlock', name);
}
