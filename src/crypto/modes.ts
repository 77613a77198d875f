/**
 * The encryption modes of fscrypt: numbers as in linux include/uapi/linux/fscrypt.h
 * (FSCRYPT_MODE_*), sizes and strengths as in linux fs/crypto/keysetup.c.
 */
import { FsError } from '../bytes/index.js';

/** Bytes that are encrypted under one IV: the sector size of every encrypted volume. */
export const DATA_UNIT_SIZE = 4096;

export const EncryptionMode = {
  AES_256_XTS: 1,
  AES_256_CTS: 4,
  AES_128_CBC: 5,
  AES_128_CTS: 6,
  SM4_XTS: 7,
  SM4_CTS: 8,
  ADIANTUM: 9,
  AES_256_HCTR2: 10,
} as const;

export interface EncryptionModeInfo {
  readonly name: string;
  readonly number: number;
  /** Bytes of the key that is derived for this mode. */
  readonly keySize: number;
  readonly ivSize: number;
  /** Bytes a master key must have before it may protect anything in this mode. */
  readonly securityStrength: number;
  readonly contents: boolean;
  readonly filenames: boolean;
}

const CONTENTS = { contents: true, filenames: false };
const FILENAMES = { contents: false, filenames: true };
const BOTH = { contents: true, filenames: true };

export const ENCRYPTION_MODES: readonly EncryptionModeInfo[] = [
  { name: 'AES-256-XTS', number: 1, keySize: 64, ivSize: 16, securityStrength: 32, ...CONTENTS },
  { name: 'AES-256-CTS', number: 4, keySize: 32, ivSize: 16, securityStrength: 32, ...FILENAMES },
  { name: 'AES-128-CBC-ESSIV', number: 5, keySize: 16, ivSize: 16, securityStrength: 16, ...CONTENTS },
  { name: 'AES-128-CTS', number: 6, keySize: 16, ivSize: 16, securityStrength: 16, ...FILENAMES },
  { name: 'SM4-XTS', number: 7, keySize: 32, ivSize: 16, securityStrength: 16, ...CONTENTS },
  { name: 'SM4-CTS', number: 8, keySize: 16, ivSize: 16, securityStrength: 16, ...FILENAMES },
  { name: 'Adiantum', number: 9, keySize: 32, ivSize: 32, securityStrength: 32, ...BOTH },
  { name: 'AES-256-HCTR2', number: 10, keySize: 32, ivSize: 32, securityStrength: 32, ...FILENAMES },
];

export interface ModePair {
  readonly contents: number;
  readonly filenames: number;
}

/** The combinations a policy may name (linux fs/crypto/policy.c, fscrypt_valid_enc_modes_v2). */
export const ALLOWED_MODE_PAIRS: readonly ModePair[] = [
  { contents: EncryptionMode.AES_256_XTS, filenames: EncryptionMode.AES_256_CTS },
  { contents: EncryptionMode.AES_256_XTS, filenames: EncryptionMode.AES_256_HCTR2 },
  { contents: EncryptionMode.AES_128_CBC, filenames: EncryptionMode.AES_128_CTS },
  { contents: EncryptionMode.SM4_XTS, filenames: EncryptionMode.SM4_CTS },
  { contents: EncryptionMode.ADIANTUM, filenames: EncryptionMode.ADIANTUM },
];

const modesByNumber = new Map(ENCRYPTION_MODES.map((mode) => [mode.number, mode]));

/** The mode with this number. @throws FsError EOPNOTSUPP if there is none */
export function encryptionMode(number: number): EncryptionModeInfo {
  const mode = modesByNumber.get(number);
  if (mode === undefined) throw new FsError('EOPNOTSUPP', `encryption mode ${number} is not known`);
  return mode;
}
