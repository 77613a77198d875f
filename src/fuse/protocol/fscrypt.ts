/** The ioctls of linux include/uapi/linux/fscrypt.h: their numbers, and byte offsets in their structures. */

/** ADD_KEY_INSIDE is our own: with a larger size field, so that FUSE carries the raw key, too. */
export const FSCRYPT_IOCTL = {
  SET_POLICY: 0x800c6613,
  GET_POLICY: 0x400c6615,
  GET_POLICY_EX: 0xc0096616,
  ADD_KEY: 0xc0506617,
  ADD_KEY_INSIDE: 0xc0906617,
  REMOVE_KEY: 0xc0406618,
  REMOVE_KEY_ALL_USERS: 0xc0406619,
  GET_KEY_STATUS: 0xc080661a,
  GET_NONCE: 0x8010661b,
} as const;

/** `struct fscrypt_key_specifier`. */
export const KEY_SPEC = { type: 0, reserved: 4, identifier: 8, SIZE: 40 } as const;
export const KEY_SPEC_TYPE_DESCRIPTOR = 1;
export const KEY_SPEC_TYPE_IDENTIFIER = 2;

/** `struct fscrypt_add_key_arg`, without the raw key at its end. */
export const ADD_KEY_ARG = { keySpec: 0, rawSize: 40, keyId: 44, flags: 48, reserved: 52, SIZE: 80 } as const;
export const REMOVE_KEY_ARG = { keySpec: 0, removalStatusFlags: 40, reserved: 44, SIZE: 64 } as const;
export const KEY_STATUS_ARG = {
  keySpec: 0,
  reserved: 40,
  status: 64,
  statusFlags: 68,
  userCount: 72,
  SIZE: 128,
} as const;

export const REMOVAL_FILES_BUSY = 1;
export const REMOVAL_OTHER_USERS = 2;
export const KEY_STATUS = { absent: 1, present: 2, incompletelyRemoved: 3 } as const;
export const KEY_STATUS_ADDED_BY_SELF = 1;

export const MIN_RAW_SIZE = 16;
export const MAX_RAW_SIZE = 64;
