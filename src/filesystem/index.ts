export type { User } from './acl.js';
export type { AttributeChanges, Attributes } from './attributes.js';
export type { Creation } from './create.js';
export { cloneRange, dedupeRange } from './data/clone.js';
export type { FileExtentInfo } from './data/extent-map.js';
export type { FileData } from './data/file-data.js';
export type { DirectoryEntry } from './directory.js';
export { Filesystem, type FilesystemOptions, type RenameMode } from './filesystem.js';
export { Inode } from './inode.js';
export type { ContextLayout } from './layout.js';
export * from './mode.js';
export { ACCESS, mayAccess } from './permissions.js';
export { type SpaceFigures, spaceOf } from './space-usage.js';
export { Subvolume } from './subvolume.js';
export { findSubvolume, listSubvolumes, type SubvolumeInfo } from './subvolume-list.js';
export {
  createSnapshot,
  createSubvolume,
  deleteSubvolume,
  setDefaultSubvolume,
  setSubvolumeReadOnly,
} from './subvolumes.js';
export { describeVolume, type SpaceUsage, type VolumeInfo } from './volume-info.js';
export type { XattrMode } from './xattrs.js';
