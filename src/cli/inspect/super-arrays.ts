/** The two arrays of a superblock as lines: system chunks and backup roots. */
import * as format from '../../format/index.js';
import type { ItemFields } from './item-fields.js';
import { chunkLines } from './volume-items.js';

const { BACKUP_ROOT, CHUNK, KEY, SUPER } = format;

/** @throws FsError EUCLEAN where the array is cut off or holds something else than chunks */
export function* systemChunkLines(superblock: ItemFields): Generator<string> {
  yield `sys_chunk_array[${format.SYS_CHUNK_ARRAY_SIZE}]:`;
  const size = Math.min(superblock.u32(SUPER.sysChunkArraySize), format.SYS_CHUNK_ARRAY_SIZE);
  const array = superblock.part(SUPER.sysChunkArray, size);
  for (let at = 0, item = 0; at < size; item++) {
    yield `\titem ${item} ${array.key(at)}`;
    const chunkAt = at + KEY.SIZE;
    const chunkSize = format.chunkSize(array.u16(chunkAt + CHUNK.numStripes));
    yield* chunkLines({ fields: array.part(chunkAt, chunkSize) }).map((line) => `\t\t${line}`);
    at = chunkAt + chunkSize;
  }
}

const BACKUP_TREES = [
  ['backup_tree_root:\t', 'treeRoot'],
  ['backup_chunk_root:\t', 'chunkRoot'],
  ['backup_extent_root:\t', 'extentRoot'],
  ['backup_fs_root:\t\t', 'fsRoot'],
  ['backup_dev_root:\t', 'devRoot'],
  ['csum_root:\t', 'csumRoot'],
] as const;

export function* backupRootLines(superblock: ItemFields): Generator<string> {
  yield `backup_roots[${format.BACKUP_ROOTS}]:`;
  for (let slot = 0; slot < format.BACKUP_ROOTS; slot++) {
    const backup = superblock.part(SUPER.backupRoots + slot * BACKUP_ROOT.SIZE, BACKUP_ROOT.SIZE);
    const isEmpty = backup.u64(BACKUP_ROOT.treeRoot) === 0n && backup.u64(BACKUP_ROOT.treeRootGen) === 0n;
    if (isEmpty) continue;
    yield `\tbackup ${slot}:`;
    for (const [title, tree] of BACKUP_TREES) {
      const generation = backup.u64(BACKUP_ROOT[`${tree}Gen`]);
      const level = backup.u8(BACKUP_ROOT[`${tree}Level`]);
      yield `\t\t${title}${backup.u64(BACKUP_ROOT[tree])}\tgen: ${generation}\tlevel: ${level}`;
    }
    yield `\t\tbackup_total_bytes:\t${backup.u64(BACKUP_ROOT.totalBytes)}`;
    yield `\t\tbackup_bytes_used:\t${backup.u64(BACKUP_ROOT.bytesUsed)}`;
    yield `\t\tbackup_num_devices:\t${backup.u64(BACKUP_ROOT.numDevices)}`;
    yield '';
  }
}
