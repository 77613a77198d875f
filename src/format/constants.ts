/**
 * Tree ids, well-known object ids and the small value sets that on-disk fields use.
 *
 * Names are the kernel's without `BTRFS_` (linux include/uapi/linux/btrfs_tree.h). Ids that the
 * kernel counts down from 2^64 are negative here, as `readId` reads them.
 */

// Trees, by the id of their root item.
export const ROOT_TREE_OBJECTID = 1;
export const EXTENT_TREE_OBJECTID = 2;
export const CHUNK_TREE_OBJECTID = 3;
export const DEV_TREE_OBJECTID = 4;
export const FS_TREE_OBJECTID = 5;
export const CSUM_TREE_OBJECTID = 7;
export const QUOTA_TREE_OBJECTID = 8;
export const UUID_TREE_OBJECTID = 9;
export const FREE_SPACE_TREE_OBJECTID = 10;
export const BLOCK_GROUP_TREE_OBJECTID = 11;
export const RAID_STRIPE_TREE_OBJECTID = 12;
export const REMAP_TREE_OBJECTID = 13;
export const TREE_LOG_OBJECTID = -6;
export const TREE_LOG_FIXUP_OBJECTID = -7;
export const TREE_RELOC_OBJECTID = -8;
export const DATA_RELOC_TREE_OBJECTID = -9;

// Objects inside trees.
export const DEV_STATS_OBJECTID = 0;
export const DEV_ITEMS_OBJECTID = 1;
/** The inode number that a subvolume missing from a snapshot shows. */
export const EMPTY_SUBVOL_DIR_OBJECTID = 2;
/** The directory in the root tree that names the default subvolume. */
export const ROOT_TREE_DIR_OBJECTID = 6;
/** The lowest inode number, which is a subvolume's top directory, and the lowest subvolume id. */
export const FIRST_FREE_OBJECTID = 256;
export const LAST_FREE_OBJECTID = -256;
export const FIRST_CHUNK_TREE_OBJECTID = 256;
export const BALANCE_OBJECTID = -4;
export const ORPHAN_OBJECTID = -5;
export const EXTENT_CSUM_OBJECTID = -10;
export const FREE_SPACE_OBJECTID = -11;
export const FREE_INO_OBJECTID = -12;

/** Bytes of a UUID field. */
export const UUID_SIZE = 16;
/** Bytes of every checksum field, however short the checksum is. */
export const CSUM_SIZE = 32;
/** Longest name of a directory entry, in bytes. */
export const NAME_LEN = 255;
/** Longest name of an extended attribute, in bytes, prefix included. */
export const XATTR_NAME_MAX = 255;
/** One more than the highest level of a tree block. */
export const MAX_LEVEL = 8;
/** Most hard links to one inode. */
export const LINK_MAX = 65535;
export const MIN_NODESIZE = 4096;
export const MAX_NODESIZE = 65536;
/** Bytes that one stripe of a chunk holds before the next begins. */
export const STRIPE_LEN = 65536;
/** No chunk stripe lies below this physical address. */
export const DEVICE_RANGE_RESERVED = 1024 * 1024;

/** What an inode or a directory entry is: `type` of a directory item. */
export const FT_UNKNOWN = 0;
export const FT_REG_FILE = 1;
export const FT_DIR = 2;
export const FT_CHRDEV = 3;
export const FT_BLKDEV = 4;
export const FT_FIFO = 5;
export const FT_SOCK = 6;
export const FT_SYMLINK = 7;
export const FT_XATTR = 8;
export const FT_MAX = 9;
/** Set over the file type of every entry of an encrypted directory. */
export const FT_ENCRYPTED = 0x80;

/** `type` of a file extent item. */
export const FILE_EXTENT_INLINE = 0;
export const FILE_EXTENT_REG = 1;
export const FILE_EXTENT_PREALLOC = 2;

/** `compression` of a file extent item. */
export const COMPRESS_NONE = 0;
export const COMPRESS_ZLIB = 1;
export const COMPRESS_LZO = 2;
export const COMPRESS_ZSTD = 3;

/** `encryption` of a file extent item. */
export const ENCRYPTION_NONE = 0;
export const ENCRYPTION_FSCRYPT = 1;

/** Largest extents, in bytes of file. */
export const MAX_EXTENT_SIZE = 128 * 1024 * 1024;
export const MAX_COMPRESSED_EXTENT = 128 * 1024;

/** Types and profiles of chunks and block groups. No profile bit at all means `single`. */
export const BLOCK_GROUP_DATA = 1n << 0n;
export const BLOCK_GROUP_SYSTEM = 1n << 1n;
export const BLOCK_GROUP_METADATA = 1n << 2n;
export const BLOCK_GROUP_RAID0 = 1n << 3n;
export const BLOCK_GROUP_RAID1 = 1n << 4n;
export const BLOCK_GROUP_DUP = 1n << 5n;
export const BLOCK_GROUP_RAID10 = 1n << 6n;
export const BLOCK_GROUP_RAID5 = 1n << 7n;
export const BLOCK_GROUP_RAID6 = 1n << 8n;
export const BLOCK_GROUP_RAID1C3 = 1n << 9n;
export const BLOCK_GROUP_RAID1C4 = 1n << 10n;
export const BLOCK_GROUP_TYPE_MASK = BLOCK_GROUP_DATA | BLOCK_GROUP_SYSTEM | BLOCK_GROUP_METADATA;
export const BLOCK_GROUP_PROFILE_MASK =
  BLOCK_GROUP_RAID0 |
  BLOCK_GROUP_RAID1 |
  BLOCK_GROUP_DUP |
  BLOCK_GROUP_RAID10 |
  BLOCK_GROUP_RAID5 |
  BLOCK_GROUP_RAID6 |
  BLOCK_GROUP_RAID1C3 |
  BLOCK_GROUP_RAID1C4;
