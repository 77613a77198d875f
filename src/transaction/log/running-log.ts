/** The log of the running transaction, if fsync began one. */
import type { Tree } from '../../tree/index.js';
import { type LogHost, TransactionLog } from './transaction-log.js';

/** Each fsync may write all blocks of the log anew: with more of them it commits instead. */
const MAX_BLOCKS = 24;
/** Blocks of the log that wait for the commit to be free again. */
const MAX_HELD_BLOCKS = 1024;

export class RunningLog {
  private readonly host: LogHost & { readonly chunkTree: Tree };
  private log: TransactionLog | undefined;
  /** What is to be taken out of the log before it is told more. */
  private gone: { readonly subvolumeId: number; readonly ino: number }[] = [];

  constructor(host: LogHost & { readonly chunkTree: Tree }) {
    this.host = host;
  }

  /**
   * @returns undefined where only a commit can make changes durable: a chunk came or went, which replay of a log could
   * not know of, or the log has grown so large that a commit is the lesser work
   * @throws FsError ENOSPC
   */
  open(): TransactionLog | undefined {
    if (this.host.chunkTree.root.generation === this.host.transid) return undefined;
    if (this.log !== undefined && (this.log.blockCount > MAX_BLOCKS || this.log.heldCount > MAX_HELD_BLOCKS)) {
      return undefined;
    }
    this.log ??= new TransactionLog(this.host);
    for (const { subvolumeId, ino } of this.gone) this.log.drop(subvolumeId, ino);
    this.gone = [];
    return this.log;
  }

  /**
   * An inode is gone that no commit knows: before the log is told of another, it forgets this one. What the log on
   * disk leads to stays held.
   */
  drop(subvolumeId: number, ino: number): void {
    if (this.log !== undefined) this.gone.push({ subvolumeId, ino });
  }

  /** How many inodes are to be taken out by the next {@link open}. */
  get goneCount(): number {
    return this.gone.length;
  }

  /** The log on disk may lead to the data extent. */
  holdsExtent(bytenr: number): boolean {
    return this.log?.holdsExtent(bytenr) ?? false;
  }

  /** A commit made it obsolete: gives back its space. */
  end(): void {
    this.log?.release();
    this.forget();
  }

  /** The transaction is given up, and nothing is written any more. */
  forget(): void {
    this.log = undefined;
    this.gone = [];
  }
}
