/** The one seam between a volume and the place its bytes live. Synchronous, like all of the core. */
export interface BlockDevice {
  /** Bytes. Fixed while the device is open. */
  readonly size: number;
  readonly readOnly: boolean;
  /** What to call the device in messages: a path, or a word such as `memory`. */
  readonly name: string;
  /** Fills all of `into` from `offset` (bytes). @throws FsError EIO beyond the end or when the medium fails */
  read(offset: number, into: Uint8Array): void;
  /** Writes all of `from` at `offset` (bytes); durable only after {@link flush}. @throws FsError EROFS, EIO, ENOSPC */
  write(offset: number, from: Uint8Array): void;
  /** Returns when everything written so far survives a power cut. @throws FsError EIO */
  flush(): void;
  /**
   * Gives bytes back to what lies underneath: what they read as from then on is undefined. A device
   * that can never do so lacks the method.
   *
   * @throws FsError EOPNOTSUPP if what lies underneath cannot, EROFS, EIO
   */
  discard?(offset: number, length: number): void;
  /**
   * A descriptor from which another thread can read all that was written up to the call. A device
   * that is no file of the host lacks the method.
   */
  descriptor?(): number;
  /** Releases the device and its lock. Does not flush. Harmless when called again. */
  close(): void;
}
