/**
 * Encryption policies: what a user sets on a directory, and what of it we accept.
 *
 * Form of the ioctls: `struct fscrypt_policy_v2` (linux include/uapi/linux/fscrypt.h). Only
 * version 2 with a key per file is accepted; docs/FORMAT.md has the table.
 */
import { equalBytes, FsError, isZero } from '../bytes/index.js';
import { ALLOWED_MODE_PAIRS, ENCRYPTION_MODES } from '../crypto/index.js';

export const IDENTIFIER_SIZE = 16;

export const POLICY_V2 = {
  version: 0,
  contentsMode: 1,
  filenamesMode: 2,
  flags: 3,
  log2DataUnitSize: 4,
  reserved: 5,
  masterKeyIdentifier: 8,
  SIZE: 24,
} as const;

const POLICY_VERSION = 2;
/** `struct fscrypt_policy_v1`, whose version field is 0. */
const POLICY_V1_SIZE = 12;

/** Flag bits 0–1: names are padded to a multiple of 4, 8, 16 or 32 bytes. */
export const POLICY_FLAGS_PAD_MASK = 3;

/** Flags of policies whose keys or nonces work otherwise, none of which this format has. */
const REFUSED_FLAGS: ReadonlyMap<number, string> = new Map([
  [4, 'DIRECT_KEY'],
  [8, 'IV_INO_LBLK_64'],
  [16, 'IV_INO_LBLK_32'],
]);

/** A policy of version 2. Mode numbers are fscrypt's. */
export interface Policy {
  readonly contentsMode: number;
  readonly filenamesMode: number;
  readonly flags: number;
  readonly log2DataUnitSize: number;
  readonly masterKeyIdentifier: Uint8Array;
}

/** Decodes what an ioctl passes, without judging it. @throws FsError EINVAL if it is no policy of version 2 */
export function parsePolicy(bytes: Uint8Array): Policy {
  if (bytes.length === POLICY_V1_SIZE && bytes[0] === 0) {
    throw new FsError('EINVAL', 'encryption policies of version 1 are not supported, use version 2');
  }
  if (bytes.length !== POLICY_V2.SIZE || bytes[POLICY_V2.version] !== POLICY_VERSION) {
    throw new FsError('EINVAL', `${bytes.length} bytes of version ${bytes[0]} are no encryption policy of version 2`);
  }
  if (!isZero(bytes.subarray(POLICY_V2.reserved, POLICY_V2.masterKeyIdentifier))) {
    throw new FsError('EINVAL', 'the reserved bytes of the encryption policy are not zero');
  }
  const at = (offset: number): number => bytes[offset] ?? 0;
  return {
    contentsMode: at(POLICY_V2.contentsMode),
    filenamesMode: at(POLICY_V2.filenamesMode),
    flags: at(POLICY_V2.flags),
    log2DataUnitSize: at(POLICY_V2.log2DataUnitSize),
    masterKeyIdentifier: bytes.slice(POLICY_V2.masterKeyIdentifier),
  };
}

export function encodePolicy(policy: Policy): Uint8Array {
  const bytes = new Uint8Array(POLICY_V2.SIZE);
  bytes[POLICY_V2.version] = POLICY_VERSION;
  bytes[POLICY_V2.contentsMode] = policy.contentsMode;
  bytes[POLICY_V2.filenamesMode] = policy.filenamesMode;
  bytes[POLICY_V2.flags] = policy.flags;
  bytes[POLICY_V2.log2DataUnitSize] = policy.log2DataUnitSize;
  bytes.set(policy.masterKeyIdentifier, POLICY_V2.masterKeyIdentifier);
  return bytes;
}

/** Policies that passed: each is asked about at every use. */
const accepted = new WeakSet<Policy>();

/** @throws FsError EINVAL, saying why, for a policy that is not accepted */
export function checkPolicy(policy: Policy): void {
  if (accepted.has(policy)) return;
  const { contentsMode, filenamesMode, flags, log2DataUnitSize, masterKeyIdentifier } = policy;
  const isAllowed = ALLOWED_MODE_PAIRS.some(
    (pair) => pair.contents === contentsMode && pair.filenames === filenamesMode,
  );
  if (!isAllowed) {
    const pair = `${modeName(contentsMode)} for contents with ${modeName(filenamesMode)} for names`;
    throw new FsError('EINVAL', `${pair} is no accepted pair of encryption modes`);
  }
  const refused = [...REFUSED_FLAGS].filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  if (refused.length > 0)
    throw new FsError('EINVAL', `encryption policies with ${refused.join(', ')} are not supported`);
  if ((flags & ~POLICY_FLAGS_PAD_MASK) !== 0)
    throw new FsError('EINVAL', `unknown encryption policy flags 0x${flags.toString(16)}`);
  if (log2DataUnitSize !== 0) {
    throw new FsError('EINVAL', `a data unit size (2^${log2DataUnitSize} bytes) cannot be chosen, it is the sector's`);
  }
  if (masterKeyIdentifier.length !== IDENTIFIER_SIZE) {
    throw new FsError('EINVAL', `a key identifier has ${IDENTIFIER_SIZE} bytes, not ${masterKeyIdentifier.length}`);
  }
  accepted.add(policy);
}

export function policiesEqual(a: Policy, b: Policy): boolean {
  return a === b || equalBytes(encodePolicy(a), encodePolicy(b));
}

/** The multiple to which names and symlink targets are padded, in bytes. */
export function namePadding(policy: Policy): number {
  return 4 << (policy.flags & POLICY_FLAGS_PAD_MASK);
}

/** The flags that ask for a padding of 4, 8, 16 or 32 bytes. @throws FsError EINVAL for another number */
export function paddingFlags(padding: number): number {
  const flags = [4, 8, 16, 32].indexOf(padding);
  if (flags < 0) throw new FsError('EINVAL', `names can be padded to 4, 8, 16 or 32 bytes, not ${padding}`);
  return flags;
}

/** The usual name of a mode, such as `AES-256-XTS`, also for a number we do not know. */
export function modeName(mode: number): string {
  return ENCRYPTION_MODES.find(({ number }) => number === mode)?.name ?? `mode ${mode}`;
}

/** Other names in use for a mode: those of the kernel's documentation and of the fscrypt tool. */
const MODE_ALIASES: ReadonlyMap<string, string> = new Map([
  ['aes-256-cbc-cts', 'aes-256-cts'],
  ['aes-128-cbc', 'aes-128-cbc-essiv'],
  ['aes-128-cbc-cts', 'aes-128-cts'],
  ['sm4-cbc-cts', 'sm4-cts'],
]);

/** The number of a mode given by name, in any case, with `-` or `_`. @throws FsError EINVAL for an unknown name */
export function modeByName(name: string): number {
  const wanted = name.toLowerCase().replaceAll('_', '-');
  const usual = MODE_ALIASES.get(wanted) ?? wanted;
  const mode = ENCRYPTION_MODES.find((known) => known.name.toLowerCase() === usual);
  if (mode === undefined) {
    const names = ENCRYPTION_MODES.map((known) => known.name).join(', ');
    throw new FsError('EINVAL', `unknown encryption mode ${name}; there are ${names}`);
  }
  return mode.number;
}
