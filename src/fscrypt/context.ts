/**
 * Contexts: what a volume stores beside an encrypted inode and beside an encrypted extent.
 *
 * On disk: `fscrypt_context_v2` (linux fs/crypto/fscrypt_private.h) for inodes, and for extents of
 * the `trailing` layout; `fscrypt_extent_context_v1` of the series "btrfs: add fscrypt support" for
 * extents of the `item` layout and of the interim form of 2023–24. docs/FORMAT.md has the tables.
 */
import { corrupt, equalBytes, FsError, isZero, type RandomSource, toHex } from '../bytes/index.js';
import { EXTENT_CONTEXT, INODE_CONTEXT } from '../format/index.js';
import { checkPolicy, type Policy } from './policy.js';

export const NONCE_SIZE = 16;

const INODE_CONTEXT_VERSION = 2;
const EXTENT_CONTEXT_VERSION = 1;
/** `fscrypt_context_v1`: version 1, modes, flags, an 8-byte key descriptor and the nonce. */
const V1_CONTEXT_SIZE = 28;

/** The context of a directory, a symlink or (in the `item` layout) a regular file. */
export interface InodeContext {
  readonly policy: Policy;
  readonly nonce: Uint8Array;
}

/**
 * Which of the three forms an extent's context has.
 *
 * - `item`: an item of its own (series of 2026)
 * - `trailing`: at the end of the file extent item, a whole inode context (series of August 2023)
 * - `interim`: at the same end, but the short structure (series of 2023–24); read, never written
 */
export type ExtentContextForm = 'item' | 'trailing' | 'interim';

/** The context of one extent on disk: with its master key it is all that reading the extent takes. */
export interface ExtentContext {
  readonly form: ExtentContextForm;
  readonly contentsMode: number;
  readonly masterKeyIdentifier: Uint8Array;
  readonly nonce: Uint8Array;
  /** As stored: what a split, a clone or a snapshot copies. */
  readonly bytes: Uint8Array;
}

/**
 * Decodes an inode's context. Whether its policy is one we accept is for {@link checkPolicy}, so
 * that an inode with another one can still be listed and removed.
 *
 * @throws FsError EINVAL for a context of policy version 1, EUCLEAN for anything that is no context
 */
export function parseInodeContext(bytes: Uint8Array): InodeContext {
  checkForm(bytes, 'inode context', INODE_CONTEXT_VERSION, INODE_CONTEXT.SIZE);
  const at = (offset: number): number => bytes[offset] ?? 0;
  const { reserved, masterKeyIdentifier, nonce } = INODE_CONTEXT;
  if (!isZero(bytes.subarray(reserved, masterKeyIdentifier))) {
    throw corrupt(
      'inode context',
      `reserved bytes are ${toHex(bytes.subarray(reserved, masterKeyIdentifier))}, not zero`,
    );
  }
  return {
    policy: {
      contentsMode: at(INODE_CONTEXT.contentsMode),
      filenamesMode: at(INODE_CONTEXT.filenamesMode),
      flags: at(INODE_CONTEXT.flags),
      log2DataUnitSize: at(INODE_CONTEXT.log2DataUnitSize),
      masterKeyIdentifier: bytes.slice(masterKeyIdentifier, nonce),
    },
    nonce: bytes.slice(nonce, INODE_CONTEXT.SIZE),
  };
}

export function encodeInodeContext({ policy, nonce }: InodeContext): Uint8Array {
  const bytes = new Uint8Array(INODE_CONTEXT.SIZE);
  bytes[INODE_CONTEXT.version] = INODE_CONTEXT_VERSION;
  bytes[INODE_CONTEXT.contentsMode] = policy.contentsMode;
  bytes[INODE_CONTEXT.filenamesMode] = policy.filenamesMode;
  bytes[INODE_CONTEXT.flags] = policy.flags;
  bytes[INODE_CONTEXT.log2DataUnitSize] = policy.log2DataUnitSize;
  bytes.set(policy.masterKeyIdentifier, INODE_CONTEXT.masterKeyIdentifier);
  bytes.set(nonce, INODE_CONTEXT.nonce);
  return bytes;
}

/** The context of a new inode: the given policy (its directory's) and a fresh nonce. */
export function newInodeContext(policy: Policy, random: RandomSource): InodeContext {
  return { policy, nonce: newNonce(random) };
}

/**
 * Decodes an extent's context as found in the place of `form`.
 *
 * @throws FsError EINVAL for a policy we do not accept (version 1, DIRECT_KEY and the like),
 * EUCLEAN for anything that is no context
 */
export function parseExtentContext(bytes: Uint8Array, form: ExtentContextForm): ExtentContext {
  if (form === 'trailing') {
    const { policy, nonce } = parseInodeContext(bytes);
    checkPolicy(policy);
    const { contentsMode, masterKeyIdentifier } = policy;
    return { form, contentsMode, masterKeyIdentifier, nonce, bytes: bytes.slice() };
  }
  checkForm(bytes, 'extent context', EXTENT_CONTEXT_VERSION, EXTENT_CONTEXT.SIZE);
  return {
    form,
    contentsMode: bytes[EXTENT_CONTEXT.contentsMode] ?? 0,
    masterKeyIdentifier: bytes.slice(EXTENT_CONTEXT.masterKeyIdentifier, EXTENT_CONTEXT.nonce),
    nonce: bytes.slice(EXTENT_CONTEXT.nonce, EXTENT_CONTEXT.SIZE),
    bytes: bytes.slice(),
  };
}

/** The context of a new extent: what `policy` says about contents, and a nonce never used before. */
export function newExtentContext(policy: Policy, form: 'item' | 'trailing', random: RandomSource): ExtentContext {
  const nonce = newNonce(random);
  const { contentsMode, masterKeyIdentifier } = policy;
  if (form === 'trailing') {
    return { form, contentsMode, masterKeyIdentifier, nonce, bytes: encodeInodeContext({ policy, nonce }) };
  }
  const bytes = new Uint8Array(EXTENT_CONTEXT.SIZE);
  bytes[EXTENT_CONTEXT.version] = EXTENT_CONTEXT_VERSION;
  bytes[EXTENT_CONTEXT.contentsMode] = contentsMode;
  bytes.set(masterKeyIdentifier, EXTENT_CONTEXT.masterKeyIdentifier);
  bytes.set(nonce, EXTENT_CONTEXT.nonce);
  return { form, contentsMode, masterKeyIdentifier, nonce, bytes };
}

/** What two extents, or an extent and a policy, must share to share ciphertext. */
type ContentsKeyed = Pick<Policy, 'contentsMode' | 'masterKeyIdentifier'>;

/** Whether an extent has the key and contents mode of `policy`: the `item` layout demands it of a file's extents. */
export function extentMatchesPolicy(extent: ContentsKeyed, policy: ContentsKeyed): boolean {
  return (
    extent.contentsMode === policy.contentsMode && equalBytes(extent.masterKeyIdentifier, policy.masterKeyIdentifier)
  );
}

function checkForm(bytes: Uint8Array, what: string, version: number, size: number): void {
  if (bytes.length === V1_CONTEXT_SIZE && bytes[0] === 1) {
    throw new FsError('EINVAL', `${what}: encryption policies of version 1 are not supported`);
  }
  if (bytes.length !== size) throw corrupt(what, `${bytes.length} bytes long, not ${size}`);
  if (bytes[0] !== version) throw corrupt(what, `version ${bytes[0]}, not ${version}`);
}

function newNonce(random: RandomSource): Uint8Array {
  const nonce = new Uint8Array(NONCE_SIZE);
  random.fill(nonce);
  return nonce;
}
