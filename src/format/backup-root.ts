/**
 * Backup roots: where the trees were at each of the last four commits (`struct btrfs_root_backup`,
 * in the superblock). Commits fill the four in turn.
 */
import { readU53, writeU53 } from '../bytes/index.js';

export const BACKUP_ROOT = {
  treeRoot: 0,
  treeRootGen: 8,
  chunkRoot: 16,
  chunkRootGen: 24,
  extentRoot: 32,
  extentRootGen: 40,
  fsRoot: 48,
  fsRootGen: 56,
  devRoot: 64,
  devRootGen: 72,
  csumRoot: 80,
  csumRootGen: 88,
  totalBytes: 96,
  bytesUsed: 104,
  numDevices: 112,
  unused: 120,
  treeRootLevel: 152,
  chunkRootLevel: 153,
  extentRootLevel: 154,
  fsRootLevel: 155,
  devRootLevel: 156,
  csumRootLevel: 157,
  padding: 158,
  SIZE: 168,
} as const;

/** One root block in a backup. All zero when the slot was never filled. */
export interface BackupTree {
  bytenr: number;
  generation: number;
  level: number;
}

export interface BackupRoot {
  tree: BackupTree;
  chunk: BackupTree;
  extent: BackupTree; // the block group tree's with that feature
  fs: BackupTree; // tree 5
  dev: BackupTree;
  csum: BackupTree;
  totalBytes: number;
  bytesUsed: number;
  numDevices: number;
}

export function decodeBackupRoot(view: DataView, at: number): BackupRoot {
  const tree = (bytenr: number, level: number): BackupTree => ({
    bytenr: readU53(view, at + bytenr),
    generation: readU53(view, at + bytenr + 8),
    level: view.getUint8(at + level),
  });
  return {
    tree: tree(BACKUP_ROOT.treeRoot, BACKUP_ROOT.treeRootLevel),
    chunk: tree(BACKUP_ROOT.chunkRoot, BACKUP_ROOT.chunkRootLevel),
    extent: tree(BACKUP_ROOT.extentRoot, BACKUP_ROOT.extentRootLevel),
    fs: tree(BACKUP_ROOT.fsRoot, BACKUP_ROOT.fsRootLevel),
    dev: tree(BACKUP_ROOT.devRoot, BACKUP_ROOT.devRootLevel),
    csum: tree(BACKUP_ROOT.csumRoot, BACKUP_ROOT.csumRootLevel),
    totalBytes: readU53(view, at + BACKUP_ROOT.totalBytes),
    bytesUsed: readU53(view, at + BACKUP_ROOT.bytesUsed),
    numDevices: readU53(view, at + BACKUP_ROOT.numDevices),
  };
}

export function encodeBackupRoot(view: DataView, at: number, backup: BackupRoot): void {
  const put = (bytenr: number, level: number, tree: BackupTree): void => {
    writeU53(view, at + bytenr, tree.bytenr);
    writeU53(view, at + bytenr + 8, tree.generation);
    view.setUint8(at + level, tree.level);
  };
  put(BACKUP_ROOT.treeRoot, BACKUP_ROOT.treeRootLevel, backup.tree);
  put(BACKUP_ROOT.chunkRoot, BACKUP_ROOT.chunkRootLevel, backup.chunk);
  put(BACKUP_ROOT.extentRoot, BACKUP_ROOT.extentRootLevel, backup.extent);
  put(BACKUP_ROOT.fsRoot, BACKUP_ROOT.fsRootLevel, backup.fs);
  put(BACKUP_ROOT.devRoot, BACKUP_ROOT.devRootLevel, backup.dev);
  put(BACKUP_ROOT.csumRoot, BACKUP_ROOT.csumRootLevel, backup.csum);
  writeU53(view, at + BACKUP_ROOT.totalBytes, backup.totalBytes);
  writeU53(view, at + BACKUP_ROOT.bytesUsed, backup.bytesUsed);
  writeU53(view, at + BACKUP_ROOT.numDevices, backup.numDevices);
}
