/** What the two threads of a mount tell each other. */
import type { ErrorCode } from '../bytes/index.js';
import type { ServerOptions } from './server.js';

/** What the thread of the volume is started with. */
export interface WorkerOptions extends ServerOptions {
  readonly image: string;
  readonly readOnly: boolean;
  /** Path from the volume's top, or id; undefined for the default subvolume. */
  readonly subvolume: string | number | undefined;
  readonly keyFiles: readonly string[];
}

export type ToWorker =
  /** The mount is there: serve it. */
  | { readonly kind: 'serve'; readonly fd: number; readonly event: number }
  /** A request that was put off can be answered now. */
  | { readonly kind: 'again'; readonly request: Uint8Array }
  /** Commit, close and end, mounted or not. */
  | { readonly kind: 'stop' };

export type FromWorker =
  | { readonly kind: 'opened'; readonly readOnlyReasons: readonly string[] }
  /** The volume could not be opened. */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'log'; readonly line: string }
  | { readonly kind: 'notify'; readonly notices: readonly Uint8Array[]; readonly reply: Uint8Array }
  /** Sends the notice, and `request` back when the kernel has taken it in. */
  | { readonly kind: 'putOff'; readonly notice: Uint8Array; readonly request: Uint8Array }
  /** The volume is closed; `failure` says what was not made durable. */
  | { readonly kind: 'ended'; readonly failure?: string };
