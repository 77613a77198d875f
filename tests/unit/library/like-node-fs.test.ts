/**
 * The library beside `node:fs`: the same calls on a volume and in a directory of the host give the
 * same results, and the same errors in code, syscall and message.
 */
import assert from 'node:assert/strict';
import * as nodeFs from 'node:fs';
import { describe, test } from 'node:test';
import { createVolume, MemoryDevice } from '../../../src/index.js';
import { temporaryPath } from '../../support/temporary.js';

/** The calls that both have. Paths come from `at`, which puts them below the top of either. */
type Step = (fs: typeof nodeFs, at: (path: string) => string) => unknown;

const MIB = 1024 ** 2;
const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, COPYFILE_EXCL } = nodeFs.constants;

function outcome(step: Step, fs: typeof nodeFs, top: string): unknown {
  const plain = (text: unknown): unknown => (typeof text === 'string' && top !== '' ? text.replaceAll(top, '') : text);
  try {
    const value = step(fs, (path) => `${top}${path}`);
    return Buffer.isBuffer(value) ? value.toString('latin1') : plain(value);
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error, String(error));
    const { code, errno, syscall, path, dest } = error as NodeJS.ErrnoException & { dest?: string };
    return { code, errno, syscall, path: plain(path), dest: plain(dest), message: plain(error.message) };
  }
}

/** Runs the steps one after another on both. */
function compare(steps: Record<string, Step>): void {
  using volume = createVolume(new MemoryDevice(256 * MIB), { extentContext: 'item' });
  // The classes differ by name; whether the calls behave the same is what the steps find out.
  const ours = volume.fs as unknown as typeof nodeFs;
  const top = temporaryPath();
  nodeFs.mkdirSync(top);
  for (const [name, step] of Object.entries(steps)) {
    assert.deepEqual(outcome(step, ours, ''), outcome(step, nodeFs, top), name);
  }
}

/** What is the same in any filesystem. */
function facts(stats: nodeFs.Stats): unknown {
  const kinds = [stats.isFile(), stats.isDirectory(), stats.isSymbolicLink(), stats.isFIFO(), stats.isSocket()];
  return {
    mode: stats.mode,
    nlink: stats.isDirectory() ? 0 : stats.nlink,
    size: stats.isDirectory() ? 0 : stats.size,
    kinds,
  };
}

