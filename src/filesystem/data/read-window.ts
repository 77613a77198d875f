/**
 * Reading in small pieces: from a window of the file that was read ahead.
 *
 * Verifying and decrypting costs the same for one byte as for a sector, and less per sector in long
 * runs. Only the files read last keep their windows, so that memory does not grow with their number.
 */
import { roundDown, roundUp } from '../../bytes/index.js';
import type { ExtentReader } from './extent-reader.js';

/** Bytes read ahead when reads follow each other. */
const READ_AHEAD = 128 * 1024;
const MAX_WINDOWS = 32;

export class ReadWindow {
  private readonly reader: ExtentReader;
  private readonly sectorsize: number;
  /** All of one filesystem, in order of use, the one unused longest first. */
  private readonly windows: Set<ReadWindow>;
  private window: { readonly start: number; readonly bytes: Uint8Array } | undefined;
  private lastEnd = 0;

  constructor(reader: ExtentReader, sectorsize: number, windows: Set<ReadWindow>) {
    this.reader = reader;
    this.windows = windows;
    this.sectorsize = sectorsize;
  }

  /** Fills `into` with file bytes from `offset` on as the disk has them; all of them below `fileSize`. */
  read(offset: number, into: Uint8Array, fileSize: number): void {
    for (let done = 0; done < into.length; ) {
      const position = offset + done;
      const whole = roundDown(into.length - done, this.sectorsize);
      if (whole >= READ_AHEAD && position % this.sectorsize === 0) {
        this.reader.read(position, into.subarray(done, done + whole));
        done += whole;
        continue;
      }
      const { start, bytes } = this.windowAt(position, offset + into.length, fileSize);
      const piece = bytes.subarray(position - start, position - start + into.length - done);
      into.set(piece, done);
      done += piece.length;
    }
    this.lastEnd = offset + into.length;
    this.keepInMemory();
  }

  /** Forgets what was read. */
  drop(): void {
    this.window = undefined;
    this.reader.forget();
    this.windows.delete(this);
  }

  /** A window with the byte at `offset`: up to `end`, or beyond it when reading seems to go on. */
  private windowAt(
    offset: number,
    end: number,
    fileSize: number,
  ): { readonly start: number; readonly bytes: Uint8Array } {
    const { window, sectorsize } = this;
    if (window !== undefined && window.start <= offset && offset < window.start + window.bytes.length) return window;
    const start = roundDown(offset, sectorsize);
    const goesOn = offset === this.lastEnd || (window !== undefined && offset === window.start + window.bytes.length);
    const wanted = goesOn ? start + READ_AHEAD : Math.min(end, start + READ_AHEAD);
    const bytes = new Uint8Array(roundUp(Math.min(wanted, fileSize), sectorsize) - start);
    this.reader.read(start, bytes);
    this.window = { start, bytes };
    return this.window;
  }

  private keepInMemory(): void {
    this.windows.delete(this);
    this.windows.add(this);
    const [oldest] = this.windows;
    if (this.windows.size > MAX_WINDOWS) oldest?.drop();
  }
}
