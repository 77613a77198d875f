/** Modes as `ls -l` shows them. */
import type { Entry, EntryType } from '../entry.js';

const TYPE_LETTERS: Record<EntryType, string> = {
  dir: 'd',
  file: '-',
  symlink: 'l',
  blk: 'b',
  chr: 'c',
  fifo: 'p',
  socket: 's',
};

/** `drwxr-sr-t` */
export function formatMode({ type, mode }: Pick<Entry, 'type' | 'mode'>): string {
  const bits = Number.parseInt(mode ?? '0', 8);
  const triple = (shift: number, special: boolean, letter: string): string => {
    const x = (bits >> shift) & 1;
    const last = special ? (x === 1 ? letter : letter.toUpperCase()) : x === 1 ? 'x' : '-';
    return `${(bits >> shift) & 4 ? 'r' : '-'}${(bits >> shift) & 2 ? 'w' : '-'}${last}`;
  };
  const letters = [
    triple(6, (bits & 0o4000) !== 0, 's'),
    triple(3, (bits & 0o2000) !== 0, 's'),
    triple(0, (bits & 0o1000) !== 0, 't'),
  ];
  return `${type === undefined ? '?' : TYPE_LETTERS[type]}${letters.join('')}`;
}
