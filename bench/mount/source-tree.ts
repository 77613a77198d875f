/** A tree like one of sources: directories in directories, files of a few KiB of text, some symlinks. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../../tests/support/command.js';

/** Where log-normally distributed sizes have their median and how far they spread: 12 KiB on the average. */
const MEDIAN = 5300;
const SPREAD = 1.3;
const LARGEST = 400_000;
const FILES_PER_DIRECTORY = 12;
const FILES_PER_SYMLINK = 100;
const DEEPEST = 7;
const TEXT_SIZE = 4 * 1024 ** 2;
const LINE = 12;

/** Numbers from 0 to 1 that are the same every time. */
type Random = () => number;

/** A linear congruential generator, with the numbers of Numerical Recipes. */
function repeatableRandom(): Random {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Makes the same tree every time at `top`, which is not there yet, and `tarball` of it. */
export function makeSourceTree(top: string, tarball: string, files: number): void {
  const random = repeatableRandom();
  const text = makeText(random);
  const directories = makeDirectories(random, top, Math.ceil(files / FILES_PER_DIRECTORY));
  for (let number = 0; number < files; number++) {
    const directory = oneOf(random, directories);
    const start = Math.floor(random() * (text.length - LARGEST));
    writeFileSync(join(directory, `file${number}.c`), text.subarray(start, start + fileSize(random)));
    if (number % FILES_PER_SYMLINK === 0) symlinkSync(`../file${number}.c`, join(directory, `link${number}`));
  }
  mustRun('tar', '-C', join(top, '..'), '--sort=name', '-cf', tarball, top.slice(top.lastIndexOf('/') + 1));
}

function oneOf<T>(random: Random, among: readonly T[]): T {
  const found = among[Math.floor(random() * among.length)];
  if (found === undefined) throw new Error('there is nothing to choose from');
  return found;
}

function fileSize(random: Random): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.min(LARGEST, Math.floor(MEDIAN * Math.exp(SPREAD * normal)));
}

function makeDirectories(random: Random, top: string, count: number): string[] {
  const directories = [top];
  mkdirSync(top);
  for (let number = 1; number < count; number++) {
    const above = oneOf(random, directories);
    const depth = above.split('/').length - top.split('/').length;
    const path = join(depth < DEEPEST ? above : top, `part${number}`);
    mkdirSync(path);
    directories.push(path);
  }
  return directories;
}

/** Words in lines, of which every file is a piece. */
function makeText(random: Random): Buffer {
  const letters = 'abcdefghijklmnopqrstuvwxyz_';
  const word = (): string =>
    Array.from({ length: 2 + Math.floor(random() * 9) }, () => oneOf(random, [...letters])).join('');
  const words = Array.from({ length: 4000 }, word);
  let text = '';
  for (let count = 1; text.length < TEXT_SIZE; count++)
    text += oneOf(random, words) + (count % LINE === 0 ? '\n' : ' ');
  return Buffer.from(text);
}
