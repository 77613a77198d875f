/**
 * Where fscrypt contexts are stored, as bytes; what they mean is the business of `fscrypt/`.
 *
 * Inode context: key (inode, FSCRYPT_INODE_CTX, 0), `struct fscrypt_context_v2`. Extent context:
 * in the `item` layout key (inode, FSCRYPT_CTX, file offset), beside the file extent item with
 * the same offset; in the `trailing` layout inside that item (file-extent.ts).
 */

/** An inode's context, and an extent's in the `trailing` layout. Table for docs/FORMAT.md. */
export const INODE_CONTEXT = {
  version: 0,
  contentsMode: 1,
  filenamesMode: 2,
  flags: 3,
  log2DataUnitSize: 4,
  reserved: 5,
  masterKeyIdentifier: 8,
  nonce: 24,
  SIZE: 40,
} as const;

/** An extent's context in the `item` layout. */
export const EXTENT_CONTEXT = {
  version: 0,
  contentsMode: 1,
  masterKeyIdentifier: 2,
  nonce: 18,
  SIZE: 34,
} as const;

export const INODE_CONTEXT_SIZE = INODE_CONTEXT.SIZE;
/** `struct fscrypt_context_v1`: read past, never accepted as a policy. */
export const INODE_CONTEXT_V1_SIZE = 28;
export const EXTENT_CONTEXT_SIZE = EXTENT_CONTEXT.SIZE;
/** Largest extent context item that kernels accept. */
export const MAX_EXTENT_CONTEXT_SIZE = 40;
