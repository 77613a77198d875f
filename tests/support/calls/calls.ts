/** Random system calls, to be made in several directories alike: what each answers can be compared. */
import * as fs from 'node:fs';
import fc from 'fast-check';
import { copyFileRange, linkOpenFile } from '../file-calls.js';
import * as systemCalls from '../system-calls.js';
import { type Place, SLOTS, statText } from './place.js';

/** Prints as what it does. */
export class Call {
  private readonly text: string;
  private readonly make: (place: Place) => unknown;

  constructor(text: string, make: (place: Place) => unknown) {
    this.text = text;
    this.make = make;
  }

  /** @returns what the call answered: its result, or the name of its error */
  answerIn(place: Place): string {
    try {
      return String(this.make(place) ?? 'done');
    } catch (error) {
      if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
      throw error;
    }
  }

  toString(): string {
    return this.text;
  }

  [fc.toStringMethod](): string {
    return this.text;
  }
}

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_DIRECT, O_SYNC } =
  fs.constants;
const O_TMPFILE = 0o20000000 | O_DIRECTORY;

/** Flags that together mean different things to different kernels and filesystems. */
const AT_ODDS = [O_CREAT | O_DIRECTORY, O_APPEND | O_DIRECT];

// --- what calls choose from: few names, so that they meet ---

const name = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom('a', 'b', 'c') },
  { weight: 1, arbitrary: fc.constantFrom('n'.repeat(255), 'n'.repeat(256), '.', 'ü\u{1f512} \n"\\') },
);
const path = fc.oneof(
  { weight: 3, arbitrary: name },
  { weight: 3, arbitrary: fc.tuple(name, name).map((names) => names.join('/')) },
  { weight: 1, arbitrary: fc.tuple(name, name, name).map((names) => names.join('/')) },
);
const target = fc.constantFrom('a', 'b', 'c', 'a/b', 'b/c', '.', 'nowhere', 't'.repeat(1000));
const slot = fc.nat(SLOTS - 1);
const mode = fc.constantFrom(0o644, 0o600, 0o755, 0o4755, 0o2755, 0o1777, 0);
const owner = fc.constantFrom(0, 1, 1000, 65_534);
const position = fc.oneof(fc.nat(20_000), fc.constantFrom(0, 4096, 65_536, 100_000, 300_000));
const length = fc.oneof(fc.nat(5000), fc.constantFrom(0, 1, 4096, 8192, 60_000));
const seed = fc.nat(255);
const seconds = fc.nat(1_000_000_000);
const xattr = fc.constantFrom('user.one', 'user.two', 'trusted.three', 'security.four', 'nonsense', 'user.');
const value = fc.uint8Array({ maxLength: 300 });
const openFlags = fc
  .tuple(
    fc.constantFrom(O_RDONLY, O_WRONLY, O_RDWR, O_RDWR),
    fc.subarray([O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_DIRECT, O_SYNC], { maxLength: 3 }),
  )
  .map(([access, more]) => more.reduce((flags, flag) => flags | flag, access))
  .filter((flags) => !AT_ODDS.some((both) => (flags & both) === both));

type Values<T extends readonly unknown[]> = { [K in keyof T]: fc.Arbitrary<T[K]> };

function call<T extends readonly [unknown, ...unknown[]]>(
  what: string,
  values: Values<T>,
  make: (place: Place, ...chosen: T) => unknown,
): fc.Arbitrary<Call> {
  return fc
    .tuple(...(values as unknown as fc.Arbitrary<unknown>[]))
    .map((chosen) => new Call(`${what}(${textOf(chosen)})`, (place) => make(place, ...(chosen as unknown as T))));
}

function textOf(chosen: readonly unknown[]): string {
  const text = (one: unknown): string => (one instanceof Uint8Array ? `${one.length} bytes` : JSON.stringify(one));
  return chosen.map(text).join(', ');
}

/** A call may copy less than it was asked to, and how much is the filesystem's affair. */
function copyAll(from: number, at: number, to: number, into: number, count: number): number {
  for (let done = 0; ; ) {
    const copied = copyFileRange(from, at + done, to, into + done, count - done);
    done += copied;
    if (copied === 0 || done === count) return done;
  }
}

