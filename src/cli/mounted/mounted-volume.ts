/** The volume of a mount, for commands that are given a directory in it. */
import { closeSync } from 'node:fs';
import { equalBytes } from '../../bytes/index.js';
import type { ContextLayout, VolumeInfo } from '../../filesystem/index.js';
import type { KeyStatus } from '../../fscrypt/index.js';
import { ask, keysOf, openMount, trimMount } from '../../fuse/index.js';
import type { TrimRange } from '../../transaction/index.js';
import type { CommandVolume } from '../command-volume.js';
import { asCall } from './mounted-files.js';
import { MountedFs } from './mounted-fs.js';

export class MountedVolume implements CommandVolume {
  readonly fs: MountedFs;
  readonly keyring = { status: (identifier: Uint8Array) => this.keyStatus(identifier) };
  private readonly fd: number;
  private readonly readOnly: boolean;

  /**
   * @param directory - in a mount: the top of all paths
   * @throws FsError as {@link openMount}
   */
  constructor(directory: string, { readOnly }: { readonly readOnly: boolean }) {
    this.readOnly = readOnly;
    this.fd = openMount(directory);
    this.fs = new MountedFs(directory);
  }

  get info(): VolumeInfo {
    return ask(this.fd, 'info', {});
  }

  enableEncryption(layout: ContextLayout): void {
    ask(this.fd, 'enableEncryption', { layout });
  }

  trim(range: TrimRange = {}): number {
    return asCall('trim', undefined, () => trimMount(this.fd, range));
  }

  /** What a command has done has reached the server, the last of it when its files were closed. */
  close(): void {
    this.fs.close();
    try {
      if (!this.readOnly) ask(this.fd, 'commit', {});
    } finally {
      closeSync(this.fd);
    }
  }

  private keyStatus(wanted: Uint8Array): KeyStatus {
    return keysOf(this.fd).find(({ identifier }) => equalBytes(identifier, wanted))?.status ?? 'absent';
  }
}
