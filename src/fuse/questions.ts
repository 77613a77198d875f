/** The fields of a question to a mount, which may come from anybody and hold anything. */
import { FsError } from '../bytes/index.js';

export type Unchecked = Readonly<Record<string, unknown>>;

/** @throws FsError EINVAL */
export function numberIn(question: Unchecked, field: string): number {
  const value = question[field];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new FsError('EINVAL', `the question has no number '${field}'`);
}

/** @throws FsError EINVAL */
export function bytesIn(question: Unchecked, field: string): Uint8Array {
  const value = question[field];
  if (value instanceof Uint8Array) return value;
  throw new FsError('EINVAL', `the question has no bytes '${field}'`);
}

/** The name of an entry. @throws FsError EINVAL, also for `.` and `..` */
export function nameIn(question: Unchecked): Uint8Array {
  const name = bytesIn(question, 'name');
  if (['', '.', '..'].includes(Buffer.from(name).toString('latin1')))
    throw new FsError('EINVAL', 'a name of something in the directory is needed');
  return name;
}
