export { TreeBlock } from './block.js';
export { Cursor } from './cursor.js';
export type { BlockPointer, BlockStore } from './store.js';
export { type ItemPlace, Tree } from './tree.js';