const onPaths = [
  call('mkdir', [path, mode], (place, at, bits) => fs.mkdirSync(place.at(at), bits)),
  call('mkdir', [name, mode], (place, at, bits) => fs.mkdirSync(place.at(at), bits)),
  call('rmdir', [path], (place, at) => fs.rmdirSync(place.at(at))),
  call('unlink', [path], (place, at) => fs.unlinkSync(place.at(at))),
  call('rename', [path, path, fc.constantFrom(0, 0, 1, 2, 3)], (place, from, to, flags) =>
    systemCalls.rename(place.at(from), place.at(to), flags),
  ),
  call('link', [path, path], (place, from, to) => fs.linkSync(place.at(from), place.at(to))),
  call('symlink', [target, path], (place, to, at) => fs.symlinkSync(to, place.at(at))),
  call('readlink', [path], (place, at) => fs.readlinkSync(place.at(at))),
  call('mkfifo', [path, mode], (place, at, bits) => systemCalls.mkfifo(place.at(at), bits)),
  call('readdir', [path], (place, at) => fs.readdirSync(place.at(at)).sort().join()),
  call('stat', [path], (place, at) => statText(fs.statSync(place.at(at), { bigint: true }))),
  call('lstat', [path], (place, at) => statText(fs.lstatSync(place.at(at), { bigint: true }))),
  call('chmod', [path, mode], (place, at, bits) => fs.chmodSync(place.at(at), bits)),
  call('lchown', [path, owner, owner], (place, at, uid, gid) => fs.lchownSync(place.at(at), uid, gid)),
  call('truncate', [path, position], (place, at, size) => fs.truncateSync(place.at(at), size)),
  call('utimes', [path, seconds, seconds], (place, at, atime, mtime) => fs.utimesSync(place.at(at), atime, mtime)),
  call('setxattr', [path, xattr, value], (place, at, key, bytes) => systemCalls.setXattr(place.at(at), key, bytes)),
  call('removexattr', [path, xattr], (place, at, key) => systemCalls.removeXattr(place.at(at), key)),
  call('xattrs', [path], (place, at) => JSON.stringify(systemCalls.readXattrs(place.at(at)))),
  call('readFile', [path], (place, at) => place.contentsOf(at)),
];

const onOpenFiles = [
  call('open', [slot, path, openFlags, mode], (place, which, at, flags, bits) => place.open(which, at, flags, bits)),
  call('create', [slot, path, mode], (place, which, at, bits) => place.open(which, at, O_RDWR | O_CREAT, bits)),
  call('open unnamed', [slot, path, mode], (place, which, at, bits) => {
    place.open(which, at, O_TMPFILE | O_RDWR, bits);
  }),
  call('link open', [slot, path], (place, which, at) => linkOpenFile(place.fd(which), place.at(at))),
  call('close', [slot], (place, which) => place.close(which)),
  call('read', [slot, length], (place, which, count) => place.read(which, count, null)),
  call('pread', [slot, length, position], (place, which, count, at) => place.read(which, count, at)),
  call('write', [slot, seed, length], (place, which, start, count) => place.write(which, start, count, null)),
  call('pwrite', [slot, seed, length, position], (place, which, start, count, at) =>
    place.write(which, start, count, at),
  ),
  call('ftruncate', [slot, position], (place, which, size) => fs.ftruncateSync(place.fd(which), size)),
  call('fstat', [slot], (place, which) => statText(fs.fstatSync(place.fd(which), { bigint: true }))),
  call('fallocate', [slot, fc.constantFrom(0, 1, 3), position, length], (place, which, how, at, count) =>
    systemCalls.fallocate(place.fd(which), how, at, count),
  ),
  call('copy_file_range', [slot, position, slot, position, length], (place, from, at, to, into, count) =>
    place.isDirect(from) || place.isDirect(to) ? 'not tried' : copyAll(place.fd(from), at, place.fd(to), into, count),
  ),
  call('fsync', [slot], (place, which) => fs.fsyncSync(place.fd(which))),
  call('fchmod', [slot, mode], (place, which, bits) => fs.fchmodSync(place.fd(which), bits)),
  call('fchown', [slot, owner, owner], (place, which, uid, gid) => fs.fchownSync(place.fd(which), uid, gid)),
  call('futimes', [slot, seconds, seconds], (place, which, atime, mtime) =>
    fs.futimesSync(place.fd(which), atime, mtime),
  ),
];

/** Sequences of calls. */
export const someCalls: fc.Arbitrary<Call[]> = fc.array(fc.oneof(...onPaths, ...onOpenFiles, ...onOpenFiles), {
  minLength: 1,
  maxLength: 120,
  size: 'max',
});
