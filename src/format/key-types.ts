/** Types of items: the middle part of every key (linux include/uapi/linux/btrfs_tree.h). */

export const INODE_ITEM_KEY = 1;
export const INODE_REF_KEY = 12;
export const INODE_EXTREF_KEY = 13;
export const XATTR_ITEM_KEY = 24;
export const VERITY_DESC_ITEM_KEY = 36;
export const VERITY_MERKLE_ITEM_KEY = 37;
/** An inode's fscrypt context: (inode, 41, 0). */
export const FSCRYPT_INODE_CTX_KEY = 41;
/** A file extent's fscrypt context, in the `item` layout: (inode, 42, file offset). */
export const FSCRYPT_CTX_KEY = 42;
export const ORPHAN_ITEM_KEY = 48;
export const DIR_LOG_ITEM_KEY = 60;
export const DIR_LOG_INDEX_KEY = 72;
export const DIR_ITEM_KEY = 84;
export const DIR_INDEX_KEY = 96;
export const EXTENT_DATA_KEY = 108;
export const EXTENT_CSUM_KEY = 128;
export const ROOT_ITEM_KEY = 132;
export const ROOT_BACKREF_KEY = 144;
export const ROOT_REF_KEY = 156;
/** An extent with its length in the key; for tree blocks only without skinny metadata. */
export const EXTENT_ITEM_KEY = 168;
/** A tree block's extent with its level in the key. */
export const METADATA_ITEM_KEY = 169;
export const EXTENT_OWNER_REF_KEY = 172;
export const TREE_BLOCK_REF_KEY = 176;
export const EXTENT_DATA_REF_KEY = 178;
export const SHARED_BLOCK_REF_KEY = 182;
export const SHARED_DATA_REF_KEY = 184;
export const BLOCK_GROUP_ITEM_KEY = 192;
export const FREE_SPACE_INFO_KEY = 198;
export const FREE_SPACE_EXTENT_KEY = 199;
export const FREE_SPACE_BITMAP_KEY = 200;
export const DEV_EXTENT_KEY = 204;
export const DEV_ITEM_KEY = 216;
export const CHUNK_ITEM_KEY = 228;
export const RAID_STRIPE_KEY = 230;
export const QGROUP_STATUS_KEY = 240;
export const QGROUP_INFO_KEY = 242;
export const QGROUP_LIMIT_KEY = 244;
export const QGROUP_RELATION_KEY = 246;
/** State that outlives a mount but not its job, such as a running balance. */
export const TEMPORARY_ITEM_KEY = 248;
/** Long-lived state such as device statistics. */
export const PERSISTENT_ITEM_KEY = 249;
export const DEV_REPLACE_KEY = 250;
export const UUID_KEY_SUBVOL = 251;
export const UUID_KEY_RECEIVED_SUBVOL = 252;
export const STRING_ITEM_KEY = 253;
