export type { CipherEngine, ContentsCipher, FilenamesCipher } from './ciphers.js';
export { type Hmac, hkdfExpand, hkdfExtract, sha256 } from './digest.js';
export { chooseEngine, opensslEngine, portableEngine } from './engine.js';
export { keyMemory } from './key-memory.js';
export {
  ALLOWED_MODE_PAIRS,
  DATA_UNIT_SIZE,
  ENCRYPTION_MODES,
  EncryptionMode,
  type EncryptionModeInfo,
  encryptionMode,
  type ModePair,
} from './modes.js';
