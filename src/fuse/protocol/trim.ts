/** FITRIM of linux include/uapi/linux/fs.h. */

/** `_IOWR('X', 121, struct fstrim_range)` */
export const FITRIM = 0xc0185879;

/** `struct fstrim_range`, three u64: bytes, `len` being how many were given back in the answer. */
export const FSTRIM_RANGE = { start: 0, len: 8, minlen: 16, SIZE: 24 } as const;
