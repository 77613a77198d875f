export type { AttributeChanges, Attributes } from './attributes.js';
export type { Creation } from './create.js';
export type { DirectoryEntry } from './directory.js';
export { Filesystem, type FilesystemOptions, type RenameMode } from './filesystem.js';
export { Inode } from './inode.js';
export type { ContextLayout } from './layout.js';
export * from './mode.js';
export { Subvolume } from './subvolume.js';
export type { XattrMode } from './xattrs.js';
