/** Looking at the bytes of a volume: what `dump-super` and `dump-tree` print. */
export { registerInspect } from './commands.js';
export { type SuperLinesOptions, superLines } from './dump-super.js';
export { type TreeLinesOptions, treeLines } from './dump-tree.js';
export { treeIdOf } from './tree-names.js';
