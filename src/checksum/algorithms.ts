/** The checksums a volume may use, by the number in its superblock. */
import { createHash } from 'node:crypto';
import { blake2b } from '@noble/hashes/blake2.js';
import { xxh64 } from '@node-rs/xxhash';
import { FsError, viewOf } from '../bytes/index.js';
import { crc32c } from './crc32c.js';

export type ChecksumName = 'crc32c' | 'xxhash64' | 'sha256' | 'blake2b';

export interface ChecksumAlgorithm {
  /** `csum_type` of the superblock. */
  readonly type: number;
  readonly name: ChecksumName;
  /** Bytes of one checksum. */
  readonly size: number;
  /** Writes the checksum of `bytes`, {@link size} bytes, into `into` from `at` on. */
  digestInto(bytes: Uint8Array, into: Uint8Array, at: number): void;
  /** Writes one checksum for each sector of `bytes` into `into`, end to end. */
  digestSectors(bytes: Uint8Array, sectorSize: number, into: Uint8Array): void;
}

type Digest = (bytes: Uint8Array, into: Uint8Array, at: number) => void;

function algorithm(type: number, name: ChecksumName, size: number, digestInto: Digest): ChecksumAlgorithm {
  return {
    type,
    name,
    size,
    digestInto,
    digestSectors(bytes, sectorSize, into) {
      for (let from = 0, at = 0; from < bytes.length; from += sectorSize, at += size) {
        digestInto(bytes.subarray(from, from + sectorSize), into, at);
      }
    },
  };
}

const CRC32C = algorithm(0, 'crc32c', 4, (bytes, into, at) => {
  const sum = crc32c(bytes);
  into[at] = sum;
  into[at + 1] = sum >>> 8;
  into[at + 2] = sum >>> 16;
  into[at + 3] = sum >>> 24;
});

const XXHASH64 = algorithm(1, 'xxhash64', 8, (bytes, into, at) => {
  viewOf(into).setBigUint64(at, xxh64(bytes), true);
});

const SHA256 = algorithm(2, 'sha256', 32, (bytes, into, at) => {
  into.set(createHash('sha256').update(bytes).digest(), at);
});

const BLAKE2B = algorithm(3, 'blake2b', 32, (bytes, into, at) => {
  into.set(blake2b(bytes, { dkLen: 32 }), at);
});

const ALGORITHMS = [CRC32C, XXHASH64, SHA256, BLAKE2B];

/** @throws FsError EOPNOTSUPP for a type that is not known */
export function checksumAlgorithm(type: number): ChecksumAlgorithm {
  const found = ALGORITHMS[type];
  if (found === undefined) throw new FsError('EOPNOTSUPP', `checksum type ${type} is not known`);
  return found;
}
