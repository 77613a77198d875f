/**
 * What Butterlock's own commands ask of a mount: an ioctl on any file or directory in it, whose
 * argument carries a question in JSON and takes the answer.
 */
import { type ErrorCode, FsError } from '../bytes/index.js';

/** `_IOWR('B', 0x42, 8192)`: all of the argument lies within the size that FUSE carries. */
export const CONTROL = 0xe0004242;
export const CONTROL_SIZE = 8192;
const LENGTH_FIELD = 4;

export type ControlRequest =
  | { readonly ask: 'status' }
  | { readonly ask: 'commit' }
  /** The subvolume that the file or directory is in. */
  | { readonly ask: 'subvolume' }
  | { readonly ask: 'createSubvolume'; readonly name: string }
  /** A snapshot of the subvolume of this id, in the directory that is asked. */
  | { readonly ask: 'snapshot'; readonly id: number; readonly name: string; readonly readOnly: boolean }
  | { readonly ask: 'deleteSubvolume'; readonly name: string };

export interface ControlAnswer {
  /** Of a failure: its code and what to tell the user. */
  readonly error?: ErrorCode;
  readonly message?: string;
  readonly pid?: number;
  readonly image?: string;
  readonly readOnly?: boolean;
  /** Why a volume that was mounted writable is read-only now. */
  readonly failure?: string;
  readonly id?: number;
}

/** Names are bytes; JSON carries them as hexadecimal digits. */
export function encodeControl(message: ControlRequest | ControlAnswer): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  if (text.length > CONTROL_SIZE - LENGTH_FIELD) throw new FsError('E2BIG', 'a question to the mount is too long');
  const bytes = Buffer.alloc(CONTROL_SIZE);
  bytes.writeUInt32LE(text.length);
  text.copy(bytes, LENGTH_FIELD);
  return bytes;
}

/** @throws FsError EINVAL for anything but an object in JSON */
export function decodeControl(bytes: Buffer): Record<string, unknown> {
  const length = bytes.length >= LENGTH_FIELD ? bytes.readUInt32LE() : 0;
  try {
    const message: unknown = JSON.parse(bytes.subarray(LENGTH_FIELD, LENGTH_FIELD + length).toString());
    if (typeof message === 'object' && message !== null) return { ...message };
  } catch {
    // What is no JSON is no message either.
  }
  throw new FsError('EINVAL', 'this is no message of Butterlock');
}

/** Turns the answer to a {@link ControlRequest} into what it says. @throws FsError what the mount answered */
export function readAnswer(bytes: Buffer): ControlAnswer {
  const { error, message, pid, image, readOnly, failure, id } = decodeControl(bytes);
  if (typeof error === 'string') throw new FsError(error as ErrorCode, String(message));
  return {
    ...(typeof pid === 'number' && { pid }),
    ...(typeof image === 'string' && { image }),
    ...(typeof readOnly === 'boolean' && { readOnly }),
    ...(typeof failure === 'string' && { failure }),
    ...(typeof id === 'number' && { id }),
  };
}
