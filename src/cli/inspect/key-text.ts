/** Keys and object ids as `btrfs inspect-internal` names them. */
import * as format from '../../format/index.js';

const OBJECT_NAMES = new Map<bigint, string>(
  (
    [
      [format.ROOT_TREE_OBJECTID, 'ROOT_TREE'],
      [format.EXTENT_TREE_OBJECTID, 'EXTENT_TREE'],
      [format.CHUNK_TREE_OBJECTID, 'CHUNK_TREE'],
      [format.DEV_TREE_OBJECTID, 'DEV_TREE'],
      [format.FS_TREE_OBJECTID, 'FS_TREE'],
      [format.ROOT_TREE_DIR_OBJECTID, 'ROOT_TREE_DIR'],
      [format.CSUM_TREE_OBJECTID, 'CSUM_TREE'],
      [format.QUOTA_TREE_OBJECTID, 'QUOTA_TREE'],
      [format.UUID_TREE_OBJECTID, 'UUID_TREE'],
      [format.FREE_SPACE_TREE_OBJECTID, 'FREE_SPACE_TREE'],
      [format.BLOCK_GROUP_TREE_OBJECTID, 'BLOCK_GROUP_TREE'],
      [format.BALANCE_OBJECTID, 'BALANCE'],
      [format.ORPHAN_OBJECTID, 'ORPHAN'],
      [format.TREE_LOG_OBJECTID, 'TREE_LOG'],
      [format.TREE_LOG_FIXUP_OBJECTID, 'LOG_FIXUP'],
      [format.TREE_RELOC_OBJECTID, 'TREE_RELOC'],
      [format.DATA_RELOC_TREE_OBJECTID, 'DATA_RELOC_TREE'],
      [format.EXTENT_CSUM_OBJECTID, 'EXTENT_CSUM'],
      [format.FREE_SPACE_OBJECTID, 'FREE_SPACE'],
      [format.FREE_INO_OBJECTID, 'FREE_INO'],
      [-255, 'MULTIPLE'],
      [-1, '-1'],
    ] as const
  ).map(([id, name]) => [BigInt.asUintN(64, BigInt(id)), name]),
);

/** As key-types.ts names them. */
const TYPE_NAMES = new Map<number, string>([
  [format.INODE_ITEM_KEY, 'INODE_ITEM'],
  [format.INODE_REF_KEY, 'INODE_REF'],
  [format.INODE_EXTREF_KEY, 'INODE_EXTREF'],
  [format.XATTR_ITEM_KEY, 'XATTR_ITEM'],
  [format.VERITY_DESC_ITEM_KEY, 'VERITY_DESC_ITEM'],
  [format.VERITY_MERKLE_ITEM_KEY, 'VERITY_MERKLE_ITEM'],
  [format.FSCRYPT_INODE_CTX_KEY, 'FSCRYPT_INODE_CTX'],
  [format.FSCRYPT_CTX_KEY, 'FSCRYPT_CTX'],
  [format.ORPHAN_ITEM_KEY, 'ORPHAN_ITEM'],
  [format.DIR_LOG_ITEM_KEY, 'DIR_LOG_ITEM'],
  [format.DIR_LOG_INDEX_KEY, 'DIR_LOG_INDEX'],
  [format.DIR_ITEM_KEY, 'DIR_ITEM'],
  [format.DIR_INDEX_KEY, 'DIR_INDEX'],
  [format.EXTENT_DATA_KEY, 'EXTENT_DATA'],
  [format.EXTENT_CSUM_KEY, 'EXTENT_CSUM'],
  [format.ROOT_ITEM_KEY, 'ROOT_ITEM'],
  [format.ROOT_BACKREF_KEY, 'ROOT_BACKREF'],
  [format.ROOT_REF_KEY, 'ROOT_REF'],
  [format.EXTENT_ITEM_KEY, 'EXTENT_ITEM'],
  [format.METADATA_ITEM_KEY, 'METADATA_ITEM'],
  [format.EXTENT_OWNER_REF_KEY, 'EXTENT_OWNER_REF'],
  [format.TREE_BLOCK_REF_KEY, 'TREE_BLOCK_REF'],
  [format.EXTENT_DATA_REF_KEY, 'EXTENT_DATA_REF'],
  [format.SHARED_BLOCK_REF_KEY, 'SHARED_BLOCK_REF'],
  [format.SHARED_DATA_REF_KEY, 'SHARED_DATA_REF'],
  [format.BLOCK_GROUP_ITEM_KEY, 'BLOCK_GROUP_ITEM'],
  [format.FREE_SPACE_INFO_KEY, 'FREE_SPACE_INFO'],
  [format.FREE_SPACE_EXTENT_KEY, 'FREE_SPACE_EXTENT'],
  [format.FREE_SPACE_BITMAP_KEY, 'FREE_SPACE_BITMAP'],
  [format.DEV_EXTENT_KEY, 'DEV_EXTENT'],
  [format.DEV_ITEM_KEY, 'DEV_ITEM'],
  [format.CHUNK_ITEM_KEY, 'CHUNK_ITEM'],
  [format.RAID_STRIPE_KEY, 'RAID_STRIPE'],
  [format.QGROUP_STATUS_KEY, 'QGROUP_STATUS'],
  [format.QGROUP_INFO_KEY, 'QGROUP_INFO'],
  [format.QGROUP_LIMIT_KEY, 'QGROUP_LIMIT'],
  [format.QGROUP_RELATION_KEY, 'QGROUP_RELATION'],
  [format.TEMPORARY_ITEM_KEY, 'TEMPORARY_ITEM'],
  [format.PERSISTENT_ITEM_KEY, 'PERSISTENT_ITEM'],
  [format.DEV_REPLACE_KEY, 'DEV_REPLACE'],
  [format.UUID_KEY_SUBVOL, 'UUID_KEY_SUBVOL'],
  [format.UUID_KEY_RECEIVED_SUBVOL, 'UUID_KEY_RECEIVED_SUBVOL'],
  [format.STRING_ITEM_KEY, 'STRING_ITEM'],
]);

