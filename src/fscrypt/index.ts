export * from './context.js';
export { type KeyHold, Keyring, type KeyringOptions, type KeyStatus } from './keyring.js';
export {
  decryptName,
  encryptName,
  matchesNoKeyName,
  type NoKeyName,
  noKeyName,
  parseNoKeyName,
} from './names.js';
export * from './policy.js';
export * from './symlink.js';
