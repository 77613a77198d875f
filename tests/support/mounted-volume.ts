/** A volume mounted by the command line, with its server in a process of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createVolume } from '../../src/library/index.js';
import { assertSound } from './btrfs-check.js';
import { copyWithoutMarks } from './clear-marks.js';
import { mustRun, runCommand } from './command.js';
import { temporaryPath } from './temporary.js';

const MEBIBYTE = 2 ** 20;
/** The command as tests run it, wherever they were compiled to. */
const COMMAND = join(import.meta.dirname, '../../src/cli/main.js');

export interface NewMountOptions {
  /** In MiB. Default 1024; the image is sparse. */
  readonly size?: number;
  readonly extentContext?: 'item' | 'trailing';
  /** An empty block device, or where the image file is made. Default: a temporary file. */
  readonly image?: string;
  /** Further words of `butterlock mount`. */
  readonly options?: readonly string[];
}

/** What a failed test has left mounted goes before its directory does. */
const stillMounted = new Set<string>();
process.prependListener('exit', () => {
  for (const path of stillMounted) spawnSync('umount', ['-l', path]);
});

/** Unmounts what is mounted there when the process ends, if anything is. */
export function unmountAtExit(path: string): void {
  stillMounted.add(path);
}

export class MountedVolume {
  readonly image: string;
  /** The mount point. */
  readonly path: string;
  readonly log: string;
  private readonly options: readonly string[];

  /** Makes a volume and mounts it. */
  constructor({ size = 1024, extentContext = 'item', options = ['--allow-other'], image }: NewMountOptions = {}) {
    this.image = image ?? temporaryPath('.img');
    this.path = temporaryPath('-mount');
    this.log = temporaryPath('.log');
    this.options = options;
    const isDevice = existsSync(this.image);
    createVolume(this.image, { ...(!isDevice && { size: size * MEBIBYTE }), extentContext }).close();
    mkdirSync(this.path);
    this.mount();
  }

  mount(...more: string[]): void {
    butterlock('mount', this.image, this.path, '--log', this.log, ...this.options, ...more);
    unmountAtExit(this.path);
  }

  /** Unmounts; all is durable on return. */
  unmount(): void {
    butterlock('umount', this.path);
    stillMounted.delete(this.path);
  }

  remount(): void {
    this.unmount();
    this.mount();
  }

  /** Unmounts, and fails unless `btrfs check` finds the volume sound and the server had nothing to tell. */
  finish(): void {
    this.unmount();
    assertSound(copyWithoutMarks(this.image));
    const told = this.logged().filter((line) => !/--- process|: mounted |mounted .* at |all is durable/.test(line));
    if (told.length > 0) throw new Error(`the server logged:\n${told.join('\n')}`);
  }

  /** A path in the mount. */
  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  logged(): string[] {
    return readFileSync(this.log, 'utf8').split('\n').filter(Boolean);
  }

  /** The process that serves it. */
  get server(): number {
    const lines = this.logged().filter((line) => line.includes('--- process'));
    return Number(lines.at(-1)?.split(' ').at(-1));
  }

  /** Kills the server where it stands. The dead mount goes when the volume is mounted again. */
  kill(): void {
    const { server } = this;
    process.kill(server, 'SIGKILL');
    waitForEnd(server);
  }
}

/** Waits until a process has let go of all it had, whether or not its parent has taken notice. */
export function waitForEnd(pid: number): void {
  while (isAlive(pid)) runCommand('sleep', '0.01');
}

function isAlive(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return !/^State:\s*[ZX]/m.test(status) || !/^Threads:\s*1$/m.test(status);
  } catch {
    return false;
  }
}

/** Runs the command line; it must succeed. @returns its standard output */
export function butterlock(...words: string[]): string {
  return mustRun(process.execPath, COMMAND, ...words);
}

/** The words that run the command line, for use in a shell. */
export function butterlockCommand(): string {
  return `'${process.execPath}' '${COMMAND}'`;
}

/** A file with a raw master key that tells where it belongs. */
export function writeKeyFile(seed: number, length = 64): string {
  const path = temporaryPath('.key');
  writeFileSync(path, Buffer.from(Array.from({ length }, (_, index) => (seed * 31 + index * 7) & 0xff)), {
    mode: 0o600,
  });
  return path;
}

/** Runs xfs_io commands on a path; they must succeed. @returns what they print */
export function xfsIo(path: string, commands: readonly string[], input?: string): string {
  const words = commands.flatMap((command) => ['-c', command]);
  const key = input === undefined ? undefined : readFileSync(input);
  const { status, stdout, stderr } = spawnSync('xfs_io', [...words, path], { input: key, encoding: 'buffer' });
  const text = `${stdout}${stderr}`;
  if (status !== 0 || /failed|error|denied|not permitted/i.test(text)) {
    throw new Error(`xfs_io ${words.join(' ')} ${path}: exit ${status}\n${text}`);
  }
  return text;
}

/** Adds the key of a file to a mount by xfs_io. @returns its identifier in hexadecimal */
export function addKey(mountPoint: string, keyFile: string): string {
  const identifier = /identifier ([0-9a-f]{32})/.exec(xfsIo(mountPoint, ['add_enckey'], keyFile))?.[1];
  if (identifier === undefined) throw new Error('xfs_io printed no identifier');
  return identifier;
}

/** Makes a directory that is encrypted with the key of a file. @returns the key's identifier */
export function makeEncryptedDirectory(mountPoint: string, directory: string, keyFile: string): string {
  const identifier = addKey(mountPoint, keyFile);
  mkdirSync(directory);
  xfsIo(directory, [`set_encpolicy -v 2 ${identifier}`]);
  return identifier;
}
