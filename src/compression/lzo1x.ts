/**
 * LZO1X streams (linux Documentation/staging/lzo.rst describes the format).
 *
 * Written here because no LZO package of npm served when tried (November 2026): `lzo` and
 * `lzo-decompress` need a compiler to install, `lzo-wasm` loads only through a bundler, and `lzo-ts`,
 * which is GPL, never returns from a stream that is cut off.
 *
 * Every instruction copies a match from the output and then up to three
 * literals from the input; what a small instruction byte means depends on how many literals the one
 * before it copied.
 */
import { corrupt } from '../bytes/index.js';

/** As many literals as a run of its own has, or more. */
const LONG_RUN = 4;
/** Matches of three bytes after a long run lie beyond the reach of the shorter form. */
const FAR_SHORT_MATCH = 0x800;
const FAR_MATCH = 0x4000;

class Lzo1xStream {
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  #at = 0;
  #written = 0;

  constructor(input: Uint8Array, output: Uint8Array) {
    this.#input = input;
    this.#output = output;
  }

  decompress(): number {
    let literals = this.#copyFirstRun();
    for (;;) {
      const instruction = this.#byte();
      if (instruction < 16 && literals === 0) {
        this.#copyLiterals(this.#longLength(instruction, 15) + 3);
        literals = LONG_RUN;
        continue;
      }
      const trailing = this.#copyMatch(instruction, literals);
      if (trailing === undefined) return this.#end();
      literals = trailing;
      this.#copyLiterals(literals);
    }
  }

  /** A first byte above 17 is the length of a run that needs no other instruction. */
  #copyFirstRun(): number {
    const first = this.#input[0] ?? 0;
    if (first <= 17) return 0;
    this.#at = 1;
    const count = first - 17;
    this.#copyLiterals(count);
    return Math.min(count, LONG_RUN);
  }

  /** Obeys a match instruction. @returns the number of literals after it; undefined at the end mark */
  #copyMatch(instruction: number, literals: number): number | undefined {
    if (instruction >= 64) {
      const distance = (this.#byte() << 3) + ((instruction >>> 2) & 7) + 1;
      this.#copyBack(distance, (instruction >>> 5) + 1);
      return instruction & 3;
    }
    if (instruction >= 32) {
      const length = this.#longLength(instruction & 31, 31) + 2;
      const tail = this.#tail();
      this.#copyBack((tail >>> 2) + 1, length);
      return tail & 3;
    }
    if (instruction >= 16) {
      const length = this.#longLength(instruction & 7, 7) + 2;
      const tail = this.#tail();
      const distance = ((instruction & 8) << 11) + (tail >>> 2);
      if (distance === 0) return undefined;
      this.#copyBack(distance + FAR_MATCH, length);
      return tail & 3;
    }
    const distance = (this.#byte() << 2) + (instruction >>> 2) + 1;
    if (literals === LONG_RUN) this.#copyBack(distance + FAR_SHORT_MATCH, 3);
    else this.#copyBack(distance, 2);
    return instruction & 3;
  }

  #end(): number {
    if (this.#at !== this.#input.length) throw this.#fault('goes on after its end mark');
    return this.#written;
  }

  #byte(): number {
    const byte = this.#input[this.#at++];
    if (byte === undefined) throw this.#fault('has no end mark');
    return byte;
  }

  /** The 16 bits after an instruction: a distance, and the number of literals in the lowest two. */
  #tail(): number {
    return this.#byte() | (this.#byte() << 8);
  }

  /** A length that is 0 in its instruction: `base`, 255 for each zero byte, and the byte after them. */
  #longLength(inInstruction: number, base: number): number {
    if (inInstruction !== 0) return inInstruction;
    let length = base;
    let byte = this.#byte();
    while (byte === 0) {
      length += 255;
      byte = this.#byte();
    }
    return length + byte;
  }

  #copyLiterals(count: number): void {
    if (this.#at + count > this.#input.length) throw this.#fault('has no end mark');
    if (this.#written + count > this.#output.length) throw this.#fault('gives more than a sector');
    this.#output.set(this.#input.subarray(this.#at, this.#at + count), this.#written);
    this.#at += count;
    this.#written += count;
  }

  /** Copies byte by byte: a match may reach into what it is just writing. */
  #copyBack(distance: number, length: number): void {
    const output = this.#output;
    const to = this.#written;
    if (distance > to) throw this.#fault(`looks back ${distance} bytes after ${to}`);
    if (to + length > output.length) throw this.#fault('gives more than a sector');
    for (let i = to; i < to + length; i++) output[i] = output[i - distance] ?? 0;
    this.#written = to + length;
  }

  #fault(what: string) {
    return corrupt('lzo segment', `${what}, at byte ${this.#at} of ${this.#input.length}`);
  }
}

/**
 * Decompresses one stream to the beginning of `output`.
 *
 * @returns the bytes written
 * @throws FsError EUCLEAN if the stream is damaged or gives more than `output` holds
 */
export function decompressLzo1x(input: Uint8Array, output: Uint8Array): number {
  return new Lzo1xStream(input, output).decompress();
}
