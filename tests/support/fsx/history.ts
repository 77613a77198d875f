/** What was done to the files of a run, so that a mismatch can be traced back from the byte where it shows. */

/** One operation on bytes [start, end) of a file. */
export interface Done {
  readonly text: string;
  readonly file: number;
  readonly start: number;
  readonly end: number;
  /** Where the bytes came from, if from a file. */
  readonly source?: { readonly file: number; readonly start: number };
}

/** Operations shown at most. */
const MAX_SHOWN = 60;

export class History {
  private readonly all: Done[] = [];

  add(done: Done): void {
    this.all.push(done);
  }

  /**
   * The operations that touched the byte at `offset` of a file, or the one it was copied from, in
   * order; between them what concerned everything, such as a remount.
   */
  concerning(file: number, offset: number): string {
    const places = [{ file, offset }];
    const shown: string[] = [];
    let wasGlobal = false;
    for (let index = this.all.length - 1; index >= 0 && shown.length < MAX_SHOWN; index--) {
      const done = this.all[index];
      if (done === undefined) break;
      const isGlobal = done.end === Number.POSITIVE_INFINITY && done.start === 0;
      const touched = places.find((place) => place.file === done.file && holds(done, place.offset));
      if (touched === undefined || (isGlobal && wasGlobal)) continue;
      wasGlobal = isGlobal;
      shown.unshift(`${index}: ${done.text}`);
      if (done.source !== undefined) {
        places.push({ file: done.source.file, offset: done.source.start + touched.offset - done.start });
      }
    }
    return shown.join('\n');
  }
}

function holds({ start, end }: Done, offset: number): boolean {
  return start <= offset && offset < end;
}
