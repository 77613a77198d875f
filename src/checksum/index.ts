export { type ChecksumAlgorithm, type ChecksumName, checksumAlgorithm } from './algorithms.js';
export { crc32c, crc32cRaw } from './crc32c.js';
