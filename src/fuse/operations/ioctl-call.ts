/** One ioctl of a program, as the functions that carry it out see it. */
import type { Inode } from '../../filesystem/index.js';
import type { Caller } from '../caller.js';
import type { Server } from '../server.js';

export interface IoctlCall {
  readonly server: Server;
  readonly nodeid: number;
  readonly inode: Inode;
  readonly caller: Caller;
  /** Where the caller's argument is in its memory. */
  readonly address: number;
  /** What the kernel copied of it, in place. */
  readonly input: Buffer;
  /** Bytes that may be returned. */
  readonly outputSize: number;
}

/** @returns what the kernel copies to the caller's argument */
export type Ioctl = (call: IoctlCall) => Uint8Array;

/** No bytes for the kernel to copy. */
export const NOTHING = new Uint8Array(0);
