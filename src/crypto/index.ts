export type { CipherEngine, ContentsCipher, FilenamesCipher } from './ciphers.js';
export { hkdfExpand, hkdfExtract, sha256 } from './digest.js';
export { chooseEngine, opensslEngine, portableEngine } from './engine.js';
export {
  ALLOWED_MODE_PAIRS,
  DATA_UNIT_SIZE,
  ENCRYPTION_MODES,
  EncryptionMode,
  type EncryptionModeInfo,
  encryptionMode,
  type ModePair,
} from './modes.js';
