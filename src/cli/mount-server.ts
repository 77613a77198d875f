/** Mounting a volume with a process behind it that serves it. */
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { codeOfErrno, type ErrorCode, FsError, isFsError } from '../bytes/index.js';
import { Log, Mount, type MountFlag, realMountPoint } from '../fuse/index.js';
import { describeFailure, exitCodeOf } from './failure.js';
import { keyFiles } from './key-files.js';
import { output } from './output.js';

export interface MountRequest {
  /** Path from the top of the volume, or id. */
  readonly subvolume?: string | number;
  readonly readOnly?: boolean;
  readonly allowOther?: boolean;
  /** Seconds. */
  readonly commit?: number;
  readonly foreground?: boolean;
  readonly keyFile?: string[];
  readonly atime: boolean;
  readonly log?: string;
  readonly flags?: readonly MountFlag[];
}

/**
 * Mounts; resolves when the mount answers, or in the foreground when it has ended.
 *
 * @throws FsError as Mount.start
 */
export async function mountVolume(image: string, mountPoint: string, request: MountRequest): Promise<void> {
  if (request.foreground === true || process.send !== undefined) await serve(image, mountPoint, request);
  else await startServer();
}

/** What the serving process tells the one that started it. */
type Report = { readonly isMounted: true } | { readonly code: ErrorCode; readonly message: string };

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
    server.once('error', (error) => resolve(reportOf(error)));
    server.once('exit', () => resolve({ code: 'EIO', message: 'the serving process ended before it had mounted' }));
  });
  if ('code' in report) throw new FsError(report.code, report.message);
  server.disconnect();
  server.unref();
}

/** Errors of the host lose what only they have. */
function reportOf(error: unknown): Report {
  if (isFsError(error) && error.path === undefined)
    return { code: error.code, message: error.message.slice(error.code.length + 2) };
  const hasErrno = error instanceof Error && 'errno' in error && typeof error.errno === 'number';
  return { code: hasErrno ? codeOfErrno(Number(error.errno)) : 'EIO', message: describeFailure(error) };
}

async function serve(image: string, mountPoint: string, request: MountRequest): Promise<void> {
  let server: Server;
  try {
    server = await start(image, mountPoint, request);
  } catch (error) {
    if (process.send === undefined) throw error;
    await tell(reportOf(error));
    process.disconnect();
    return;
  }
  const { mount, log } = server;
  const end = (): void => {
    mount.end().catch((error: unknown) => log(String(error)));
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end);
  log(`mounted ${image} at ${mount.mountPoint}`);
  if (process.send === undefined) output.line(mount.mountPoint);
  await tell({ isMounted: true });
  if (process.connected) process.disconnect();
  if (request.foreground !== true) process.chdir('/');
  const { failure } = await mount.ended;
  log(failure === undefined ? 'unmounted, all is durable' : `ended: ${failure}`);
  process.exit(failure === undefined ? 0 : exitCodeOf(new FsError('EIO', failure)));
}

interface Server {
  readonly mount: Mount;
  readonly log: (line: string) => void;
}

async function start(image: string, mountPoint: string, request: MountRequest): Promise<Server> {
  const log = logOf(mountPoint, request);
  const mount = await Mount.start({
    image,
    mountPoint,
    log,
    keyFiles: keyFiles(request.keyFile).map((file) => realpathSync(file)),
    ...(request.subvolume !== undefined && { subvolume: request.subvolume }),
    ...(request.readOnly !== undefined && { readOnly: request.readOnly }),
    ...(request.allowOther !== undefined && { allowOther: request.allowOther }),
    ...(request.commit !== undefined && { commitSeconds: request.commit }),
    ...(request.flags !== undefined && { flags: request.flags }),
    accessTimes: request.atime,
  });
  return { mount, log };
}

function logOf(mountPoint: string, { foreground, log: path }: MountRequest): (line: string) => void {
  if (foreground === true) return (line) => process.stderr.write(`${line}\n`);
  const log = new Log(path ?? defaultLog(mountPoint));
  return (line) => log.write(line);
}

function tell(report: Report): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(report, () => resolve());
  });
}

/** /var/log for root, the user's state directory (XDG base directory specification) for others. */
function defaultLog(mountPoint: string): string {
  const name = `${realMountPoint(mountPoint).slice(1).replaceAll('/', '-') || 'root'}.log`;
  if (process.getuid?.() === 0) return join('/var/log/butterlock', name);
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'butterlock', name);
}
