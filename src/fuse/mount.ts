/**
 * One mount as the main thread sees it: starts the thread that owns the volume, mounts, passes
 * notices on to the kernel, and ends it.
 */
import { closeSync, realpathSync, writeSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { FsError, isFsError } from '../bytes/index.js';
import {
  clearDeadMount,
  findMount,
  type MountFlag,
  mountFuse,
  realMountPoint,
  unmountFuse,
  widenReadAhead,
} from './kernel-mount.js';
import type { FromWorker, ToWorker, WorkerOptions } from './messages.js';
import { createEvent } from './system-calls.js';

export interface MountOptions {
  /** Path of the image file or block device. */
  readonly image: string;
  readonly mountPoint: string;
  /** Path, from the volume's top, or id of the subvolume that becomes the top. Default: the default subvolume. */
  readonly subvolume?: string | number;
  readonly readOnly?: boolean;
  readonly allowOther?: boolean;
  /** Files with raw master keys, 16 to 64 bytes. */
  readonly keyFiles?: readonly string[];
  /** Seconds after which changes are durable at the latest. Default 30. */
  readonly commitSeconds?: number;
  /** Whether reading updates access times, in the manner of `relatime`. Default true. */
  readonly accessTimes?: boolean;
  /** What the kernel is to forbid or to do. */
  readonly flags?: readonly MountFlag[];
  /** Takes a line for everything that went wrong. */
  readonly log?: (line: string) => void;
}

const DEFAULT_COMMIT_SECONDS = 30;
/** How long a forced end waits for programs to close their files, in milliseconds. */
const GRACE = 10_000;

export class Mount {
  readonly mountPoint: string;
  /** Resolves when the volume is closed; says what could not be made durable. */
  readonly ended: Promise<{ readonly failure?: string }>;
  private readonly worker: Worker;
  private readonly event: number;

  private constructor(mountPoint: string, worker: Worker, fd: number, event: number, log: (line: string) => void) {
    this.mountPoint = mountPoint;
    this.worker = worker;
    this.event = event;
    this.ended = new Promise((resolve) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'log') log(message.line);
        else if (message.kind === 'notify') sendNotices(fd, [...message.notices, message.reply]);
        else if (message.kind === 'putOff') this.repeat(fd, message.notice, message.request);
        else if (message.kind === 'ended') resolve(message);
      });
      worker.on('error', (error) => resolve({ failure: error.stack ?? error.message }));
      worker.on('exit', () => {
        resolve({ failure: 'the thread of the volume ended' });
        closeSync(fd);
        closeSync(event);
      });
    });
  }

  /**
   * Opens a volume and mounts it. Resolves when the mount answers.
   *
   * @throws FsError as opening the volume does; ENODEV, EPERM, ENOENT, EBUSY when it cannot be mounted
   */
  static async start(options: MountOptions): Promise<Mount> {
    const { image, allowOther = false, flags = [] } = options;
    const log = options.log ?? (() => undefined);
    const mountPoint = realMountPoint(options.mountPoint);
    clearDeadMount(mountPoint);
    const workerData: WorkerOptions = {
      image: realpathSync(image),
      readOnly: options.readOnly ?? false,
      subvolume: options.subvolume,
      keyFiles: options.keyFiles ?? [],
      commitSeconds: options.commitSeconds ?? DEFAULT_COMMIT_SECONDS,
      updatesAccessTimes: options.accessTimes ?? true,
    };
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
    const { readOnlyReasons } = await opened(worker, log);
    const readOnly = readOnlyReasons.length > 0;
    if (readOnly) log(`read-only: ${readOnlyReasons.join('; ')}`);
    try {
      const fd = mountFuse(mountPoint, { source: workerData.image, readOnly, allowOther, flags });
      return await Mount.serve(mountPoint, worker, fd, log);
    } catch (error) {
      worker.postMessage({ kind: 'stop' } satisfies ToWorker);
      throw error;
    }
  }

  private static async serve(
    mountPoint: string,
    worker: Worker,
    fd: number,
    log: (line: string) => void,
  ): Promise<Mount> {
    const event = createEvent();
    const device = findMount(mountPoint)?.device;
    if (device !== undefined) widenReadAhead(device);
    const mount = new Mount(mountPoint, worker, fd, event, log);
    worker.postMessage({ kind: 'serve', fd, event } satisfies ToWorker);
    await Promise.race([stat(mountPoint), mount.ended]);
    return mount;
  }

  /** Unmounts. {@link ended} resolves when all is durable. @throws FsError EBUSY while it is in use */
  unmount(): void {
    unmountFuse(this.mountPoint);
  }

  /** Unmounts and, if programs do not let go of their files soon, ends without them. */
  async end(): Promise<{ readonly failure?: string }> {
    try {
      this.unmount();
    } catch (error) {
      if (!isFsError(error)) throw error;
      this.detach();
    }
    const timer = setTimeout(() => this.stop(), GRACE);
    const result = await this.ended;
    clearTimeout(timer);
    return result;
  }

  private detach(): void {
    try {
      unmountFuse(this.mountPoint, true);
    } catch (error) {
      // Somebody else was faster.
      if (!isFsError(error)) throw error;
    }
  }

  private stop(): void {
    this.tell({ kind: 'stop' });
  }

  private repeat(fd: number, notice: Uint8Array, request: Uint8Array): void {
    sendNotices(fd, [notice]);
    this.tell({ kind: 'again', request });
  }

  /** Tells the thread of the volume something, which it is then woken for. */
  private tell(message: ToWorker): void {
    this.worker.postMessage(message);
    const one = Buffer.alloc(8);
    one.writeBigUInt64LE(1n);
    writeSync(this.event, one);
  }
}

/** Waits until the volume is open. @throws FsError */
function opened(worker: Worker, log: (line: string) => void): Promise<{ readonly readOnlyReasons: readonly string[] }> {
  return new Promise((resolve, reject) => {
    const settle = (message: FromWorker): void => {
      if (message.kind === 'log') {
        log(message.line);
        return;
      }
      worker.off('message', settle);
      worker.off('error', reject);
      if (message.kind === 'opened') resolve(message);
      else if (message.kind === 'refused')
        reject(new FsError(message.code, message.message.replace(/^E[A-Z0-9]+: /, '')));
    };
    worker.on('message', settle);
    worker.once('error', reject);
  });
}

/** The kernel answers a notice about something it has forgotten meanwhile with an error. */
function sendNotices(fd: number, messages: readonly Uint8Array[]): void {
  for (const bytes of messages) {
    try {
      writeSync(fd, bytes);
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error;
    }
  }
}
