/** The filesystems that are compared, each made anew in files of one disk and mounted with its defaults. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Ability, toolEnvironment } from '../../tests/support/abilities.js';
import { mustRun } from '../../tests/support/command.js';
import {
  addKey,
  butterlock,
  MountedVolume,
  makeEncryptedDirectory,
  writeKeyFile,
} from '../../tests/support/mounted-volume.js';
import { temporaryPath } from '../../tests/support/temporary.js';

const PASSWORD = 'benchmark';

export interface MountedFilesystem {
  /** To work in: encrypted, but for the kernel's btrfs. */
  readonly directory: string;
  /** The process that serves it, where it is of interest. */
  server?(): number;
  /** Mounts anew: nothing that a server held in its memory is left. */
  remount(): void;
  /** Makes everything durable. */
  settle(): void;
  /** Unmounts, and removes all that is left of it. */
  end(): void;
}

export interface Contestant {
  readonly name: string;
  readonly needs: readonly Ability[];
  /** @param megabytes - room for this much, where it must be known */
  start(megabytes: number): MountedFilesystem;
}

function startOurs(megabytes: number): MountedFilesystem {
  const keyFile = writeKeyFile(1);
  const volume = new MountedVolume({ size: megabytes, options: ['--key-file', keyFile] });
  const directory = volume.at('secret');
  makeEncryptedDirectory(volume.path, directory, keyFile);
  return {
    directory,
    server: () => volume.server,
    remount: () => volume.remount(),
    settle: () => void butterlock('sync', volume.path),
    end: () => {
      volume.unmount();
      rmSync(volume.image);
    },
  };
}

/** What a benchmark that failed has left mounted goes before its directory does. */
const stillMounted = new Set<string>();
process.prependListener('exit', () => {
  for (const path of stillMounted) spawnSync('umount', ['-l', path]);
});

/** A filesystem that is mounted by a command. */
class CommandMount implements MountedFilesystem {
  readonly directory: string;
  private readonly store: string;
  private readonly mountPoint: string;
  private readonly mountCommand: (mountPoint: string) => void;

  /**
   * @param store - the file or directory that it lives in, already made
   * @param prepare - makes the directory to work in
   */
  constructor(
    store: string,
    mountCommand: (mountPoint: string) => void,
    prepare: (mountPoint: string, directory: string) => void,
  ) {
    this.store = store;
    this.mountPoint = temporaryPath('-mount');
    this.mountCommand = mountCommand;
    this.directory = join(this.mountPoint, 'directory');
    mkdirSync(this.mountPoint);
    this.mount();
    prepare(this.mountPoint, this.directory);
  }

  private mount(): void {
    this.mountCommand(this.mountPoint);
    stillMounted.add(this.mountPoint);
  }

  private unmount(): void {
    mustRun('umount', this.mountPoint);
    stillMounted.delete(this.mountPoint);
  }

  remount(): void {
    this.unmount();
    this.mount();
  }

  settle(): void {
    mustRun('sync', '-f', this.mountPoint);
  }

  end(): void {
    this.unmount();
    rmSync(this.store, { recursive: true });
  }
}

const inPlainDirectory = (_mountPoint: string, directory: string): void => mkdirSync(directory);

/** Runs a command that leaves a server behind, which keeps the streams it was given. */
function mustServe(program: string, ...args: string[]): void {
  const { status } = spawnSync(program, args, { stdio: 'ignore', env: toolEnvironment() });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${status}`);
}

function startGocryptfs(): MountedFilesystem {
  const store = temporaryPath('-gocryptfs');
  const password = temporaryPath('.password');
  mkdirSync(store);
  writeFileSync(password, PASSWORD);
  mustRun('gocryptfs', '-init', '-q', '-passfile', password, store);
  const mount = (at: string): void => mustServe('gocryptfs', '-q', '-passfile', password, store, at);
  return new CommandMount(store, mount, inPlainDirectory);
}

function startSecurefs(): MountedFilesystem {
  const store = temporaryPath('-securefs');
  mkdirSync(store);
  mustRun('securefs', 'create', '--pass', PASSWORD, store);
  const mount = (at: string): void => mustServe('securefs', 'mount', '-b', '--pass', PASSWORD, store, at);
  return new CommandMount(store, mount, inPlainDirectory);
}

function startExt4(megabytes: number): MountedFilesystem {
  const image = emptyImage(megabytes);
  const keyFile = writeKeyFile(2);
  // Without these ext4 goes on with being made while it is measured.
  const atOnce = 'lazy_itable_init=0,lazy_journal_init=0';
  mustRun('mkfs.ext4', '-q', '-F', '-O', 'encrypt', '-E', atOnce, image);
  const mount = (at: string): void => {
    mustRun('mount', '-o', 'loop', image, at);
    addKey(at, keyFile);
  };
  return new CommandMount(image, mount, (at, directory) => makeEncryptedDirectory(at, directory, keyFile));
}

function startBtrfs(megabytes: number): MountedFilesystem {
  const image = emptyImage(megabytes);
  mustRun('mkfs.btrfs', '-q', image);
  return new CommandMount(image, (at) => void mustRun('mount', '-o', 'loop', image, at), inPlainDirectory);
}

function emptyImage(megabytes: number): string {
  const image = temporaryPath('.img');
  writeFileSync(image, '');
  truncateSync(image, megabytes * 2 ** 20);
  return image;
}

export const OURS: Contestant = { name: 'butterlock', needs: ['fuse', 'xfs_io'], start: startOurs };

/** Encryption in user space, which we want to be ahead of. */
export const RIVALS: readonly Contestant[] = [
  { name: 'gocryptfs', needs: ['gocryptfs'], start: startGocryptfs },
  { name: 'securefs', needs: ['securefs'], start: startSecurefs },
];

/** The kernel's own, for orientation. */
export const KERNEL: readonly Contestant[] = [
  { name: 'ext4 + fscrypt', needs: ['loop', 'mkfs.ext4', 'xfs_io'], start: startExt4 },
  { name: 'btrfs, plain', needs: ['kernel-btrfs', 'btrfs-progs'], start: startBtrfs },
];