describe('the library answers as node:fs does', () => {
  test('files', () => {
    compare({
      'write and read': (fs, at) => {
        fs.writeFileSync(at('/a'), 'hello');
        return fs.readFileSync(at('/a'), 'utf8');
      },
      append: (fs, at) => {
        fs.appendFileSync(at('/a'), Buffer.from(' world'));
        return fs.readFileSync(at('/a'));
      },
      'read what is not there': (fs, at) => fs.readFileSync(at('/none')),
      'read a directory': (fs, at) => fs.readdirSync(at('/a')),
      'write exclusively': (fs, at) => fs.writeFileSync(at('/a'), '', { flag: 'wx' }),
      'write below a file': (fs, at) => fs.writeFileSync(at('/a/b'), ''),
      'write to no directory': (fs, at) => fs.writeFileSync(at('/none/b'), ''),
      'positions of a descriptor': (fs, at) => {
        const fd = fs.openSync(at('/p'), 'w+');
        fs.writeSync(fd, 'abcdef');
        fs.writeSync(fd, Buffer.from('XY'), 0, 2, 1);
        const into = Buffer.alloc(4);
        const counts = [fs.readSync(fd, into, 0, 4, 2), fs.readSync(fd, into)];
        const rest = [fs.writeSync(fd, 'z'), fs.fstatSync(fd).size, into.toString()];
        fs.closeSync(fd);
        return [counts, rest, fs.readFileSync(at('/p'), 'utf8')].join();
      },
      'a descriptor for reading does not write': (fs, at) => fs.writeSync(fs.openSync(at('/a'), 'r'), 'x'),
      'a descriptor for writing does not read': (fs, at) => fs.readSync(fs.openSync(at('/a'), 'a'), Buffer.alloc(1)),
      'appending ignores the position': (fs, at) => {
        const fd = fs.openSync(at('/p'), 'a');
        fs.writeSync(fd, Buffer.from('!'), 0, 1, 0);
        fs.closeSync(fd);
        return fs.readFileSync(at('/p'), 'utf8');
      },
      truncate: (fs, at) => {
        fs.truncateSync(at('/p'), 3);
        fs.truncateSync(at('/p'), 6);
        return fs.readFileSync(at('/p'));
      },
      'truncate a directory': (fs, at) => fs.truncateSync(at('/'), 3),
      'open a directory to write': (fs, at) => fs.openSync(at('/'), 'w'),
      'open a file as a directory': (fs, at) => fs.openSync(at('/a'), O_RDONLY | O_DIRECTORY),
      'open what is not there': (fs, at) => fs.openSync(at('/none'), 'r+'),
      'modes of new files': (fs, at) => {
        fs.writeFileSync(at('/m'), '', { mode: 0o640 });
        return facts(fs.statSync(at('/m')));
      },
      'copy a file': (fs, at) => {
        fs.copyFileSync(at('/a'), at('/copy'));
        return fs.readFileSync(at('/copy'), 'utf8');
      },
      'copy over a file': (fs, at) => fs.copyFileSync(at('/a'), at('/copy'), COPYFILE_EXCL),
      'give it a second name': (fs, at) => fs.linkSync(at('/a'), at('/a2')),
      'copy a file over itself': (fs, at) => fs.copyFileSync(at('/a'), at('/a2')),
      'copy a file over itself, if nothing is there': (fs, at) => fs.copyFileSync(at('/a'), at('/a2'), COPYFILE_EXCL),
      'what is left': (fs, at) => fs.readFileSync(at('/a')),
      'copy nothing': (fs, at) => fs.copyFileSync(at('/none'), at('/copy')),
    });
  });

  test('directories', () => {
    compare({
      mkdir: (fs, at) => fs.mkdirSync(at('/d')),
      'mkdir again': (fs, at) => fs.mkdirSync(at('/d')),
      'mkdir below nothing': (fs, at) => fs.mkdirSync(at('/none/d')),
      'mkdir recursively': (fs, at) => fs.mkdirSync(at('/d/e/f'), { recursive: true }),
      'mkdir recursively what is there': (fs, at) => fs.mkdirSync(at('/d/e'), { recursive: true }),
      'mkdir recursively over a file': (fs, at) => {
        fs.writeFileSync(at('/file'), '');
        return fs.mkdirSync(at('/file'), { recursive: true });
      },
      'list, sorted': (fs, at) => fs.readdirSync(at('/')).sort().join(),
      'list recursively, sorted': (fs, at) => fs.readdirSync(at('/'), { recursive: true }).sort().join(),
      'list types': (fs, at) =>
        fs
          .readdirSync(at('/'), { withFileTypes: true })
          .map((entry) => `${entry.name} ${entry.isDirectory()} ${entry.isFile()}`)
          .sort()
          .join(),
      'list nothing': (fs, at) => fs.readdirSync(at('/none')),
      'rmdir with something in it': (fs, at) => fs.rmdirSync(at('/d')),
      'rmdir a file': (fs, at) => fs.rmdirSync(at('/file')),
      'unlink a directory': (fs, at) => {
        try {
          fs.unlinkSync(at('/d'));
        } catch (error) {
          return error instanceof Error && 'code' in error && error.code;
        }
        return undefined;
      },
      'remove recursively': (fs, at) => {
        fs.rmSync(at('/d'), { recursive: true });
        return fs.existsSync(at('/d'));
      },
      'remove nothing, by force': (fs, at) => fs.rmSync(at('/none/d'), { recursive: true, force: true }),
      'a name of 256 bytes': (fs, at) => fs.mkdirSync(at(`/${'n'.repeat(256)}`)),
      'a name of 255 bytes': (fs, at) => fs.mkdirSync(at(`/${'n'.repeat(255)}`)),
    });
  });

  test('links and renames', () => {
    compare({
      'a symlink': (fs, at) => {
        fs.mkdirSync(at('/d'));
        fs.writeFileSync(at('/d/file'), 'contents');
        fs.symlinkSync('d/file', at('/s'));
        return [fs.readlinkSync(at('/s')), fs.readFileSync(at('/s'), 'utf8'), fs.realpathSync(at('/s'))].join();
      },
      'its own stat': (fs, at) => facts(fs.lstatSync(at('/s'))),
      'and of its target': (fs, at) => facts(fs.statSync(at('/s'))),
      'readlink of a file': (fs, at) => fs.readlinkSync(at('/d/file')),
      'open of a symlink itself': (fs, at) => fs.openSync(at('/s'), O_RDONLY | O_NOFOLLOW),
      'a symlink over something': (fs, at) => fs.symlinkSync('x', at('/d')),
      'a loop': (fs, at) => {
        fs.symlinkSync('two', at('/one'));
        fs.symlinkSync('one', at('/two'));
        return fs.statSync(at('/one'));
      },
      'through a symlink to a directory': (fs, at) => {
        fs.symlinkSync('./d/', at('/ds'));
        return fs.readFileSync(at('/ds/file'), 'utf8');
      },
      'with dots': (fs, at) => fs.readFileSync(at('/d/.././ds//file'), 'utf8'),
      'creating through a dangling symlink': (fs, at) => {
        fs.symlinkSync('d/new', at('/dangling'));
        fs.writeFileSync(at('/dangling'), 'x');
        return fs.readFileSync(at('/d/new'), 'utf8');
      },
      'a hard link': (fs, at) => {
        fs.linkSync(at('/d/file'), at('/hard'));
        return facts(fs.statSync(at('/hard')));
      },
      'a hard link over something': (fs, at) => fs.linkSync(at('/d/file'), at('/hard')),
      'a hard link to a directory': (fs, at) => fs.linkSync(at('/d'), at('/hard2')),
      rename: (fs, at) => {
        fs.renameSync(at('/hard'), at('/d/moved'));
        return fs.readFileSync(at('/d/moved'), 'utf8');
      },
      'rename nothing': (fs, at) => fs.renameSync(at('/none'), at('/x')),
      'rename a directory over a file': (fs, at) => fs.renameSync(at('/d'), at('/s')),
      'rename a file over a directory': (fs, at) => fs.renameSync(at('/s'), at('/d')),
      'rename below itself': (fs, at) => fs.renameSync(at('/d'), at('/d/e')),
      'a trailing slash wants a directory': (fs, at) => fs.statSync(at('/d/file/')),
      'a trailing slash after a new directory': (fs, at) => fs.mkdirSync(at('/slash/')),
    });
  });

  test('attributes', () => {
    compare({
      chmod: (fs, at) => {
        fs.writeFileSync(at('/f'), 'x');
        fs.chmodSync(at('/f'), 0o4711);
        return facts(fs.statSync(at('/f')));
      },
      times: (fs, at) => {
        fs.utimesSync(at('/f'), 981_173_106, new Date(981_173_106_250));
        const { atimeMs, mtimeMs, mtime } = fs.statSync(at('/f'));
        return [atimeMs, mtimeMs, mtime.toISOString()].join();
      },
      'times before 1970': (fs, at) => {
        fs.utimesSync(at('/f'), new Date(-1500), new Date(-86_400_000));
        const { atimeMs, mtimeMs } = fs.statSync(at('/f'));
        return [atimeMs, mtimeMs].join();
      },
      'bigint stats': (fs, at) => {
        const { size, mtimeNs, mode } = fs.statSync(at('/f'), { bigint: true });
        return [size, mtimeNs, mode].join();
      },
      'no entry, no throw': (fs, at) => fs.statSync(at('/none'), { throwIfNoEntry: false }),
      'no entry': (fs, at) => fs.statSync(at('/none')),
      'a file on the way': (fs, at) => fs.statSync(at('/f/x')),
      access: (fs, at) => fs.accessSync(at('/none')),
      exists: (fs, at) => [fs.existsSync(at('/f')), fs.existsSync(at('/f/x'))].join(),
      'a temporary directory': (fs, at) => fs.mkdtempSync(at('/t-')).length - at('/').length,
    });
  });
});
