/** Sizes, numbers and other words of the command line. */
import { InvalidArgumentError } from 'commander';

const UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['k', 2 ** 10],
  ['m', 2 ** 20],
  ['g', 2 ** 30],
  ['t', 2 ** 40],
  ['p', 2 ** 50],
]);

/** `512M`, `1GiB`, `100k`, `4096`: units are powers of 1024. @throws InvalidArgumentError */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgtp]?)(?:ib|b)?$/i.exec(text.trim());
  const unit = UNITS.get(match?.[2]?.toLowerCase() ?? '?');
  const size = Number(match?.[1]) * (unit ?? Number.NaN);
  if (!Number.isSafeInteger(size))
    throw new InvalidArgumentError(`'${text}' is no size; write it like 512M, 1GiB or 4096`);
  return size;
}

/** @throws InvalidArgumentError */
export function parseInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError(`'${text}' is no whole number`);
  return value;
}

/** Permission bits in octal. @throws InvalidArgumentError */
export function parseMode(text: string): number {
  if (!/^[0-7]{1,4}$/.test(text)) throw new InvalidArgumentError(`'${text}' is no mode; write it in octal, like 644`);
  return Number.parseInt(text, 8);
}

/** For people: `1.50 GiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(2)} ${units[unit]}`;
}

/** Nanoseconds since 1970 as local time of UTC: `2026-11-22 23:16:39`. */
export function formatTime(ns: bigint): string {
  const date = new Date(Number(ns / 1_000_000n));
  if (Number.isNaN(date.getTime())) return `${ns} ns`;
  return date.toISOString().slice(0, 19).replace('T', ' ');
}
