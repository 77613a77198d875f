/**
 * What Butterlock's own commands ask of a mount: an ioctl on a file or directory in it, whose
 * argument carries a question in JSON and takes the answer.
 */
import { type ErrorCode, FsError } from '../bytes/index.js';
import type { ContextLayout, SubvolumeInfo, VolumeInfo } from '../filesystem/index.js';
import type { KeyClaims } from './claimed-keys.js';

/** `_IOWR('B', 0x42, 8192)`: all of the argument lies within the size that FUSE carries. */
export const CONTROL = 0xe0004242;
export const CONTROL_SIZE = 8192;
const LENGTH_FIELD = 4;
/** Bytes of a page's items; the rest is for what is around them. */
const PAGE_ROOM = CONTROL_SIZE - 256;

export interface MountStatus {
  readonly pid: number;
  /** When the process started, as {@link startOf} has it. */
  readonly started: string | undefined;
  /** Absolute path of the image file or block device, as the server sees it. */
  readonly image: string;
  readonly readOnly: boolean;
  /** Why a volume that was mounted writable is read-only now. */
  readonly failure: string | undefined;
  /** How many requests of the kernel it has answered. */
  readonly answered: number;
}

/** As many items as fit into an answer, and where the next page begins. */
export interface Page<T> {
  readonly items: readonly T[];
  /** The `from` to ask for it with; undefined after the last one. */
  readonly next?: number;
}

type Nothing = Readonly<Record<string, never>>;

/** Everything that can be asked, and what is answered. `name` is one in the directory that is asked. */
export interface Controls {
  readonly status: [question: Nothing, answer: MountStatus];
  readonly commit: [question: Nothing, answer: Nothing];
  readonly info: [question: Nothing, answer: VolumeInfo];
  readonly enableEncryption: [question: { readonly layout: ContextLayout }, answer: Nothing];
  /** The subvolume that the file or directory lies in. */
  readonly subvolume: [question: Nothing, answer: SubvolumeInfo & { readonly isTop: boolean }];
  readonly subvolumes: [question: { readonly from: number }, answer: Page<SubvolumeInfo>];
  readonly createSubvolume: [question: { readonly name: Uint8Array; readonly mode: number }, answer: Nothing];
  readonly snapshot: [
    question: { readonly source: number; readonly name: Uint8Array; readonly readOnly: boolean },
    answer: Nothing,
  ];
  readonly deleteSubvolume: [question: { readonly name: Uint8Array }, answer: Nothing];
  readonly setDefaultSubvolume: [question: { readonly id: number }, answer: Nothing];
  /** Of the file or directory itself, if there is no name. */
  readonly isEncrypted: [question: { readonly name?: Uint8Array }, answer: { readonly encrypted: boolean }];
  /** A policy goes as `struct fscrypt_policy_v2`. */
  readonly policy: [
    question: { readonly name?: Uint8Array },
    answer: { readonly policy: Uint8Array; readonly nonce: Uint8Array | undefined },
  ];
  /** Encrypts the directory that is asked. */
  readonly setPolicy: [question: { readonly policy: Uint8Array }, answer: Nothing];
  readonly keys: [question: { readonly from: number }, answer: Page<KeyClaims>];
}

export type Ask = keyof Controls;
export type Question<A extends Ask> = Controls[A][0];
export type Answer<A extends Ask> = Controls[A][1];

/** @throws FsError E2BIG */
export function encodeControl(message: object): Buffer {
  const text = encodeText(message);
  if (text.length > CONTROL_SIZE - LENGTH_FIELD)
    throw new FsError('E2BIG', 'a message to or from the mount is too long');
  const bytes = Buffer.alloc(CONTROL_SIZE);
  bytes.writeUInt32LE(text.length);
  text.copy(bytes, LENGTH_FIELD);
  return bytes;
}

function encodeText(message: unknown): Buffer {
  return Buffer.from(JSON.stringify(toPlain(message)));
}

/** JSON has no bytes: they go as objects of one field. */
function toPlain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toPlain(field)]));
}

function fromPlain(_name: string, value: unknown): unknown {
  const isBytes = typeof value === 'object' && value !== null && 'base64' in value;
  return isBytes ? Buffer.from(String(value.base64), 'base64') : value;
}

/** @throws FsError EINVAL for anything but an object in JSON */
export function decodeControl(bytes: Buffer): Record<string, unknown> {
  const length = bytes.length >= LENGTH_FIELD ? bytes.readUInt32LE() : 0;
  try {
    const message: unknown = JSON.parse(bytes.subarray(LENGTH_FIELD, LENGTH_FIELD + length).toString(), fromPlain);
    if (typeof message === 'object' && message !== null) return { ...message };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new FsError('EINVAL', 'this is no message of Butterlock');
}

/** Turns the answer to a question into what it says. @throws FsError what the mount answered */
export function readAnswer<A extends Ask>(bytes: Buffer): Answer<A> {
  const answer = decodeControl(bytes);
  if (typeof answer.error === 'string') throw new FsError(answer.error as ErrorCode, String(answer.message));
  return answer as unknown as Answer<A>;
}

/** @param items - each with the `from` of a page that it begins */
export function pageOf<T>(items: Iterable<readonly [from: number, item: T]>): Page<T> {
  const page: T[] = [];
  let room = PAGE_ROOM;
  for (const [from, item] of items) {
    room -= encodeText(item).length + 1;
    if (room < 0 && page.length > 0) return { items: page, next: from };
    page.push(item);
  }
  return { items: page };
}
