/**
 * The server of one mount: takes the kernel's requests one after the other and answers each from
 * the filesystem. It runs in the thread that owns the volume, without an event loop.
 */
import { errnoOf, FsError, isFsError } from '../bytes/index.js';
import type { Filesystem, Inode } from '../filesystem/index.js';
import type { Channel } from './channel.js';
import type { ClaimedKeys } from './claimed-keys.js';
import type { ToWorker } from './messages.js';
import { Nodes } from './nodes.js';
import { contentsAreWanted } from './notices.js';
import { OpenFiles } from './open-files.js';
import { OPERATIONS } from './operations/index.js';
import type { Reply } from './protocol/reply.js';
import type { Request } from './protocol/request.js';

/** Tells of one request: the reply's body is appended, a failure thrown as FsError. */
export type Operation = (server: Server, request: Request, reply: Reply) => void;

export interface ServerOptions {
  /** Seconds after which changes are committed at the latest. */
  readonly commitSeconds: number;
  /** Whether reading a file notes the time of it, in the manner of `relatime`. */
  readonly updatesAccessTimes: boolean;
}

/** What the server hands to the other thread. */
export interface ServerPort {
  log(line: string): void;
  /** Sends notices to the kernel, then `reply`: see notices.ts. */
  notify(notices: readonly Uint8Array[], reply: Uint8Array): void;
  /** Has a request come again, as a message, when the kernel has taken in a notice: see notices.ts. */
  putOff(notice: Uint8Array, request: Uint8Array): void;
  /** What another thread wants, if it has woken the server. */
  nextMessage(): ToWorker | undefined;
}

/** What the kernel and this server have agreed on. */
export interface Agreement {
  minor: number;
  /** Whether a notice can make every cached name stale at once. */
  hasEpochs: boolean;
}

/** Milliseconds without a request after which a server is idle. */
const QUIET = 5;

export class Server {
  readonly filesystem: Filesystem;
  readonly keys: ClaimedKeys;
  readonly nodes: Nodes;
  readonly files: OpenFiles;
  readonly options: ServerOptions;
  readonly port: ServerPort;
  readonly agreement: Agreement = { minor: 0, hasEpochs: false };
  /** How many requests have been answered. */
  answered = 0;
  /** Notices that must reach the kernel before the reply to the request under way. */
  readonly notices: Uint8Array[] = [];
  private hasToldOfFailure = false;
  private lastComplaint = '';
  private readonly channel: Pick<Channel, 'receive' | 'send'>;
  private readonly request: Request;
  private readonly reply: Reply;
  /** When the oldest change not yet durable was made, in milliseconds of performance.now(). */
  private changedAt: number | undefined;

  constructor(
    filesystem: Filesystem,
    root: Inode,
    keys: ClaimedKeys,
    conversation: {
      readonly channel: Pick<Channel, 'receive' | 'send'>;
      readonly request: Request;
      readonly reply: Reply;
    },
    port: ServerPort,
    options: ServerOptions,
  ) {
    this.filesystem = filesystem;
    this.keys = keys;
    this.nodes = new Nodes(filesystem, root);
    this.files = new OpenFiles(filesystem);
    this.channel = conversation.channel;
    this.request = conversation.request;
    this.reply = conversation.reply;
    this.port = port;
    this.options = options;
  }

  /**
   * Serves until the mount ends or the other thread says stop.
   *
   * @param whenIdle - called when nobody has asked for a while, again and again until it returns false
   */
  serve(whenIdle?: () => boolean): void {
    let idle = whenIdle;
    let quiet = QUIET;
    for (;;) {
      const received = this.channel.receive(idle === undefined ? this.millisecondsToCommit() : quiet);
      if (received === 'ended') return;
      quiet = received === 'timeout' ? 0 : QUIET;
      if (received === 'request') this.answer();
      else if (received === 'woken' && this.attend() === 'stop') return;
      else if (received === 'timeout' && idle?.() === false) idle = undefined;
      this.commitIfDue();
      this.tellOfFailure();
    }
  }

  /** Lets go of all that the kernel knew or had open. */
  release(): void {
    this.files.clear();
    this.nodes.clear();
  }

  /** Makes all that was done so far durable. @throws FsError ENOSPC; EIO, also once that has failed */
  commit(): void {
    this.filesystem.sync();
    this.changedAt = undefined;
  }

  private tellOfFailure(): void {
    const { failure } = this.filesystem.transaction;
    if (this.hasToldOfFailure || failure === undefined) return;
    this.hasToldOfFailure = true;
    this.port.log(`read-only from now on: ${failure}`);
  }

  /** Does what other threads have asked for. */
  private attend(): 'stop' | undefined {
    for (let message = this.port.nextMessage(); message !== undefined; message = this.port.nextMessage()) {
      if (message.kind === 'stop') return 'stop';
      if (message.kind !== 'again') continue;
      this.request.take(message.request);
      this.answer(true);
    }
    return undefined;
  }

  /** @param isRepeated - it was put off before */
  private answer(isRepeated = false): void {
    const { request, reply } = this;
    this.answered += 1;
    reply.begin(request);
    const operation = OPERATIONS[request.opcode];
    if (operation?.needsContents && !isRepeated && this.files.isWritten(request.nodeid)) {
      this.port.putOff(contentsAreWanted(request.nodeid), request.copy());
      return;
    }
    if (operation === undefined) reply.fail(-errnoOf('ENOSYS'));
    else this.run(operation.run);
    if (operation?.isSilent) return;
    reply.finish();
    if (this.notices.length > 0) {
      this.port.notify(this.notices.splice(0), Uint8Array.prototype.slice.call(reply.bytes, 0, reply.length));
    } else {
      this.channel.send();
    }
  }

  private run(operation: Operation): void {
    const { request, reply } = this;
    try {
      operation(this, request, reply);
    } catch (error) {
      reply.fail(error instanceof FsError ? error.errno : -errnoOf('EIO'));
      if (!isExpected(error)) this.complain(describe(error));
    }
  }

  /** A program may try again for ever what fails in one way: that is one line, or the log would hold nothing else. */
  private complain(what: string): void {
    if (what === this.lastComplaint) return;
    this.lastComplaint = what;
    this.port.log(`request ${this.request.opcode} on node ${this.request.nodeid}: ${what}`);
  }

  private get hasChanges(): boolean {
    const { writeback, transaction } = this.filesystem;
    return transaction.writable && (writeback.inodes.size > 0 || transaction.hasChanges);
  }

  private millisecondsToCommit(): number {
    if (this.changedAt === undefined) return this.hasChanges ? this.options.commitSeconds * 1000 : -1;
    return Math.max(0, Math.ceil(this.changedAt + this.options.commitSeconds * 1000 - performance.now()));
  }

  private commitIfDue(): void {
    if (!this.hasChanges) {
      this.changedAt = undefined;
      return;
    }
    const now = performance.now();
    this.changedAt ??= now;
    if (now - this.changedAt < this.options.commitSeconds * 1000) return;
    this.changedAt = undefined;
    try {
      this.commit();
    } catch (error) {
      this.port.log(`commit: ${describe(error)}`);
    }
  }
}

/** What the disk or a bug brings about is worth a line in the log; what a caller did is not. */
function isExpected(error: unknown): boolean {
  return isFsError(error) && !isFsError(error, 'EUCLEAN', 'EIO');
}

export function describe(error: unknown): string {
  if (isFsError(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
