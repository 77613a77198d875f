/**
 * Directory log items: which part of a directory's names a log tree states in full.
 *
 * Key: (directory, DIR_LOG_INDEX, first index). Item: `struct btrfs_dir_log_item`. A name of the
 * directory with an index in the range that the log tree lacks has been removed.
 */
export const DIR_LOG_ITEM = { end: 0, SIZE: 8 } as const;
