/** Lists a directory of the running system, such as a mounted image. */
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { contentDigest } from './content-digest.js';
import { deviceNumbers, type Entry, entryType, pathText, sortEntries } from './entries.js';
import { readXattrs } from './system-calls.js';

const SLASH = Buffer.from('/');

/** Every entry below `top` and `top` itself, in the order of their paths. Follows no symlink. */
export function readNativeTree(top: string): Entry[] {
  const entries: Entry[] = [];
  const visit = (path: Buffer, shown: Buffer): void => {
    const entry = describe(path, pathText(shown));
    entries.push(entry);
    if (entry.type !== 'dir') return;
    for (const name of readdirSync(path, { encoding: 'buffer' })) {
      const below = shown.equals(Buffer.from('.')) ? name : Buffer.concat([shown, SLASH, name]);
      visit(Buffer.concat([path, SLASH, name]), below);
    }
  };
  visit(Buffer.from(top), Buffer.from('.'));
  return sortEntries(entries);
}

function describe(path: Buffer, shown: string): Entry {
  const stats = lstatSync(path, { bigint: true });
  const type = entryType(Number(stats.mode));
  const xattrs = readXattrs(path);
  return {
    path: shown,
    type,
    ino: Number(stats.ino),
    mode: Number(stats.mode) & 0o7777,
    uid: Number(stats.uid),
    gid: Number(stats.gid),
    nlink: Number(stats.nlink),
    size: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ...(type === 'symlink' ? { target: pathText(readlinkSync(path, 'buffer')) } : {}),
    ...(type === 'blk' || type === 'chr' ? { rdev: deviceNumbers(stats.rdev) } : {}),
    ...(type === 'file' ? { sha256: digestOf(path, Number(stats.size)) } : {}),
    ...(Object.keys(xattrs).length > 0 ? { xattrs } : {}),
  };
}

function digestOf(path: Buffer, size: number): string {
  const fd = openSync(path, 'r');
  try {
    return contentDigest(size, (into, position) => {
      const length = readSync(fd, into, 0, into.length, position);
      if (length !== into.length) throw new Error(`${path}: read ${length} of ${into.length} bytes at ${position}`);
    });
  } finally {
    closeSync(fd);
  }
}
