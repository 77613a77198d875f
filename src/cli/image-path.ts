/** Paths inside an image as the command line names them. */
import type { PathLike } from '../library/index.js';
import { UsageError } from './failure.js';

const HEX = 'hex:';

/** `hex:6261…` stands for bytes that cannot be typed, as `path_hex` of a listing has them. @throws UsageError */
export function imagePath(text: string): PathLike {
  if (!text.startsWith(HEX)) return text;
  const digits = text.slice(HEX.length);
  if (!/^([0-9a-f]{2})+$/i.test(digits))
    throw new UsageError(`'${text}': hex: is followed by pairs of hexadecimal digits`);
  return Buffer.from(digits, 'hex');
}

/** The bytes of a path. */
export function bytesOf(path: PathLike): Buffer {
  return Buffer.from(path);
}

export function join(directory: PathLike, name: PathLike): Buffer {
  const parent = bytesOf(directory);
  const slash = parent.length === 0 || parent.at(-1) === 0x2f ? '' : '/';
  return Buffer.concat([parent, Buffer.from(slash), bytesOf(name)]);
}

/** The last name of a path, trailing slashes left out; empty for the top. */
export function baseName(path: PathLike): Buffer {
  const bytes = bytesOf(path);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0x2f) end -= 1;
  return bytes.subarray(bytes.lastIndexOf(0x2f, end - 1) + 1, end);
}

/** What a path lies in; the top lies in itself. */
export function parentOf(path: PathLike): Buffer {
  const bytes = bytesOf(path);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0x2f) end -= 1;
  const slash = bytes.lastIndexOf(0x2f, end - 1);
  return slash <= 0 ? Buffer.from('/') : bytes.subarray(0, slash);
}