const U64_MAX = 2n ** 64n - 1n;
const QGROUP_LEVEL_SHIFT = 48n;

/** `key (OBJECT TYPE OFFSET)` with names where there are any. */
export function keyText(key: format.Key): string {
  return `key (${objectText(key.objectidU64, key.type)} ${typeText(key)} ${offsetText(key)})`;
}

/** @param type - of the key that the id is part of; some types give an id another meaning */
export function objectText(objectid: bigint, type = 0): string {
  switch (type) {
    case format.PERSISTENT_ITEM_KEY:
      return objectid === BigInt(format.DEV_STATS_OBJECTID) ? 'DEV_STATS' : String(objectid);
    case format.DEV_EXTENT_KEY:
      return String(objectid);
    case format.QGROUP_RELATION_KEY:
      return qgroupText(objectid);
    case format.UUID_KEY_SUBVOL:
    case format.UUID_KEY_RECEIVED_SUBVOL:
      return halfUuidText(objectid);
  }
  if (type === format.DEV_ITEM_KEY && objectid === BigInt(format.DEV_ITEMS_OBJECTID)) return 'DEV_ITEMS';
  if (type === format.CHUNK_ITEM_KEY && objectid === BigInt(format.FIRST_CHUNK_TREE_OBJECTID)) {
    return 'FIRST_CHUNK_TREE';
  }
  return OBJECT_NAMES.get(objectid) ?? String(objectid);
}

/** Whether an item is the header of an old free-space cache, the one kind with no type. */
export function isFreeSpaceHeader(key: format.Key): boolean {
  return key.type === 0 && BigInt.asIntN(64, key.objectidU64) === BigInt(format.FREE_SPACE_OBJECTID);
}

function typeText(key: format.Key): string {
  return isFreeSpaceHeader(key) ? 'UNTYPED' : (TYPE_NAMES.get(key.type) ?? `UNKNOWN.${key.type}`);
}

function offsetText(key: format.Key): string {
  const { type, offsetU64: offset } = key;
  switch (type) {
    case format.QGROUP_RELATION_KEY:
    case format.QGROUP_INFO_KEY:
    case format.QGROUP_LIMIT_KEY:
      return qgroupText(offset);
    case format.UUID_KEY_SUBVOL:
    case format.UUID_KEY_RECEIVED_SUBVOL:
      return halfUuidText(offset);
    case format.ROOT_ITEM_KEY: {
      // A relocation tree has the subvolume that it copies there.
      const isReloc = BigInt.asIntN(64, key.objectidU64) === BigInt(format.TREE_RELOC_OBJECTID);
      return isReloc ? objectText(offset, type) : String(offset);
    }
    default:
      return offset === U64_MAX ? '-1' : String(offset);
  }
}

function qgroupText(id: bigint): string {
  return `${id >> QGROUP_LEVEL_SHIFT}/${BigInt.asUintN(Number(QGROUP_LEVEL_SHIFT), id)}`;
}

function halfUuidText(half: bigint): string {
  return `0x${half.toString(16).padStart(16, '0')}`;
}
